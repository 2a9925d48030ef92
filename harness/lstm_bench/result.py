"""What a run says: a reading at each evaluation, one result at its end, with exactly one status."""

import enum
import itertools
import math
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

BUDGET = "progress/budget"  # a reading's metric: the share of the run's budget that is used
FEWEST = 4  # windows that have quartiles worth telling


class Status(enum.StrEnum):
    """How a run ended. All but `killed` count as done: a killed run is taken up again."""

    FINISHED = "finished"  # used its whole budget
    SOLVED = "solved"  # reached the target that ends its task's runs
    PRUNED = "pruned"  # the search had seen enough
    DIVERGED = "diverged"  # the loss or the score is no longer a number
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"  # an exception, or a signal from outside
    TIMED_OUT = "timed_out"
    KILLED = "killed"  # by the user, or with its driver

    @property
    def counts(self) -> bool:
        """Whether a trial that ended so is done."""
        return self is not Status.KILLED

    @property
    def complete(self) -> bool:
        """Whether the run did all that it was asked to, so that its score can be compared."""
        return self in (Status.FINISHED, Status.SOLVED)


@dataclass(frozen=True, slots=True)
class Reading:
    """The state of a run at one evaluation, as a line of `readings.jsonl`.

    Attributes:
        step: optimiser steps done.
        sequences: training sequences seen.
        timesteps: training time steps seen, padding left out.
        seconds: spent training; evaluations and the caller's time are not in it.
        time_ms: wall clock, milliseconds since 1970 (MLflow's timestamp of every metric here).
        metrics: by `room/name_unit`, such as `train/loss`, `valid/accuracy`, `progress/epochs`.
    """

    step: int
    sequences: int
    timesteps: int
    seconds: float
    time_ms: int
    metrics: Mapping[str, float]

    @property
    def is_last(self) -> bool:
        """Whether the run's whole budget is used."""
        return self.metrics.get(BUDGET, 0.0) >= 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, as `result.json`.

    Attributes:
        status: exactly one word.
        reason: why, in one line; None where the status says it all.
        traceback: of the exception that ended it, or None.
        metrics: the run's figures; a figure that this machine cannot give is absent, never zero.
        floors: the task's trivial and classical scores on the test split, by name; measured by confirm alone.
        at_floor: the floors that its test score is no better than; of a run that was not tested `chance`, where its
            best valid score is no better than that of one who knows nothing.
    """

    status: Status
    metrics: Mapping[str, float] = field(default_factory=dict)
    reason: str | None = None
    traceback: str | None = None
    floors: Mapping[str, float] = field(default_factory=dict)
    at_floor: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "status": self.status.value}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunResult":
        """The result that `to_dict` made plain."""
        return cls(**{**values, "status": Status(values["status"])})


def steady_speeds(readings: Sequence[Reading]) -> dict[str, float]:
    """The medians of a run's speeds over the windows between readings, the first (warm-up) left out, and their spread.

    A run of one window has nothing else, so it is kept there. Nothing where there is no reading. `speed/spread` is the
    interquartile range over the median of the windows' time steps a second; fewer than four windows have none.
    """
    start = Reading(0, 0, 0, 0.0, 0, {})
    windows = list(itertools.pairwise([start, *readings]))
    windows = windows[1:] or windows
    if not windows:
        return {}
    speeds = {
        what: [(getattr(now, what) - getattr(before, what)) / (now.seconds - before.seconds) for before, now in windows]
        for what in ("timesteps", "sequences")
    }
    medians = {f"speed/{what}_per_second": statistics.median(found) for what, found in speeds.items()}
    if len(windows) < FEWEST:
        return medians
    low, middle, high = statistics.quantiles(speeds["timesteps"], method="inclusive")
    return medians | {"speed/spread": (high - low) / middle}


def is_finite(metrics: Mapping[str, float]) -> bool:
    """Whether every figure is a number: what a diverged run no longer gives."""
    return all(math.isfinite(value) for value in metrics.values())


def now_ms() -> int:
    """The wall clock, milliseconds since 1970."""
    return time.time_ns() // 10**6
