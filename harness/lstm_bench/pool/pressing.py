"""How runs are told to end, and what happens to those that do not obey: the same wherever they execute."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from lstm_bench.pool import Event, Job
from lstm_bench.record.run import RunFiles
from lstm_bench.result import RunResult, Status

AT_ONCE = (Status.KILLED, Status.TIMED_OUT)  # the other words wait for the run's next reading


@dataclass(slots=True, kw_only=True)
class Run:
    """A run that is going on, and what is known of its end.

    Attributes:
        due: when to press the run, on the monotonic clock: to tell it that its time is over, or to use force.
        told: what it was told to end with, and the reason.
        result: what it said of its end.
    """

    job: Job
    due: float = math.inf
    told: Status | None = None
    reason: str | None = None
    result: RunResult | None = None

    @property
    def end(self) -> RunResult | None:
        """How it ended by its own word, or by its files; None where that is to be judged."""
        found = RunFiles(self.job.path).result
        # A killed result is an earlier process's, or the driver knows it.
        return self.result or (found if found and found.status.counts else None)


R = TypeVar("R", bound=Run)


class Pressing(ABC, Generic[R]):
    """A pool, but for where its runs execute; see `lstm_bench.pool.Pool`.

    Args:
        run_timeout: seconds of wall time after which a run ends as `timed_out`; None: never.
    """

    def __init__(self, run_timeout: float | None) -> None:
        self._patience = math.inf if run_timeout is None else run_timeout
        self._running: dict[str, R] = {}  # by the run's id

    def stop(self, run_id: str, status: Status, reason: str | None = None) -> None:
        """Have a run end with a status; the first word counts, but one to end at once comes before one that waits."""
        run = self._running.get(run_id)
        if run is None or run.told in AT_ONCE or (run.told and status not in AT_ONCE):
            return
        run.told, run.reason = status, reason
        if status in AT_ONCE:
            run.due = time.monotonic() + (self._grace if self._hears(run) else 0)
        self._say(run, end=status.value, reason=reason)

    def go_on(self, run_id: str) -> None:
        """Let a run that waits after its reading train on."""
        if run := self._running.get(run_id):
            self._say(run, go=True)

    def kill_all(self) -> Iterator[Event]:
        """End every run as `killed`, those that do not obey by force, and yield what happens."""
        for run_id in list(self._running):
            self.stop(run_id, Status.KILLED)
        while self._running:
            yield from self._wait()

    def _time_left(self) -> float | None:
        """Seconds until a run must be pressed; None where none ever need be."""
        due = min(run.due for run in self._running.values())
        return None if due == math.inf else max(0.0, due - time.monotonic())

    def _press(self) -> None:
        """Tell the runs whose time is over to end, and end by force those that were told to and have not."""
        now = time.monotonic()
        for run_id, run in self._running.items():
            if run.due > now:
                continue
            if run.told in AT_ONCE:
                run.due = now + self._grace
                self._force(run)
            else:
                self.stop(run_id, Status.TIMED_OUT, f"no end after {self._patience:g} s (--run-timeout)")

    @property
    @abstractmethod
    def _grace(self) -> float:
        """Seconds that a run has to end by itself once it is told to do so at once."""

    @abstractmethod
    def _wait(self) -> Iterator[Event]:
        """Wait for the next messages, or until a run's time is over, and yield what happens."""

    @abstractmethod
    def _say(self, run: R, **word: Any) -> None:
        """Send a run a word."""

    @abstractmethod
    def _force(self, run: R) -> None:
        """End a run that does not obey."""

    def _hears(self, run: R) -> bool:
        """Whether a run can end by itself already."""
        del run
        return True
