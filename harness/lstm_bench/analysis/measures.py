"""What two settings are compared by: their score, the way to the target, speed, memory, size."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lstm_bench.analysis.answer import goal_of
from lstm_bench.analysis.censored import Time

Kind = Literal["score", "target", "speed", "memory", "size"]
Scale = Literal["linear", "log"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a run, and how two settings are compared by it.

    Attributes:
        name: among a run's metrics, such as `speed/sequences_per_second`.
        label: for a table.
        unit: likewise; may be empty.
        kind: what it tells; margins are given by kind.
        maximize: whether more is better.
        scale: `log`: by ratios of geometric means, for what is above 0 and has a long tail; else by differences.
        timed: whether a clock gave it, so that unlike machines are not compared.
        paired: whether a seed, which both settings share, makes their figures alike: of the data and the weights it
            does, of a clock it does not.
    """

    name: str
    label: str
    unit: str
    kind: Kind
    maximize: bool = False
    scale: Scale = "log"
    timed: bool = False
    paired: bool = False


SEQUENCES = Measure("target/sequences", "sequences to target", "", "target", paired=True)
OTHERS = (
    SEQUENCES,
    Measure("target/seconds", "seconds to target", "s", "target", timed=True),
    Measure("speed/sequences_per_second", "sequences a second", "1/s", "speed", maximize=True, timed=True),
    Measure("memory/peak_allocated_mib", "peak memory, card", "MiB", "memory"),
    Measure("memory/peak_private_mib", "peak memory, process", "MiB", "memory"),
    Measure("model/parameters", "weights", "", "size"),
)
# Where a run that missed its target ended.
UNTIL = {"target/sequences": "progress/sequences", "target/seconds": "cost/train_seconds"}


def measures_of(board: Mapping[str, Any]) -> Iterator[Measure]:
    """All that a confirmed study can be compared by, its score first."""
    goal, found = goal_of(board), board["confirmed"]
    scores = found["scores"]
    # What is at best 0 has a long tail where seeds fail, and is compared by ratios; shares and the like by differences.
    scale: Scale = "log" if not goal.maximize and all(score > 0 for score in scores) else "linear"
    label = f"test {goal.metric}"
    yield Measure(f"test/{goal.metric}", label, goal.unit, "score", goal.maximize, scale, paired=True)
    for measure in OTHERS:
        figures = found.get("figures", {}).get(UNTIL.get(measure.name, measure.name), [])
        known = [value for value in figures if value is not None]
        if known and min(known) > 0 and (measure.kind != "target" or goal.target is not None):
            yield measure


def common(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Measure]:
    """What two confirmed studies of the same goal can be compared by."""
    others = {measure.name: measure for measure in measures_of(second)}
    found = [(measure, others.get(measure.name)) for measure in measures_of(first)]
    return [  # by ratios only where both can be
        replace(one, scale="linear") if "linear" in (one.scale, other.scale) else one for one, other in found if other
    ]


def values_of(board: Mapping[str, Any], measure: Measure) -> dict[int, float]:
    """A measure's value by fresh seed, of those that have one."""
    found = board["confirmed"]
    own = found["scores"] if measure.kind == "score" else found["figures"].get(measure.name, [])
    return {seed: value for seed, value in zip(found["seeds"], own, strict=True) if value is not None}


def times_of(board: Mapping[str, Any], measure: Measure) -> dict[int, Time]:
    """The way to the target by fresh seed; of a run that missed it, all the way that it went."""
    found = board["confirmed"]
    until = found["figures"][UNTIL[measure.name]]
    own = found["figures"].get(measure.name) or [None] * len(until)
    return {
        seed: Time(end, hit=False) if value is None else Time(value, hit=True)
        for seed, value, end in zip(found["seeds"], own, until, strict=True)
    }


def as_scaled(value: float, measure: Measure) -> float:
    """A value on the measure's scale."""
    return math.log(value) if measure.scale == "log" else value
