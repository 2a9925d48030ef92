"""How the runs of a study learnt: the search's thin, the confirmed contenders' bold, between floors and target."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from lstm_bench.analysis.answer import Board, goal_of
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine
from lstm_bench.report.figures.curves import Bundle, By, Curve, bundles_of, curves_of
from lstm_bench.report.figures.drawing import (
    COLOURS,
    INK,
    Drawing,
    blank,
    capital,
    finished,
    make_log,
    score_name,
    short,
    spans_a_decade,
    spread,
    styled,
)
from lstm_bench.report.table import figure as digits

MOST_CURVES = 200  # of the search: more would be a grey patch, and take long to read
OUTLIERS = 0.02  # of the search's points, the worst: they shall not flatten all the rest
AXIS = {"steps": "optimiser steps", "sequences": "training sequences"}
GREYS = {True: "#9a9a9a", False: "#d4d4d4"}  # complete, or pruned or failed
DASHES: Sequence[Any] = ("--", ":", "-.", (0, (8, 3)))

Legend = list[tuple[str, Artist]]


@styled
def learning_curves(results: Results, lines: Sequence[RunLine], board: Board, *, by: By = "steps") -> Drawing | None:
    """The valid score as training goes on; None where no run has a reading.

    Args:
        results: where the runs are.
        lines: the study's runs.
        board: its answer, with the contenders, the floors and the goal.
        by: what training is counted in.
    """
    goal, runs = goal_of(board), [line for line in lines if line.purpose == "search"]
    sample = [runs[k] for k in spread(len(runs), MOST_CURVES)]
    searched = list(curves_of(results, sample, goal.metric, by))
    confirmed = list(bundles_of(results, lines, board, by))
    if not searched and not confirmed:
        return None
    bold, levels = confirmed[: len(COLOURS)], list(_levels(board))
    note = " ".join(_said(len(searched), len(runs), sampled=len(sample) < len(runs), bold=len(bold), of=len(confirmed)))
    figure, axes = blank(board["study"], note)
    legend = [*_draw_search(axes, searched), *_draw_bundles(axes, bold), *_draw_levels(axes, levels)]
    axes.set(xlabel=AXIS[by], ylabel=score_name(goal))
    points = [score for curve in searched for score in curve.points.values()]
    seen = [score for one in bold for curve in one.curves for score in curve.points.values()]
    _scale(axes, points, [*seen, *(score for _, score in levels)], maximize=goal.maximize)
    figure.legend([artist for _, artist in legend], [label for label, _ in legend], loc="outside lower left", ncols=2)
    what = f"Learning curves of {board['study']}: {score_name(goal)} by {AXIS[by]}."
    return finished(figure, " ".join([what, note, *_ends(bold, by), *(f"{capital(label)}." for label, _ in levels)]))


def _said(drawn: int, runs: int, *, sampled: bool, bold: int, of: int) -> Iterator[str]:
    """What is drawn, and how much was left out."""
    yield f"Grey: {drawn:,} of the search's {runs:,} runs{', evenly over them' if sampled else ''}."
    if bold:
        which = f"the first {bold} of {of}" if bold < of else f"{bold}"
        yield f"Bold: {which} confirmed setting{'' if of == 1 else 's'}; thin in the same colour: the fresh seeds."


def _ends(bundles: Sequence[Bundle], by: By) -> Iterator[str]:
    for one in bundles:
        for at, mean in list(one.mean.items())[-1:]:
            yield f"{capital(one.label)}: {digits(mean)} after {at:,} {AXIS[by]}."


def _levels(board: Board) -> Iterator[tuple[str, float]]:
    """What scores are measured by: floors, weakest first, and the target."""
    floors = board["confirmed"]["floors"] if board["confirmed"] else {}
    for name, floor in floors.items():
        yield f"floor {short(name)} (test): {digits(floor['score'])}", floor["score"]
    target = board["goal"]["target"]
    if target is not None:
        yield f"target: {digits(target)}", target


def _draw_search(axes: Axes, curves: Sequence[Curve]) -> Legend:
    """Thin lines, a dot where each ends; those that did not come to their end are paler, and beneath."""
    legend: Legend = []
    for complete, label in ((False, "search run, pruned or failed"), (True, "search run")):
        found = [list(curve.points.items()) for curve in curves if curve.complete is complete]
        if found:
            lines = LineCollection(found, colors=GREYS[complete], linewidths=0.7)
            axes.add_collection(lines)
            x, y = zip(*(points[-1] for points in found), strict=True)
            axes.scatter(x, y, s=5, color=GREYS[complete], linewidths=0)
            legend.append((label, lines))
    return legend


def _draw_bundles(axes: Axes, bundles: Sequence[Bundle]) -> Legend:
    """Each setting's mean bold in its band, its seeds thin, a dot where one ends; the first on top."""
    legend: Legend = []
    for place, (bundle, colour) in enumerate(zip(bundles, COLOURS, strict=False)):
        above = 3.0 + len(bundles) - place
        for curve in bundle.curves:
            axes.plot(*_columns(curve.points), color=colour, alpha=0.5, linewidth=0.8,
                      marker="o", markersize=3, markevery=[-1], zorder=above)  # fmt: skip
        if band := bundle.band:
            low, high = zip(*band.values(), strict=True)
            axes.fill_between(list(band), low, high, color=colour, alpha=0.12, linewidth=0)
        (line,) = axes.plot(*_columns(bundle.mean), color=colour, linewidth=2.2, zorder=above)
        legend.append((bundle.label, line))
    return legend


def _columns(points: Mapping[int, float]) -> tuple[list[int], list[float]]:
    return list(points), list(points.values())


def _draw_levels(axes: Axes, levels: Sequence[tuple[str, float]]) -> Legend:
    return [
        (label, axes.axhline(score, color=INK, linewidth=1, linestyle=dashes))
        for (label, score), dashes in zip(levels, itertools.cycle(DASHES), strict=False)
    ]


def _scale(axes: Axes, searched: Sequence[float], firm: Sequence[float], *, maximize: bool) -> None:
    """Show all, but for the search's worst where they would take more than two thirds of the height.

    A loss that spans more than a decade gets a logarithmic scale.
    """
    ranked = sorted(searched, reverse=maximize)  # the worst last
    kept = [*ranked[: math.ceil(len(ranked) * (1 - OUTLIERS))], *firm]
    log = not maximize and min([*ranked, *firm]) > 0 and spans_a_decade(kept)
    if log:
        make_log(axes, "y", kept)
    scaled = math.log if log else float
    (low, high), (least, most) = ((scaled(min(values)), scaled(max(values))) for values in (kept, [*searched, *firm]))
    if most - least < 3 * (high - low) or high == low:
        low, high = least, most
    margin = 0.04 * (high - low) or abs(high) * 0.1 or 1
    ends = low - margin, high + margin
    axes.set_ylim(*(math.exp(end) if log else end for end in ends))
    axes.autoscale(axis="x")
