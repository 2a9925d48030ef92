"""Boards of confirmed studies that nobody ran, from their scores and figures."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lstm_bench.goal import Goal

MSE = Goal("mse", maximize=False, ceiling=0.0)
ACCURACY = Goal("accuracy", maximize=True, ceiling=1.0)


def answer(
    study: str,
    scores: Sequence[float],
    *,
    task: str = "adding",
    goal: Goal = MSE,
    figures: Mapping[str, Sequence[float | None]] | None = None,
    floors: Mapping[str, float] | None = None,
    options: Mapping[str, Any] | None = None,
    cpu: str = "Z80",
) -> dict[str, Any]:
    """The board of a study that was confirmed on seeds 1000 onwards.

    Args:
        study: its name.
        scores: test scores by seed.
        task: its task.
        goal: the task's.
        figures: of each run, by name.
        floors: scores by name, the weakest first.
        options: of the task.
        cpu: on which it ran.
    """
    found = figures or {}
    return {
        "study": study,
        "task": task,
        "goal": asdict(goal),
        "options": dict(options or {}),
        "facts": {},
        "best": None,
        "confirmed": {
            "seeds": [1000 + n for n in range(len(scores))],
            "scores": list(scores),
            "score": {"mean": statistics.fmean(scores), "low": None, "high": None, "n": len(scores)},
            "floors": {name: {"score": score} for name, score in (floors or {}).items()},
            "target_sequences": list(found.get("target/sequences", [None] * len(scores))),
            "figures": {name: list(values) for name, values in found.items()},
            "machine": {"cpu": cpu, "cores": 2},
        },
    }
