"""Boards of confirmed studies, made by hand to be judged."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

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
    **more: Any,
) -> dict[str, Any]:
    """As `board.json`, with as much as is looked at.

    Args:
        scores: test scores by fresh seed; none: the study is not confirmed.
        goal: its task's.
        study: its name.
        seeds: the fresh ones; 0, 1, ... unless they are told.
        figures: of the confirming runs.
        more: other facts of the board; `machine` is the confirmation's.
    """
    confirmed = {
        "seeds": list(range(len(scores)) if seeds is None else seeds),
        "scores": list(scores),
        "figures": {name: list(values) for name, values in (figures or {}).items()},
        "machine": MACHINE | more.pop("machine", {}),
    }
    found = {"study": study, "task": "adding", "goal": asdict(goal), "options": {}, "facts": {"data": "abc"}}
    return {**found, "confirmed": confirmed if scores else None, **more}
