"""A study's answer: the best setting, how sure we are of it, and what it cost. Made from files alone."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lstm_bench.analysis.interval import mean_interval
from lstm_bench.record.files import Results, StudyFiles, TrialLine
from lstm_bench.result import RunResult
from lstm_bench.task import Goal

Board = dict[str, Any]


def best_trial(lines: Sequence[TrialLine], goal: Goal) -> TrialLine | None:
    """The best complete trial, the earliest among equals; None where none is complete."""
    complete = [(line.objective, line) for line in lines if line.objective is not None]
    choose = max if goal.search_maximizes else min
    return choose(complete, key=lambda pair: pair[0], default=(None, None))[1]


def make_board(results: Results, files: StudyFiles, goal: Goal) -> Board:
    """The answer of a study as it stands, as `board.json` (schema: results/README.md).

    `best` is None where no trial was complete, `confirmed` where no confirming run was.
    """
    asked = files.asked
    best = best_trial(files.searched, goal)
    board: Board = {
        "study": files.name,
        "task": asked["task"],
        "goal": asdict(goal),
        "asked": {"trials": asked["trials"], "confirm_seeds": asked["confirm_seeds"], "confirm": asked["confirm"]},
        "statuses": dict(Counter(line.status.value for line in files.searched)),
        "best": None,
        "confirmed": None,
    }
    if best is None:
        return board
    board["best"] = {
        "trial": best.number, "run": best.run, "seed": best.seed, "settings": dict(best.settings),
        "score": best.score,
    }  # fmt: skip
    confirming = [(line, results.run(line.run).result) for line in files.confirmed(best.number)]
    sound = [(line, result) for line, result in confirming if result and result.status.complete]
    if sound:
        board["confirmed"] = _confirmed(sound, goal) | {"machine": results.run(sound[0][0].run).machine}
    return board


def _confirmed(sound: Sequence[tuple[TrialLine, RunResult]], goal: Goal) -> Board:
    found = [result for _, result in sound]
    test = f"test/{goal.metric}"
    scores = [result.metrics[test] for result in found]
    return {
        "runs": [line.run for line, _ in sound],
        "seeds": [line.seed for line, _ in sound],
        "statuses": [result.status.value for result in found],
        "scores": scores,
        "score": asdict(mean_interval(scores)),
        "floors": {name: _floor(name, found, test) for name in found[0].floors},
        "target_seconds": [result.metrics.get("target/seconds") for result in found],
        "target_sequences": [result.metrics.get("target/sequences") for result in found],
        "train_seconds": statistics.median(result.metrics["cost/train_seconds"] for result in found),
        "timesteps_per_second": _median(found, "speed/timesteps_per_second"),
        "sequences_per_second": _median(found, "speed/sequences_per_second"),
        "memory": {
            name: max(result.metrics[name] for result in found)
            for name in found[0].metrics
            if name.startswith("memory/")
        },
        "parameters": found[0].metrics["model/parameters"],
    }


def _floor(name: str, found: Sequence[RunResult], test: str) -> Board:
    """A floor's mean over the seeds, and the paired difference to it: each run against the floor of its split."""
    differences = [result.metrics[test] - result.floors[name] for result in found]
    return {
        "score": statistics.fmean(result.floors[name] for result in found),
        "difference": asdict(mean_interval(differences)),
    }


def _median(found: Sequence[RunResult], name: str) -> float:
    return statistics.median(result.metrics[name] for result in found)


def goal_of(board: Mapping[str, Any]) -> Goal:
    """The goal that a board was made for."""
    return Goal(**board["goal"])
