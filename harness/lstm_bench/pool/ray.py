"""Runs on a Ray cluster: a task of Ray's each, as many as were asked for, wherever there is room.

Ray places them, says which have ended and which machines have died, and carries what they say. A run's folder is here,
with the driver: what a run writes travels with its messages, see `pool.remote`.
"""

import json
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import ray
from filelock import FileLock, Timeout

from lstm_bench.errors import BenchError, RecordError, UsageError
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.pool.cluster import as_task, connect
from lstm_bench.pool.failure import by_failure, unable
from lstm_bench.pool.interrupts import Interrupts
from lstm_bench.pool.kept import Kept
from lstm_bench.pool.mailbox import Message
from lstm_bench.pool.parcel import pack, unpack
from lstm_bench.pool.place import Place
from lstm_bench.pool.post import Post
from lstm_bench.pool.pressing import AT_ONCE, Pressing, Run
from lstm_bench.pool.remote import Asked, digest_task, run_task
from lstm_bench.pool.verdict import in_its_stead, write
from lstm_bench.record.peaks import FILE as PEAKS
from lstm_bench.record.run import RunFiles
from lstm_bench.record.syncing import Syncing
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec
from lstm_bench.writing import make_folder

GRACE = 5.0  # seconds that a run has to end by itself once it is told to do so at once
PATIENCE = 10.0  # seconds that another process has to let go of a run's folder


@dataclass(slots=True, kw_only=True)
class _Run(Run):
    """A run that executes, or waits for room.

    Attributes:
        line: its name in the mailbox; a run that goes on elsewhere has another one.
        task: Ray's.
        lock: of its folder, held here.
        node: where it executes; None while it waits for room.
    """

    line: str
    task: Any
    lock: FileLock
    node: str | None = None


