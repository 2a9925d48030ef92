"""A pool of many workers that train nothing: what a run would say, it says when it is due, and its files are written.

It is what a driver of a large cluster sees of it; how the messages travel is not in it.
"""

import heapq
import random
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.record.run import RunFiles
from lstm_bench.result import BUDGET, Reading, RunResult, Status
from lstm_bench.task import make_task

READINGS = 10  # of a run, evenly spaced
OTHERS = ("train/loss", "train/gradient_norm", "train/gradient_norm_max", "valid/cross_entropy",
          "speed/window_timesteps_per_second", "progress/sequences")  # of a reading, beside its score  # fmt: skip


@dataclass(slots=True)
class Run:
    """One that goes on.

    Attributes:
        seconds: that it lasts, or would have.
        best: the score that it comes to at its end.
        since: when it began, on the monotonic clock.
        readings: told so far.
        word: what it is to end with, and when it was told so.
    """

    job: Job
    seconds: float
    best: float
    since: float
    readings: int = 0
    word: Status | None = None

    @property
    def due(self) -> float:
        """When its next reading is."""
        return self.since + self.seconds * (self.readings + 1) / READINGS


@dataclass(slots=True)
class Crowd:
    """A pool, see `lstm_bench.pool.Pool`; what it saw is in its attributes.

    Attributes:
        workers: runs at once.
        mean: seconds that a run lasts, drawn from a gamma distribution with half of that as its deviation.
        busy: seconds that workers had a run, the time that they waited for the next one left out.
        late: seconds by which a reading was heard after it was due.
        idle: seconds from a run's end to the next one's start on its worker.
        pruned: seconds from a reading's due time until the word that it was the last.
        begun: when each run began, in turn.
        ended: when the latest run ended.
        computed: seconds that the driver's process had computed by then.
    """

    workers: int
    mean: float
    seed: int = 0
    busy: float = 0.0
    late: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    pruned: list[float] = field(default_factory=list)
    begun: list[float] = field(default_factory=list)
    ended: float = 0.0
    computed: list[float] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))
    _running: dict[str, Run] = field(default_factory=dict)
    _due: list[tuple[float, str]] = field(default_factory=list)
    _free: list[float] = field(default_factory=list)  # since when workers without a run are so
    _heard: tuple[str, float] = ("", 0.0)  # the run whose reading is being judged, and when that was due

    def __enter__(self) -> "Crowd":
        self._free = [time.monotonic()] * self.workers
        return self

    def __exit__(self, *exception: object) -> None:
        for run in self._running.values():
            RunFiles(run.job.path).end(RunResult(Status.KILLED))

    @property
    def data_digest(self) -> str:
        return "crowd-1"

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        while True:
            while self._free and (job := next_job()):
                yield self._start(job)
            if not self._running:
                return
            due, run_id = self._due[0]
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)
            heapq.heappop(self._due)
            yield from self._tell(self._running[run_id], due)

    def stop(self, run_id: str, status: Status, reason: str | None = None) -> None:
        del reason
        if run := self._running.get(run_id):
            run.word = run.word or status
            heard, due = self._heard
            if heard == run_id:
                self.pruned.append(time.monotonic() - due)

    def go_on(self, run_id: str) -> None:
        raise NotImplementedError("no study of this crowd is deterministic")

    def _start(self, job: Job) -> Event:
        now = time.monotonic()
        self.idle.append(now - self._free.pop(0))
        self.begun.append(now)
        self.computed.append(time.process_time())
        RunFiles(job.path).begin(job.spec, machine(), job.facts)
        settings: Any = getattr(job, "settings", {})
        best = 0.6 + 0.3 * self._random.random() - abs(settings.get("train.dropout", 0.0))
        run = Run(job, self._random.gammavariate(4, self.mean / 4), best, now)
        self._running[job.run_id] = run
        heapq.heappush(self._due, (run.due, job.run_id))
        return Started(job)

    def _tell(self, run: Run, due: float) -> Iterator[Event]:
        """A reading; after the last one, or the one after a word, the end: a word is heard during the next window."""
        word, files, share = run.word, RunFiles(run.job.path), (run.readings + 1) / READINGS
        run.readings += 1
        step = round(run.job.spec.train.steps * share)
        score = run.best * share**0.5 + self._random.gauss(0, 0.01)
        metrics = {"valid/accuracy": score, BUDGET: share, **dict.fromkeys(OTHERS, self._random.random())}
        reading = Reading(step, 16 * step, 64 * step, run.seconds * share, round(1000 * time.time()), metrics)
        files.log(reading)
        self.late.append(time.monotonic() - due)
        self._heard = run.job.run_id, due
        yield Heard(run.job, reading)
        if word or reading.is_last:
            yield self._end(run, files, word or Status.FINISHED, due, score)
        else:
            heapq.heappush(self._due, (run.due, run.job.run_id))

    def _end(self, run: Run, files: RunFiles, status: Status, due: float, score: float) -> Event:
        figures = {"speed/timesteps_per_second": 1.0, "speed/sequences_per_second": 1.0, "model/parameters": 1.0,
                   "cost/train_seconds": due - run.since, "cost/eval_seconds": 0.1, "best/accuracy": score}  # fmt: skip
        result = RunResult(status, figures)
        files.end(result)
        del self._running[run.job.run_id]
        self.busy += due - run.since
        self.ended = time.monotonic()
        self._free.append(due)
        return Ended(run.job, result)


@dataclass(slots=True)
class Square:
    """Where runs execute, see `pool.place.Place`: a crowd."""

    crowd: Crowd

    def pool(self, warm: Any, workers: int, run_timeout: float | None = None) -> Crowd:
        del workers, run_timeout
        make_task(warm).prepare()
        return self.crowd
