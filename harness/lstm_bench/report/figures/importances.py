"""Which of the searched parameters mattered, as bars."""

from collections.abc import Mapping

from lstm_bench.report.figures.drawing import COLOURS, Drawing, blank, finished, short, styled


@styled
def importance_bars(study: str, importances: Mapping[str, float]) -> Drawing | None:
    """A bar a parameter, the most important on top.

    Args:
        study: its name.
        importances: shares by path; nothing: no figure.
    """
    if not importances:
        return None
    shares = dict(sorted(importances.items(), key=lambda pair: pair[1]))
    note = "What parts the best tenth of the complete trials from the rest (PED-ANOVA)."
    figure, axes = blank(study, note, height=1.5 + 0.35 * len(shares))
    bars = axes.barh(range(len(shares)), list(shares.values()), height=0.6, color=COLOURS[0])
    axes.bar_label(bars, [f"{share:.0%}" for share in shares.values()], padding=4)
    axes.set_yticks(range(len(shares)), [short(path, 40) for path in shares])
    axes.tick_params("y", length=0)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel("share of the importance")
    said = ", ".join(f"{path} {share:.0%}" for path, share in reversed(shares.items()))
    return finished(figure, f"Importance of the parameters of {study} (PED-ANOVA): {said}.")