class RayPool(Pressing[_Run]):
    """Executes jobs of one task on a cluster, up to `workers` at a time. Use as a context: nothing outlives it.

    Args:
        warm: names the task, with its options.
        workers: runs at once; those for which the cluster has no room yet wait there, and it may grow for them.
        place: which cluster, and what a run claims of it.
        run_timeout: seconds of wall time from its start on a machine after which a run ends as `timed_out`.
    """

    def __init__(self, warm: RunSpec, workers: int, place: Place, run_timeout: float | None = None) -> None:
        super().__init__(run_timeout)
        self._warm, self.workers, self._place = warm, workers, place
        self._kept = Kept.at(place.storage_path) if place.storage_path else None
        self._lost: dict[str, int] = {}  # machines beneath a run since it last said something, by its id
        self._failed: BenchError | None = None  # why the study cannot go on
        self._interrupts = Interrupts()
        self._unsynced: set[RunFiles] = set()
        self._syncing = Syncing(self._sync)

    def __enter__(self) -> "RayPool":
        connect(self._place.ray_address)
        self._post = Post()
        self._task = as_task(run_task, self._place)
        self._digest = as_task(digest_task, self._place).remote(self._warm.to_dict(), str(Path.cwd()))
        self._interrupts.__enter__()  # last: Ray has taken SIGTERM for itself
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            for _ in self.kill_all():
                pass
        finally:
            self._post.close()
            self._interrupts.__exit__()

    @property
    def data_digest(self) -> str:
        """Of the task's data, as a machine of the cluster reads them; waits until one has."""
        while not ray.wait([self._digest], timeout=0.5)[0]:
            if wait([self._interrupts.readable], 0):
                self._interrupts.raise_it()
        try:
            told = ray.get(self._digest)
        except Exception as error:  # noqa: BLE001  # Ray has many
            raise unable(error) from None
        if "failed" in told:
            kind = UsageError if told["exit_code"] == UsageError.exit_code else BenchError
            raise kind(told["failed"])
        return str(told["ready"])

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        """Start what `next_job` gives, whenever a slot is free, and yield what happens; see `Pool`.

        Raises:
            BenchError: runs cannot be executed or their files not be written, once every run has ended as `killed`.
                Nobody is told of these ends: they are those of a driver that was killed.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once every run has ended as `killed`.
        """
        try:
            while True:
                while len(self._running) < self.workers and (job := next_job()):
                    self._start(job)
                if not self._running:
                    return
                yield from self._wait()
                if self._failed:
                    raise self._failed
        except KeyboardInterrupt:
            yield from self.kill_all()
            raise
        except BenchError:
            for _ in self.kill_all():
                pass
            raise

    def _start(self, job: Job) -> None:
        """Hand Ray a job, with the files of its run so far, whose folder is held here from now on."""
        make_folder(job.path)
        lock, root = RunFiles(job.path).lock(), job.path.parent.parent
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout:
            raise BenchError(f"{job.path} is held by another process of the same run: end that one first") from None
        line = f"{job.run_id}/{secrets.token_hex(4)}"
        parcel = pack(root, [root / PEAKS, *job.path.iterdir()])
        storage = self._kept.address if self._kept else None
        self._post.open(line)
        asked = Asked(job.to_dict(), self._warm.to_dict(), str(Path.cwd()), storage)
        task = self._task.remote(asked, parcel, self._post.mailbox, line)
        self._running[job.run_id] = _Run(job=job, line=line, task=task, lock=lock)
        self._post.follow(line, task)

    def _wait(self) -> Iterator[Event]:
        """Wait for the next messages, or until a run's time is over, and yield what happens."""
        interrupt = self._interrupts.readable
        if interrupt in wait([interrupt, self._post.bell], self._time_left()):
            self._interrupts.raise_it()
        for message in self._post.messages():
            run = self._running.get(message.line.rpartition("/")[0])
            if run and run.line == message.line:  # else it was given up: its machine had seemed dead
                yield from self._take(run, message)
        self._press()

    @property
    def _grace(self) -> float:
        return GRACE

    def _say(self, run: _Run, **word: Any) -> None:
        self._post.say(run.line, **word)

    def _force(self, run: _Run) -> None:
        ray.cancel(run.task, force=True)

    def _hears(self, run: _Run) -> bool:
        return run.node is not None  # else it waits for room

    def _take(self, run: _Run, message: Message) -> Iterator[Event]:
        """Write what is new of a run, then hear what it says."""
        try:
            unpack(run.job.path.parent.parent, message.parcel)
            self._unsynced.add(RunFiles(run.job.path))
            self._syncing.due()
        except RecordError as error:
            self._failed = self._failed or error
        match json.loads(message.data):
            case {"begun": node}:
                run.node = node
                run.due = min(run.due, time.monotonic() + self._patience)
                yield Started(run.job)
            case {"reading": values}:
                self._lost.pop(run.job.run_id, None)
                yield Heard(run.job, Reading(**values))
            case {"result": values}:
                run.result = RunResult.from_dict(values)
            case {"unwritable": line} | {"unlike": line}:
                self._failed = self._failed or BenchError(line)
            case {"gone": _}:
                yield from self._end(run)

    def _end(self, run: _Run) -> Iterator[Event]:
        """Forget a run whose task is gone; one that could not say how it ended is judged here."""
        del self._running[run.job.run_id]
        run.lock.release()
        failure, files = self._post.end(run.line), RunFiles(run.job.path)
        result = run.end
        try:
            if result is None:
                result = self._judged(run, failure)
                if files.has_begun or result.status.counts:  # else it would seem to have begun here
                    write(run.job, result)
        except BenchError as error:
            self._failed = self._failed or error
            result = result or RunResult(Status.KILLED)
        if self._kept and result.status.counts:
            self._kept.forget(run.job.run_id)
        if run.node is None:
            yield Started(run.job)  # and ended before it began
        yield Ended(run.job, result)

    def _judged(self, run: _Run, failure: BaseException | None) -> RunResult:
        if run.told in AT_ONCE:
            return in_its_stead(run.job, run.told, run.reason)
        lost = self._lost.get(run.job.run_id, 0)
        result = by_failure(run.job, failure, run.node, lost)
        self._lost[run.job.run_id] = lost + 1
        return result

    def _sync(self) -> None:
        """Bring onto the disk what was written since the last time."""
        unsynced, self._unsynced = self._unsynced, set()
        for files in unsynced:
            files.sync()
