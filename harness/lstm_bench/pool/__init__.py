"""Where runs execute: `local` forks them from a warm server on this machine."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec


@dataclass(frozen=True, slots=True)
class Job:
    """A run to execute.

    Attributes:
        spec: resolved.
        path: the run's folder, which the run's process makes; its name is the run's id.
        test: whether the test split and the floors are measured too.
    """

    spec: RunSpec
    path: Path
    test: bool = False

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.path.name

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"spec": self.spec.to_dict(), "path": str(self.path), "test": self.test}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Job":
        """The job that `to_dict` made plain."""
        return cls(RunSpec.from_dict(values["spec"]), Path(values["path"]), values["test"])


@dataclass(frozen=True, slots=True)
class Started:
    """A run's process is there."""

    job: Job


@dataclass(frozen=True, slots=True)
class Heard:
    """A reading is in the run's files."""

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

        Ends when `next_job` gives None and nothing is running. A KeyboardInterrupt ends the running ones as
        `killed`, tells of them, and is raised again.
        """
        ...

    def stop(self, run_id: str, status: Status) -> None:
        """Have a run end with a status: at its next reading, or at once if it is `killed`."""
        ...
