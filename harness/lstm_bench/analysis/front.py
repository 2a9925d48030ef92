"""What cannot be had better without giving something else up: the front of several objectives."""

from collections.abc import Mapping, Sequence
from typing import Any

from lstm_bench.goal import Goal
from lstm_bench.record.study import Trial

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


def undominated(points: Mapping[int, Point], maximize: Sequence[bool]) -> list[int]:
    """The numbers of the points that no other dominates, in the order of `front`; of equal points the lowest.

    Args:
        points: by number, such as a trial's.
        maximize: for each coordinate, whether more is better.
    """
    numbers = {point: number for number, point in sorted(points.items(), reverse=True)}
    return [numbers[point] for point in front(list(numbers), maximize)]


def front_of(trials: Sequence[Trial], names: Sequence[str], goal: Goal) -> list[dict[str, Any]]:
    """The complete trials that no other dominates, the earliest of equals; none where one objective was asked alone.

    They are compared as the search was told of them; the goal's own value is shown as the score that it is.
    """
    if len(names) < 2:
        return []
    told = {trial.number: trial for trial in trials if len(trial.measures) == len(names)}
    points = {number: trial.measures for number, trial in told.items()}
    return [
        {
            "trial": number,
            "settings": dict(told[number].settings),
            "values": dict(zip(names, points[number], strict=True)) | {f"valid/{goal.metric}": told[number].score},
        }
        for number in undominated(points, [maximizes(name, goal) for name in names])
    ]
