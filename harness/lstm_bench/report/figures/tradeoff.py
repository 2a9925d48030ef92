"""Quality against cost, trial by trial, and the front of what cannot be had better without giving something up."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes

from lstm_bench.analysis.front import Point, maximizes, undominated
from lstm_bench.goal import Goal
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.report.figures.cloud import Cloud, cloud_of
from lstm_bench.report.figures.drawing import (
    COLOURS,
    GREY,
    Drawing,
    blank,
    finished,
    make_log,
    score_name,
    short,
    spans_a_decade,
    spread,
    styled,
)
from lstm_bench.report.table import figure as digits

MOST_LABELS = 15
SIZE = 30.0  # square points: of a dot
AREAS = (18.0, 160.0)  # of the least and the most of a third measure
MANY = 300  # trials, above which dots are small

Stairs = Literal["steps-pre", "steps-post"]


@styled
def trade_off(
    study: str,
    results: Results,
    complete: Sequence[Trial],
    objectives: Sequence[str],
    goal: Goal,
    confirmed: Mapping[int, Sequence[RunLine]] | None = None,
) -> Drawing | None:
    """The trials by two measures, a third as the size of their dots; those of the front apart from those dominated.

    The measures are the objectives that were asked for, or quality, cost and memory where one was asked for alone.
    What is measured counts as it is: of two settings of the same size, chance puts either on the front.

    Args:
        study: its name.
        results: where its runs are.
        complete: its complete trials.
        objectives: as asked; fewer than two: the goal's alone.
        goal: the task's.
        confirmed: complete runs on fresh seeds, by trial; they are marked apart.

    Returns:
        None for fewer than two trials, or where they do not differ in one of the first two measures.
    """
    cloud = cloud_of(results, complete, objectives, goal, confirmed or {})
    if any(len({point[k] for point in cloud.shown.values()}) < 2 for k in (0, 1)):
        return None
    best = undominated(cloud.told, [maximizes(name, goal) for name in cloud.names])
    note = _note(len(cloud.shown), len(complete), len(best), cloud)
    figure, axes = blank(study, note, height=5.2)
    _draw(axes, cloud, best, goal)
    figure.legend(loc="outside lower left", ncols=3)
    axes.set(xlabel=_label(cloud.names[1], goal), ylabel=_label(cloud.names[0], goal))
    what = f"{', '.join(cloud.names)} of the trials of {study}"
    more = " and others" if len(best) > MOST_LABELS else ""
    front = _listed({number: cloud.shown[number] for number in best[:MOST_LABELS]})
    fresh = f" On fresh seeds: {_listed(cloud.fresh)}." if cloud.fresh else ""
    return finished(figure, f"{what}. {note} The front: {front}{more}.{fresh}")


def _draw(axes: Axes, cloud: Cloud, best: Sequence[int], goal: Goal) -> None:
    front = sorted(best, key=lambda number: cloud.shown[number][1::-1])  # from the left
    if len(cloud.names) == 2:  # of more measures the edge is no line
        y, x = zip(*(cloud.shown[number] for number in front), strict=True)
        stairs: Stairs = "steps-pre" if maximizes(cloud.names[1], goal) else "steps-post"
        axes.plot(x, y, color=COLOURS[0], linewidth=1, alpha=0.6, drawstyle=stairs)
    dominated = {number: point for number, point in cloud.shown.items() if number not in best}
    _scatter(axes, cloud, dominated, "dominated", facecolors="none", edgecolors=GREY)
    _scatter(axes, cloud, {k: cloud.shown[k] for k in best}, "the front", color=COLOURS[0], edgecolors="white")
    fresh = "confirmed: mean of fresh seeds"
    _scatter(axes, cloud, cloud.fresh, fresh, marker="D", facecolors="none", edgecolors=COLOURS[1])
    for k in spread(len(front), MOST_LABELS):
        _number(axes, cloud.shown, front[k], COLOURS[0], below=bool(k % 2))  # neighbours do not cover each other
    for number in cloud.fresh:
        _number(axes, cloud.fresh, number, COLOURS[1], below=True)
    drawn = [*cloud.shown.values(), *cloud.fresh.values()]
    if spans_a_decade([point[1] for point in drawn]):
        make_log(axes, "x", [point[1] for point in drawn])
    if spans_a_decade([point[0] for point in drawn]) and not goal.maximize:
        make_log(axes, "y", [point[0] for point in drawn])


def _scatter(axes: Axes, cloud: Cloud, points: Mapping[int, Point], label: str, **looks: Any) -> None:
    """Dots as large as a third measure says, where there is one."""
    if not points:
        return
    sizes: Any = SIZE
    if cloud.thirds:
        thirds = [point[2] for point in points.values()]
        sizes = np.interp(thirds, (min(cloud.thirds), max(cloud.thirds)), AREAS)
    few = len(cloud.shown) < MANY
    y, x, *_ = zip(*points.values(), strict=True)
    axes.scatter(x, y, s=sizes if few else sizes / 3, linewidths=1 if few else 0.6, label=label, **looks)


def _number(axes: Axes, points: Mapping[int, Point], number: int, colour: str, *, below: bool) -> None:
    y, x, *_ = points[number]
    offset = (5, -12 if below else 5)
    axes.annotate(str(number), (x, y), offset, textcoords="offset points", color=colour, zorder=4)


def _listed(points: Mapping[int, Point]) -> str:
    return "; ".join(f"trial {number} ({', '.join(map(digits, point))})" for number, point in points.items())


def _note(drawn: int, complete: int, best: int, cloud: Cloud) -> str:
    missing = "; the others lack one of the measures" if drawn < complete else ""
    one, other = ("one", "the other") if len(cloud.names) == 2 else (f"one of {len(cloud.names)} measures", "another")
    labels = f", {MOST_LABELS} of them labelled" if best > MOST_LABELS else ""
    size = ""
    if cloud.thirds:
        least, most = digits(min(cloud.thirds)), digits(max(cloud.thirds))
        size = f" The larger a dot, the more {cloud.names[2]} ({least} to {most})."
    return (
        f"{drawn:,} of {complete:,} complete trials{missing}. Blue, by number: the front ({best:,}{labels}), which no "
        f"trial beats in {one} without losing in {other}.{size}"
    )


def _label(name: str, goal: Goal) -> str:
    own = name == f"valid/{goal.metric}"
    better = goal.maximize if own else maximizes(name, goal)
    ranked = ", ranked by sequences to the target" if own and goal.ends_run else ""
    return f"{score_name(goal) if own else short(name, 40)}, {'more' if better else 'less'} is better{ranked}"
