"""Boards to be judged: one task, one machine, and whatever sets them apart."""

from collections.abc import Mapping, Sequence
from typing import Any

from answers import answer

from lstm_bench.goal import Goal

UP = Goal("accuracy", maximize=True, target=0.9)
DOWN = Goal("mse", maximize=False, target=0.01)
MACHINE = {"cpu": "Z80", "cores": 2, "gpus": [], "system": "Linux", "allocator": "tuned", "versions": {"torch": "2"}}


def board(
    scores: Sequence[float],
    goal: Goal = UP,
    *,
    study: str = "one",
    seeds: Sequence[int] | None = None,
    figures: Mapping[str, Sequence[float | None]] | None = None,
    machine: Mapping[str, Any] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """The board of a study.

    Args:
        scores: test scores by fresh seed; none: the study is not confirmed.
        goal: its task's.
        study: its name.
        seeds: the fresh ones; 0, 1, ... unless they are told.
        figures: of the confirming runs.
        machine: what differs from `MACHINE`.
        facts: other keys of the board.
    """
    whole = {"facts": {"data": "abc"}} | facts
    if not scores:
        return answer(study, [0.0], goal=goal) | whole | {"confirmed": None}
    found = answer(study, scores, goal=goal, figures=figures) | whole
    found["confirmed"] |= {"seeds": list(seeds or range(len(scores))), "machine": MACHINE | dict(machine or {})}
    return found
