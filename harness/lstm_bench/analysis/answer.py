"""Reading a study's answer: which trial leads, which setting was chosen, by which goal."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from lstm_bench.goal import Goal
from lstm_bench.record.study import Trial

Board = dict[str, Any]  # `board.json`; schema: results/README.md


def best_trial(trials: Sequence[Trial], goal: Goal) -> Trial | None:
    """The best complete trial, the earliest among equals; None where none is complete."""
    return next(iter(top_trials(trials, goal, 1)), None)


def top_trials(trials: Sequence[Trial], goal: Goal, k: int) -> list[Trial]:
    """The best k complete trials of distinct settings, the best first, the earliest first among equals."""
    complete = [(trial.objective, trial) for trial in trials if trial.objective is not None]
    found: list[Trial] = []
    for _, trial in sorted(complete, key=lambda pair: pair[0], reverse=goal.search_maximizes):
        if all(trial.settings != better.settings for better in found):
            found.append(trial)
    return found[:k]


def chosen(board: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the search knows of the setting that a board answers with: the confirmed one, else the search's best."""
    confirmed = (board["confirmed"] or {}).get("trial")
    contenders = board.get("contenders", ())  # older boards have none: the search's best was the one confirmed
    found: Mapping[str, Any] | None = next((one for one in contenders if one["trial"] == confirmed), board["best"])
    return found


def goal_of(board: Mapping[str, Any]) -> Goal:
    """The goal that a board was made for."""
    return Goal(**board["goal"])


def goal_asked(asked: Mapping[str, Any]) -> Goal:
    """The goal of a study that was asked; of an older one, its task's."""
    if "goal" in asked:
        return Goal(**asked["goal"])
    from lstm_bench.task import load_task

    return cast(Goal, load_task(asked["task"]).goal)
