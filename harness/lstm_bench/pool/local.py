"""Runs on this machine: one process each, a few at a time."""

import json
import signal
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import cast

from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.pool.interrupts import Interrupts
from lstm_bench.pool.nursery import Nursery, NurseryDiedError, Waitable, nursery
from lstm_bench.record.files import RunFiles
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

GRACE = 3.0  # seconds that a run has to end by itself once it is told to


@dataclass(slots=True)
class _Run:
    """A run that is going on, and what is known of its end."""

    job: Job
    driver: Connection
    result: RunResult | None = None
    told: Status | None = None
    deaf: bool = False  # its end of the pipe is closed


class LocalPool:
    """Executes jobs of one task, `workers` at a time. Use as a context: nothing outlives it.

    Args:
        warm: names the task, with its options, whose data are read once.
        workers: runs at once.
        make_nursery: where processes come from.
    """

    def __init__(self, warm: RunSpec, workers: int, make_nursery: Callable[[RunSpec], Nursery] = nursery) -> None:
        self._warm, self.workers, self._make_nursery = warm, workers, make_nursery
        self._running: dict[str, _Run] = {}
        self._nursery: Nursery | None = None
        self._interrupts = Interrupts()

    def __enter__(self) -> "LocalPool":
        self._interrupts.__enter__()
        self._nursery = self._make_nursery(self._warm)  # gets warm while the driver does other things
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in self.kill_all():
            pass
        if self._nursery:
            self._nursery.close()
        self._interrupts.__exit__()

    @property
    def data_digest(self) -> str:
        """Of the task's data; waits until they are read."""
        return self._living_nursery().warm_up()

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        """Start what `next_job` gives, whenever a slot is free, and yield what happens."""
        try:
            while True:
                while len(self._running) < self.workers and (job := next_job()):
                    self._start(job)
                    yield Started(job)
                if not self._running:
                    return
                yield from self._wait(None)
        except KeyboardInterrupt:
            yield from self.kill_all()
            raise

    def stop(self, run_id: str, status: Status) -> None:
        """Have a run end with a status: at its next reading, or at once if it is `killed`."""
        run = self._running.get(run_id)
        if run and run.told is None:
            run.told = status
            with suppress(OSError):  # it has just ended by itself
                run.driver.send_bytes(status.encode())

    def kill_all(self) -> Iterator[Event]:
        """End every run as `killed`, those that do not obey by force, and yield what happens."""
        for run_id in list(self._running):
            self.stop(run_id, Status.KILLED)
        while self._running:
            before = len(self._running)
            yield from self._wait(GRACE)
            if len(self._running) == before and self._nursery:
                for run_id in self._running:
                    self._nursery.kill(run_id)

    def _living_nursery(self) -> Nursery:
        if self._nursery is None:
            self._nursery = self._make_nursery(self._warm)
        return self._nursery

    def _start(self, job: Job) -> None:
        nursery = self._living_nursery()
        nursery.warm_up()
        self._running[job.run_id] = _Run(job, nursery.start(job))

    def _wait(self, timeout: float | None) -> Iterator[Event]:
        """Wait for the next messages and yield what they say."""
        by_pipe = {run.driver: run for run in self._running.values() if not run.deaf}
        interrupt = self._interrupts.readable
        for ready in wait([interrupt, *self._living_nursery().waitables(), *by_pipe], timeout):
            if ready is interrupt:
                self._interrupts.raise_it()
            elif ready in by_pipe:
                yield from self._hear(by_pipe[ready])
            else:
                yield from self._bury(cast(Waitable, ready))  # wait gives back what it got

    def _hear(self, run: _Run) -> Iterator[Event]:
        """The next message of a run."""
        try:
            message = json.loads(run.driver.recv_bytes())
        except (EOFError, OSError):
            run.deaf = True
            return
        if "reading" in message:
            yield Heard(run.job, Reading(**message["reading"]))
        else:
            run.result = RunResult.from_dict(message["result"])

    def _bury(self, ready: Waitable) -> Iterator[Event]:
        """Tell of a run whose process is gone, after all that it has said."""
        try:
            run_id, code = self._living_nursery().ended(ready)
        except NurseryDiedError:
            yield from self._bury_all()
            return
        run = self._running[run_id]
        while not run.deaf:
            yield from self._hear(run)
        yield self._end(run, code)

    def _bury_all(self) -> Iterator[Event]:
        """The runs' parent is gone: end them as `killed`. The next run makes another parent."""
        self._living_nursery().close()
        self._nursery = None
        for run in list(self._running.values()):
            run.told = Status.KILLED
            run.driver.close()  # the run sees its driver's end close, and ends itself
            yield self._end(run, 1)

    def _end(self, run: _Run, code: int) -> Ended:
        """Forget a run whose process is gone; one that could not say how it ended is judged here."""
        del self._running[run.job.run_id]
        run.driver.close()
        files = RunFiles(run.job.path)
        result = run.result or files.result
        if result is None:
            if not files.path.exists():
                files.begin(run.job.spec, machine())
            status = Status.KILLED if run.told is Status.KILLED else Status.CRASHED
            result = RunResult(status, reason=_last_words(code))
            files.end(result)
        return Ended(run.job, result)


def _last_words(code: int) -> str:
    """What an exit code says of a run that could not speak."""
    if code < 0:
        name = signal.Signals(-code).name
        why = ": the kernel, short of memory, or somebody's kill" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{why}"
    return f"its process ended with exit code {code} and no result"
