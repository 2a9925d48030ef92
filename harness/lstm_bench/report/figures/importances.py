"""Which of the searched parameters mattered, as bars."""

from collections.abc import Mapping

from lstm_bench.analysis.advice import scarce
from lstm_bench.analysis.importance import Importances, Share
from lstm_bench.report.figures.drawing import COLOURS, INK, Drawing, blank, finished, short, styled

ASKS = {
    "PED-ANOVA": "what parts the best tenth of the complete trials from the rest",
    "fANOVA": "what explains the score's variance over the whole space",
}
BARS = 0.7  # of a parameter's height


@styled
def importance_bars(study: str, importances: Importances, trials: int) -> Drawing | None:
    """A bar a parameter and method, the most important on top, each with its spread as a line.

    Args:
        study: its name.
        importances: by method, by path; nothing: no figure.
        trials: that they were found from.
    """
    if not importances:
        return None
    first = next(iter(importances.values()))
    paths = [*first, *(path for shares in importances.values() for path in shares if path not in first)]
    asks = "; ".join(f"{method}: {ASKS[method]}" for method in importances)
    few = scarce(trials, len(paths))
    note = f"{asks}. Lines: 90 % of bootstraps of the trials.{f' {few}.' if few else ''}"
    figure, axes = blank(study, note, height=1.8 + (0.15 + 0.2 * len(importances)) * len(paths))
    height = BARS / len(importances)
    for k, (method, shares) in enumerate(importances.items()):
        at = {path: -place - (k - (len(importances) - 1) / 2) * height for place, path in enumerate(paths)}
        rows = [at[path] for path in shares]
        axes.barh(rows, [one.share for one in shares.values()], 0.85 * height, color=COLOURS[k], label=method)
        axes.hlines(rows, *zip(*((one.low, one.high) for one in shares.values()), strict=True), color=INK, linewidth=1)
        for row, one in zip(rows, shares.values(), strict=True):
            axes.text(max(one.share, one.high) + 0.01, row, f"{one.share:.0%}", va="center", fontsize=8)
    axes.set_yticks([-place for place in range(len(paths))], [short(path, 40) for path in paths])
    axes.tick_params("y", length=0)
    axes.set_xlim(0, 1.08)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of the importance")
    if len(importances) > 1:
        figure.legend(loc="outside lower left", ncols=2)
    said = "; ".join(f"{method}: {_said(shares)}" for method, shares in importances.items())
    return finished(figure, f"Importance of the parameters of {study}, by {said}. {note}")


def _said(shares: Mapping[str, Share]) -> str:
    return ", ".join(f"{path} {one.share:.0%} ({one.low:.0%} to {one.high:.0%})" for path, one in shares.items())
