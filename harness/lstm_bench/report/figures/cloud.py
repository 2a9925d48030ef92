"""Trials as points: by quality, cost and memory, or by the objectives that were asked for."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lstm_bench.analysis.front import Point
from lstm_bench.goal import Goal
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, Trial

MEMORY = ("memory/peak_allocated_mib", "memory/peak_private_mib")  # of a card, of a process; the first that is known


@dataclass(frozen=True, slots=True)
class Cloud:
    """Trials as points.

    Attributes:
        names: of the measures, two or more.
        told: by trial, the measures as the search ranks them.
        shown: by trial, as a person reads them.
        fresh: by trial, what its setting did on fresh seeds, as a person reads it; of the confirmed ones.
    """

    names: Sequence[str]
    told: Mapping[int, Point]
    shown: Mapping[int, Point]
    fresh: Mapping[int, Point]

    @property
    def thirds(self) -> list[float]:
        """What the trials have of the third measure; nothing where there are two."""
        return [point[2] for point in self.shown.values() if len(self.names) > 2]


def cloud_of(
    results: Results,
    complete: Sequence[Trial],
    objectives: Sequence[str],
    goal: Goal,
    confirmed: Mapping[int, Sequence[RunLine]],
) -> Cloud:
    """The trials by the objectives that were asked for, or by quality and cost where one was asked for alone.

    Args:
        results: where the runs are.
        complete: the complete trials.
        objectives: as asked; fewer than two: the goal's alone.
        goal: the task's.
        confirmed: complete runs on fresh seeds, by trial.
    """
    fresh = {number: _figures(results, runs, goal) for number, runs in confirmed.items() if runs}
    if len(objectives) > 1:
        names, (told, shown) = list(objectives), _asked(complete, objectives, goal)
    else:
        names, told = _priced(results, complete, goal)
        shown = told
    return Cloud(names, told, shown, _points(fresh, names))


def _asked(complete: Sequence[Trial], names: Sequence[str], goal: Goal) -> tuple[dict[int, Point], dict[int, Point]]:
    """By the objectives. The goal's own is told as it ranks, and shown as the score that it is."""
    told = {trial.number: trial.measures for trial in complete if len(trial.measures) == len(names)}
    scores = {trial.number: trial.score or 0.0 for trial in complete}
    own = f"valid/{goal.metric}"
    shown = {
        number: tuple(scores[number] if name == own else x for name, x in zip(names, measures, strict=True))
        for number, measures in told.items()
    }
    return told, shown


def _priced(results: Results, complete: Sequence[Trial], goal: Goal) -> tuple[list[str], dict[int, Point]]:
    """By quality, cost and, where it differs, memory.

    Quality is the valid score; where the target ends the runs, the sequences to reach it, of the trials whose every
    run did. Cost is the time of training; the number of weights where a run was reused, since what is measured is not
    looked up.
    """
    found = {trial.number: _figures(results, trial.runs, goal) for trial in complete}
    quality = "target/sequences" if goal.ends_run else f"valid/{goal.metric}"
    if any(line.reused for trial in complete for line in trial.runs):
        names = [quality, "model/parameters"]
        return names, _points(found, names)
    names = [quality, "cost/train_seconds"]
    for memory in MEMORY:
        points = _points(found, [*names, memory])
        if len({point[-1] for point in points.values()}) > 1:
            return [*names, memory], points
    return names, _points(found, names)


def _figures(results: Results, runs: Sequence[RunLine], goal: Goal) -> list[Mapping[str, float]]:
    """The figures of each of some complete runs, its valid score among them."""
    ended = [(line, results.run(line.run).result) for line in runs]
    return [{**(result.metrics if result else {}), f"valid/{goal.metric}": line.score or 0.0} for line, result in ended]


def _points(found: Mapping[int, Sequence[Mapping[str, float]]], names: Sequence[str]) -> dict[int, Point]:
    """By trial, the mean of each measure over its runs, where every run has it."""
    return {
        number: tuple(statistics.fmean(run[name] for run in runs) for name in names)
        for number, runs in found.items()
        if all(name in run for run in runs for name in names)
    }
