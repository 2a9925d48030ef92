"""Boards of studies that nobody ran: the figures of their confirming runs are drawn, as far apart as real ones are."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from answers import answer

from lstm_bench.goal import Goal

MACHINE = {"cpu": "A made-up processor", "cores": 2, "versions": {"torch": "2.13.0"}}
QUANTUM = 3200  # sequences from one evaluation to the next
UNTIL = 28_800  # sequences that a run may take; some miss their target
SPREAD = {"score": 0.3, "sequences": 0.2, "speed": 0.03, "memory": 0.01}  # of logarithms; as suite `quick` has them


def drawn_board(
    task: str,
    seeds: int,
    rng: np.random.Generator,
    *,
    skewed: bool = False,
    target: bool = True,
    **times: float,
) -> dict[str, Any]:
    """A confirmed study's board. Its measures hang together: a run that learns badly is late and slow, too.

    Args:
        task: its task; the study is `suite-<task>`.
        seeds: how many fresh ones.
        rng: what is drawn with.
        skewed: logarithms from an exponential distribution rather than a normal one.
        target: whether the task has one.
        times: of a kind in `SPREAD`, by what its true value is multiplied.
    """

    def factors(kind: str) -> np.ndarray:
        own = rng.exponential(size=seeds) - 1 if skewed else rng.normal(size=seeds)
        return times.get(kind, 1.0) * np.exp(SPREAD[kind] * (0.6 * common + 0.8 * own))

    common = rng.exponential(size=seeds) - 1 if skewed else rng.normal(size=seeds)
    speed = 9000 * factors("speed")
    late = QUANTUM * np.ceil(22_400 / QUANTUM * factors("sequences"))
    ends = np.minimum(late, UNTIL)
    figures = {
        "speed/sequences_per_second": speed,
        "progress/sequences": ends,
        "cost/train_seconds": ends / speed,
        "memory/peak_private_mib": 22 * factors("memory"),
        "model/parameters": np.full(seeds, 4641.0),
    }
    told: dict[str, list[Any]] = {name: values.tolist() for name, values in figures.items()}
    if target:
        for name, values in (("target/sequences", late), ("target/seconds", late / speed)):
            told[name] = [value if at <= UNTIL else None for value, at in zip(values.tolist(), late, strict=True)]
    return board_of(task, (0.003 * factors("score")).tolist(), told, target=target)


def board_of(
    task: str, scores: list[float], figures: Mapping[str, list[Any]], *, target: bool = False, maximize: bool = False
) -> dict[str, Any]:
    """A board with these scores and figures by confirming run."""
    goal = Goal("mse", maximize=maximize, target=0.01 if target else None)
    found = answer(f"suite-{task}", scores, task=task, goal=goal, figures=figures)
    found["confirmed"] |= {"trial": 0, "machine": MACHINE}
    return found | {"best": {"settings": {"model.hidden": 32}}, "facts": {"data": "made"}}
