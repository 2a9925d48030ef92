"""Where runs execute: `local` forks them from a warm server on this machine."""

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec, fingerprint


@dataclass(frozen=True, slots=True)
class Job:
    """A run to execute.

    Attributes:
        spec: resolved.
        path: the run's folder, which the run's process makes; its name is the run's id. A run whose folder is there
            is taken up again from its checkpoint, and tells the readings that it keeps once more.
        test: whether the test split and the floors are measured too.
        waits: whether the run waits for the driver's word after each reading (a deterministic study).
        facts: beneath the run, see `execute.facts`; none where nobody asks.
    """

    spec: RunSpec
    path: Path
    test: bool = False
    waits: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.path.name

    @property
    def fingerprint(self) -> str:
        """What the run is found by."""
        return fingerprint(self.spec, self.facts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        plain = {name: getattr(self, name) for name in ("test", "waits", "facts")}
        return {"spec": self.spec.to_dict(), "path": str(self.path), **plain}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Job":
        """The job that `to_dict` made plain."""
        return cls(**{**values, "spec": RunSpec.from_dict(values["spec"]), "path": Path(values["path"])})


@dataclass(frozen=True, slots=True)
class Started:
    """A run's process is there."""

    job: Job


@dataclass(frozen=True, slots=True)
class Heard:
    """A reading is in the run's files. A run taken up again tells those that it keeps once more."""

    job: Job
    reading: Reading


@dataclass(frozen=True, slots=True)
class Ended:
    """A run's process is gone, and its result is in its files."""

    job: Job
    result: RunResult


Event = Started | Heard | Ended


class Pool(Protocol):
    """Executes jobs a few at a time and tells what happens."""

    @property
    def data_digest(self) -> str:
        """Of the task's data; waits until they are read.

        Raises:
            BenchError: they cannot be read.
        """
        ...

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        """Start what `next_job` gives, whenever a slot is free, and yield what happens.

        `next_job` is asked again after each event, so None means "not now"; None while nothing is running ends it.
        A KeyboardInterrupt ends the running ones as `killed`, tells of them, and is raised again.
        """
        ...

    def stop(self, run_id: str, status: Status, reason: str | None = None) -> None:
        """Have a run end with a status: after the reading that it holds or the next one, or at once if `killed`."""
        ...

    def go_on(self, run_id: str) -> None:
        """Let a run that waits after its reading train on."""
        ...


def cores() -> int:
    """The cores that this process may use: how many runs at once there are where nobody says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
