"""A published table as a figure: each row's sequences until its criterion, the paper's and ours."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from lstm_bench.analysis.replication import Column, Replication
from lstm_bench.report.figures.drawing import COLOURS, INK, Drawing, blank, finished, make_log, short, styled

ROW = 0.34  # inches
PLACES: Mapping[Column, float] = {"faithful": -0.16, "modern": 0.16}  # about a row's middle, in rows
SHADES: Mapping[Column, str] = {"faithful": COLOURS[0], "modern": COLOURS[1]}
NOTE = (
    "Sequences until the criterion. Diamonds: the paper. A dot a trial, an arrow one that failed, at the cap; "
    "the line goes from the first quartile to the third, the large dot is the median."
)


@styled
def sequences_to_criterion(rows: Sequence[Replication]) -> Drawing:
    """A line a row, on a logarithmic axis.

    Args:
        rows: at least one.
    """
    names = list(dict.fromkeys(one.row for one in rows))
    figure, axes = blank("The 1997 table", NOTE, height=1.8 + ROW * len(names))
    values = [time.value for one in rows for time in one.times] + [float(one.paper.sequences) for one in rows]
    make_log(axes, "x", values)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    for one in rows:
        _draw(axes, names.index(one.row), one)
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="training sequences, fewer is better")
    axes.set_yticks(range(len(names)), [short(name, 24) for name in names])
    axes.tick_params("y", length=0)
    axes.grid(axis="x", alpha=0.25)
    marks = [Line2D([], [], color=INK, marker="D", fillstyle="none", linestyle="", label="paper")]
    columns = [column for column in PLACES if any(one.column == column for one in rows)]
    marks += [Line2D([], [], color=SHADES[column], marker="o", label=column) for column in columns]
    figure.legend(handles=marks, loc="outside lower left", ncols=3)
    return finished(figure, f"{NOTE} {' '.join(map(_said, rows))}")


def _draw(axes: Axes, row: int, one: Replication) -> None:
    at, colour = row + PLACES[one.column], SHADES[one.column]
    axes.plot([one.paper.sequences], [row], marker="D", color=INK, fillstyle="none", zorder=3)
    for hit, mark in ((True, "o"), (False, ">")):
        found = [time.value for time in one.times if time.hit is hit]
        axes.plot(found, [at] * len(found), mark, color=colour, markersize=4, alpha=0.45, markeredgewidth=0)
    first, median, third = one.quartiles
    if first is not None:
        axes.plot([first, one.cap if third is None else third], [at, at], color=colour, linewidth=2)
    if median is not None:
        axes.plot([median], [at], "o", color=colour, markersize=6)


def _said(one: Replication) -> str:
    median = one.quartiles[1]
    told = f"beyond {one.cap:,}" if median is None else f"{median:,.0f}"
    return f"{one.row}, {one.column}: median {told}, the paper {one.paper.sequences:,}."
