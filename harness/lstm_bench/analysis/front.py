"""What cannot be had better without giving something else up: the front of several objectives."""

from collections.abc import Sequence
from typing import Any

from lstm_bench.record.study import Trial
from lstm_bench.task import Goal

Point = tuple[float, ...]


def maximizes(name: str, goal: Goal) -> bool:
    """Whether more of an objective is better: the score as the search ranks it, speed; of all else less is."""
    return goal.search_maximizes if name == f"valid/{goal.metric}" else name.startswith("speed/")


def front(points: Sequence[Point], maximize: Sequence[bool]) -> list[Point]:
    """The points that no other dominates, each once, the best in the first coordinate first.

    A point dominates another when it is as good in each coordinate and better in one.

    Args:
        points: finite, all of the same length.
        maximize: for each coordinate, whether more is better.

    >>> front([(0.9, 10.0), (0.8, 30.0), (0.8, 20.0), (0.9, 10.0)], [True, True])
    [(0.9, 10.0), (0.8, 30.0)]
    """
    costs = {tuple(-x if more else x for x, more in zip(point, maximize, strict=True)): point for point in points}
    found: list[Point] = []
    for cost in sorted(costs):  # whoever dominates a point is sorted before it
        if not any(all(a <= b for a, b in zip(kept, cost, strict=True)) for kept in found):
            found.append(cost)
    return [costs[cost] for cost in found]


def front_of(trials: Sequence[Trial], names: Sequence[str], goal: Goal) -> list[dict[str, Any]]:
    """The complete trials that no other dominates, the earliest of equals; none where one objective was asked alone.

    They are compared as the search was told of them; the goal's own value is shown as the score that it is.
    """
    if len(names) < 2:
        return []
    complete = [trial for trial in trials if trial.objective is not None]
    told = {trial.measures: trial for trial in reversed(complete) if len(trial.measures) == len(names)}
    points = front(list(told), [maximizes(name, goal) for name in names])
    return [
        {
            "trial": told[point].number,
            "settings": dict(told[point].settings),
            "values": dict(zip(names, point, strict=True)) | {f"valid/{goal.metric}": told[point].score},
        }
        for point in points
    ]
