"""Quality against cost, trial by trial, and the front of what cannot be had better without giving something up."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from matplotlib.axes import Axes

from lstm_bench.analysis.front import Point, maximizes, undominated
from lstm_bench.goal import Goal
from lstm_bench.record.files import Results
from lstm_bench.record.study import Trial
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

Stairs = Literal["steps-pre", "steps-post"]


@dataclass(frozen=True, slots=True)
class Cloud:
    """Trials as points.

    Attributes:
        names: of the measures.
        told: by trial, all the measures as the search ranks them.
        shown: by trial, the first two as a person reads them.
    """

    names: Sequence[str]
    told: Mapping[int, Point]
    shown: Mapping[int, tuple[float, float]]


@styled
def trade_off(
    study: str, results: Results, complete: Sequence[Trial], objectives: Sequence[str], goal: Goal
) -> Drawing | None:
    """The trials by their first two objectives, or by quality and cost where one was asked alone; the front marked.

    Args:
        study: its name.
        results: where its runs are.
        complete: its complete trials.
        objectives: as asked; fewer than two: the goal's alone.
        goal: the task's.

    Returns:
        None for fewer than two trials, or where they do not differ in one of the two.
    """
    cloud = _asked(complete, objectives, goal) if len(objectives) > 1 else _priced(results, complete, goal)
    upright, level = zip(*cloud.shown.values(), strict=True) if cloud.shown else ((), ())
    if len(set(upright)) < 2 or len(set(level)) < 2:
        return None
    best = undominated(cloud.told, [maximizes(name, goal) for name in cloud.names])
    note = _note(len(cloud.shown), len(complete), len(best), cloud.names)
    figure, axes = blank(study, note)
    axes.scatter(level, upright, s=22 if len(level) < 300 else 8, color=GREY, alpha=0.7, linewidths=0)
    front = sorted((cloud.shown[number][::-1], number) for number in best)
    _draw_front(axes, front, stairs=_stairs(cloud.names, goal))
    if spans_a_decade(level):
        make_log(axes, "x", level)
    if spans_a_decade(upright) and not goal.maximize:
        make_log(axes, "y", upright)
    axes.set(xlabel=_label(cloud.names[1], goal), ylabel=_label(cloud.names[0], goal))
    said = "; ".join(f"trial {number} ({digits(y)}, {digits(x)})" for (x, y), number in front[:MOST_LABELS])
    what = f"{cloud.names[0]} against {cloud.names[1]} of the trials of {study}"
    more = " and others" if len(front) > MOST_LABELS else ""
    return finished(figure, f"{what}. {note} The front: {said}{more}.")


def _draw_front(axes: Axes, front: Sequence[tuple[tuple[float, float], int]], stairs: Stairs | None) -> None:
    """Its points, numbered as far as there is room, and the stairs between them."""
    x, y = zip(*(point for point, _ in front), strict=True)
    if stairs:
        axes.plot(x, y, color=COLOURS[0], linewidth=1, alpha=0.6, drawstyle=stairs)
    axes.scatter(x, y, s=42, color=COLOURS[0], edgecolors="white", linewidths=0.8, zorder=3)
    for k in spread(len(front), MOST_LABELS):
        point, number = front[k]
        below = -12 if k % 2 else 5  # so that neighbours do not cover each other
        axes.annotate(str(number), point, (5, below), textcoords="offset points", color=COLOURS[0], zorder=4)


def _stairs(names: Sequence[str], goal: Goal) -> Stairs | None:
    """How the edge of what can be had runs from point to point; of more than two measures it is no line."""
    if len(names) > 2:
        return None
    return "steps-pre" if maximizes(names[1], goal) else "steps-post"


def _asked(complete: Sequence[Trial], names: Sequence[str], goal: Goal) -> Cloud:
    """By the objectives. The goal's own is told as it ranks, and shown as the score that it is."""
    told = {trial.number: trial.measures for trial in complete if len(trial.measures) == len(names)}
    scores = {trial.number: trial.score or 0.0 for trial in complete}
    shown = {
        number: tuple(scores[number] if name == f"valid/{goal.metric}" else value
                      for name, value in zip(names, measures, strict=True))
        for number, measures in told.items()
    }  # fmt: skip
    return Cloud(names, told, {number: (values[0], values[1]) for number, values in shown.items()})


def _priced(results: Results, complete: Sequence[Trial], goal: Goal) -> Cloud:
    """By quality and cost.

    Quality is the valid score; where the target ends the runs, the sequences to reach it, of the trials whose every
    run did. Cost is the time of training; the number of weights where a run was reused, since a timing is measured and
    not looked up.
    """
    reused = any(line.reused for trial in complete for line in trial.runs)
    names = (
        "target/sequences" if goal.ends_run else f"valid/{goal.metric}",
        "model/parameters" if reused else "cost/train_seconds",
    )
    points: dict[int, tuple[float, float]] = {}
    for trial in complete:
        ended = [results.run(line.run).result for line in trial.runs]
        metrics = [result.metrics if result else {} for result in ended]
        if all(names[1] in found and (names[0] in found or not goal.ends_run) for found in metrics):
            quality = statistics.fmean(found[names[0]] for found in metrics) if goal.ends_run else trial.score or 0.0
            points[trial.number] = quality, statistics.fmean(found[names[1]] for found in metrics)
    return Cloud(names, points, points)


def _note(drawn: int, complete: int, best: int, names: Sequence[str]) -> str:
    missing = "; the others lack one of the two" if drawn < complete else ""
    one, other = ("one", "the other") if len(names) == 2 else (f"one of {len(names)} objectives", "another")
    labels = f", {MOST_LABELS} of them labelled" if best > MOST_LABELS else ""
    return (
        f"{drawn:,} of {complete:,} complete trials{missing}. Blue, by number: the front ({best:,}{labels}), which no "
        f"trial beats in {one} without losing in {other}."
    )


def _label(name: str, goal: Goal) -> str:
    own = name == f"valid/{goal.metric}"
    better = goal.maximize if own else maximizes(name, goal)
    ranked = ", ranked by sequences to the target" if own and goal.ends_run else ""
    return f"{score_name(goal) if own else short(name, 40)}, {'more' if better else 'less'} is better{ranked}"
