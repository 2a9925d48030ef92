"""Runs on this machine: one process each, a few at a time."""

import json
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, cast

from lstm_bench.errors import BenchError, RecordError
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.pool.interrupts import Interrupts
from lstm_bench.pool.nursery import Nursery, NurseryDiedError, Waitable, nursery
from lstm_bench.pool.pressing import AT_ONCE, Pressing, Run
from lstm_bench.pool.verdict import by_its_death, in_its_stead, oom_kills, write
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

GRACE = 3.0  # seconds that a run has to end by itself once it is told to do so at once
MOST_DEATHS = 3  # of nurseries in a row, no run having ended in between


@dataclass(slots=True, kw_only=True)
class _Run(Run):
    """A run in a process of this machine.

    Attributes:
        driver: closed once there is nothing more to hear.
        oom_kills: what the kernel's counters said when it was started.
    """

    driver: Connection
    oom_kills: int


class LocalPool(Pressing[_Run]):
    """Executes jobs of one task, `workers` at a time. Use as a context: nothing outlives it.

    Args:
        warm: names the task, with its options, whose data are read once.
        workers: runs at once.
        make_nursery: where processes come from.
        run_timeout: seconds of wall time from its start after which a run ends as `timed_out`; None: never.
    """

    def __init__(
        self,
        warm: RunSpec,
        workers: int,
        make_nursery: Callable[[RunSpec], Nursery] = nursery,
        run_timeout: float | None = None,
    ) -> None:
        super().__init__(run_timeout)
        self._warm, self.workers, self._make_nursery = warm, workers, make_nursery
        self._nursery: Nursery | None = None
        self._deaths: list[str] = []  # the last words of each nursery that died since a run ended
        self._unwritable: RecordError | None = None  # the first file that could not be written, by a run or for one
        self._interrupts = Interrupts()

    def __enter__(self) -> "LocalPool":
        self._interrupts.__enter__()
        self._nursery = self._make_nursery(self._warm)  # gets warm while the driver does other things
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            for _ in self.kill_all():
                pass
        finally:
            if self._nursery:
                self._nursery.close()
            self._interrupts.__exit__()

    @property
    def data_digest(self) -> str:
        """Of the task's data; waits until they are read."""
        return self._living_nursery().warm_up()

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        """Start what `next_job` gives, whenever a slot is free, and yield what happens.

        Raises:
            BenchError: no process can be started.
            RecordError: a run's files cannot be written, once every run has ended as `killed`. Nobody is told of these
                ends: they are those of a driver that was killed, and the next start knows what to do.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once every run has ended as `killed`.
        """
        try:
            while True:
                while len(self._running) < self.workers and (job := next_job()):
                    self._start(job)
                    yield Started(job)
                if not self._running:
                    return
                yield from self._wait()
                if self._unwritable:
                    raise self._unwritable
        except KeyboardInterrupt:
            yield from self.kill_all()
            raise
        except RecordError:  # whoever is told of a run's end puts it down, which is a second such error
            for _ in self.kill_all():
                pass
            raise

    def _living_nursery(self) -> Nursery:
        if self._nursery is None:
            if len(self._deaths) == MOST_DEATHS:
                raise BenchError(
                    f"the process that starts the runs ended {MOST_DEATHS} times, no run in between; its last words: "
                    f"{self._deaths[-1]}. Where memory is short, use fewer --workers; what is done is kept"
                )
            self._nursery = self._make_nursery(self._warm)
        return self._nursery

    def _start(self, job: Job) -> None:
        nursery = self._living_nursery()
        nursery.warm_up()
        due = time.monotonic() + self._patience
        self._running[job.run_id] = _Run(job=job, driver=nursery.start(job), due=due, oom_kills=oom_kills())

    def _wait(self) -> Iterator[Event]:
        """Wait for the next messages, or until a run's time is over, and yield what happens."""
        by_pipe = {run.driver: run for run in self._running.values() if not run.driver.closed}
        interrupt = self._interrupts.readable
        for ready in wait([interrupt, *self._living_nursery().waitables(), *by_pipe], self._time_left()):
            if ready is interrupt:
                self._interrupts.raise_it()
            elif ready in by_pipe:
                yield from self._hear(by_pipe[ready])
            else:
                yield from self._bury(cast(Waitable, ready))  # wait gives back what it got
        self._press()

    @property
    def _grace(self) -> float:
        return GRACE

    def _say(self, run: _Run, **word: Any) -> None:
        with suppress(OSError):  # it has just ended by itself
            run.driver.send_bytes(json.dumps(word).encode())

    def _force(self, run: _Run) -> None:
        self._living_nursery().kill(run.job.run_id)

    def _hear(self, run: _Run) -> Iterator[Event]:
        """The next message of a run. One that makes no sense is its last: the run sees its pipe close, and ends."""
        try:
            message = json.loads(run.driver.recv_bytes())
            if "reading" in message:
                event = Heard(run.job, Reading(**message["reading"]))
            elif "unwritable" in message:
                self._unwritable = self._unwritable or RecordError(message["unwritable"])
                run.told, run.reason = Status.KILLED, message["unwritable"]
                return
            else:
                run.result = RunResult.from_dict(message["result"])
                return
        except (EOFError, OSError, ValueError, TypeError, KeyError):
            run.driver.close()
            return
        yield event

    def _hear_out(self, run: _Run, patience: float = 0.0) -> Iterator[Event]:
        """All that a run has said and, while `patience` lasts, says until its pipe is closed."""
        while not run.driver.closed and run.driver.poll(patience):
            yield from self._hear(run)

    def _bury(self, ready: Waitable) -> Iterator[Event]:
        """Tell of a run whose process is gone, after all that it has said."""
        try:
            run_id, code = self._living_nursery().ended(ready)
        except NurseryDiedError as death:
            yield from self._bury_all(str(death))
            return
        self._deaths.clear()
        run = self._running[run_id]
        yield from self._hear_out(run)
        yield self._end(run, code)

    def _bury_all(self, last_words: str) -> Iterator[Event]:
        """The runs' parent is gone: they end as `killed`. The next run makes another parent."""
        self._deaths.append(last_words)
        self._living_nursery().close()
        self._nursery = None
        for run in list(self._running.values()):
            self.stop(run.job.run_id, Status.KILLED, f"the process that started it ended: {last_words}")
            yield from self._hear_out(run, GRACE)  # the kernel ends it with its parent; its pipe closes then
            yield self._end(run, -signal.SIGKILL)

    def _end(self, run: _Run, code: int) -> Ended:
        """Forget a run whose process is gone; one that could not say how it ended is judged here."""
        del self._running[run.job.run_id]
        run.driver.close()
        result = run.end
        if result is None:
            if run.told in AT_ONCE:
                result = in_its_stead(run.job, run.told, run.reason)
            else:
                result = by_its_death(run.job, code, short_of_memory=oom_kills() > run.oom_kills)
            try:
                write(run.job, result)
            except RecordError as error:
                self._unwritable = self._unwritable or error
        return Ended(run.job, result)
