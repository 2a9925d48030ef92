"""The critical-difference figure: mean ranks over tasks on a line, and bars over those that cannot be told apart."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from lstm_bench.analysis.ranks import Ranks
from lstm_bench.report.figures.drawing import COLOURS, INK, Drawing, blank, finished, short, styled

ROW = 0.3  # inches a side or bar


@styled
def critical_ranks(name: str, ranks: Ranks) -> Drawing | None:
    """Mean ranks after Demsar (2006, JMLR 7, figure 1), a row a side; None where nothing can be said of them.

    Args:
        name: what is compared.
        ranks: of the sides over the tasks.
    """
    if ranks.silent:
        return None
    groups = [group for group in ranks.groups if len(group) > 1]
    note = f"{ranks.words()} A bar joins what cannot be told apart."
    rows, k = len(ranks.sides) + len(groups), len(ranks.sides)
    figure, axes = blank(name, note, height=1.5 + ROW * rows)
    for row, side in enumerate(ranks.order):
        _draw_side(axes, row, ranks.means[side], short(ranks.sides[side], 40), middle=(1 + k) / 2)
    for row, group in enumerate(groups, k):
        ends = [ranks.means[side] for side in (group[0], group[-1])]
        axes.plot(ends, [row, row], color=INK, linewidth=5, solid_capstyle="round")
    axes.set(
        xlim=(0.95, k + 0.05), ylim=(rows - 0.4, -0.6), xlabel=f"mean rank over {len(ranks.tasks)} tasks, 1 is best"
    )
    axes.set_xticks(range(1, k + 1))
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    return finished(
        figure, f"Mean ranks of {name}: {_listed(ranks, ranks.order)}. {note} {_joined(ranks, groups)}".strip()
    )


def _draw_side(axes: Axes, row: int, mean: float, name: str, *, middle: float) -> None:
    """A dot with its name towards the middle, where there is room."""
    axes.plot([mean], [row], marker="o", color=COLOURS[0])
    left = mean > middle
    at = (-8 if left else 8, 0)
    label = f"{name}  {mean:.2f}"
    axes.annotate(label, (mean, row), at, textcoords="offset points", ha="right" if left else "left", va="center")


def _listed(ranks: Ranks, group: Sequence[int]) -> str:
    return ", ".join(f"{ranks.sides[side]} {ranks.means[side]:.2f}" for side in group)


def _joined(ranks: Ranks, groups: Sequence[Sequence[int]]) -> str:
    return " ".join(f"Not told apart: {', '.join(ranks.sides[side] for side in group)}." for group in groups)
