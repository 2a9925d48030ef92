"""A run's own process: executes one job, writes its files, then tells the driver.

It hears the driver in a thread, which can end the run where the main thread hangs. When the driver is gone, so is the
run: its end of the pipe says so at once.
"""

import contextlib
import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from filelock import Timeout
from torch import Tensor

from lstm_bench import allocator
from lstm_bench.checkpoint import Checkpoint, asked_pace
from lstm_bench.errors import RecordError
from lstm_bench.execute import Word, execute, one_line
from lstm_bench.meter import machine, peak, source_diff
from lstm_bench.pool import Job
from lstm_bench.pool.verdict import in_its_stead
from lstm_bench.record.peaks import known_peak
from lstm_bench.record.run import RunFiles
from lstm_bench.record.syncing import Syncing
from lstm_bench.record.weights import save_model
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.task import Signature, described
from lstm_bench.train_state import TrainState
from lstm_bench.writing import make_folder, unwritable, writing

OOM_SCORE = "500"  # the kernel, short of memory, takes a run before the driver
PATIENCE = 10.0  # seconds that an earlier process of the same run has to let go of its folder


class Line(Protocol):
    """The run's end of what leads to its driver: a pipe, or what stands for one where that is on another machine."""

    def send_bytes(self, buf: bytes, /) -> None:
        """Tell the driver.

        Raises:
            OSError: it is gone.
        """

    def recv_bytes(self) -> bytes:
        """Wait for the driver's next word.

        Raises:
            EOFError: it is gone; or an OSError.
        """
        ...


class Notifying:
    """A recorder: what a run says goes to its files first, then the driver is told. Both of a run's threads speak."""

    def __init__(self, files: RunFiles, driver: Line, checkpoint: Checkpoint) -> None:
        self._files, self._driver, self._checkpoint = files, driver, checkpoint
        self._syncing = Syncing(files.sync)
        self._speaking = threading.RLock()

    def resume(self, state: TrainState) -> Iterator[Reading]:
        """Put the state at its checkpoint, and tell once more of each reading up to there."""
        readings = self._files.readings
        self._checkpoint.restore(state, {reading.step for reading in readings})
        kept = [reading for reading in readings if reading.step <= state.step]
        self._files.cut(kept)
        for reading in kept:
            self._tell("reading", reading.to_dict())
            yield reading

    def log(self, reading: Reading, state: TrainState) -> None:
        """Keep a reading, then the state, then tell of the reading."""
        self._files.log(reading)
        self._syncing.due()
        self._checkpoint.offer(state)
        self._tell("reading", reading.to_dict())

    def keep(self, weights: Mapping[str, Tensor], signature: Signature) -> None:
        """Keep what the run has learnt."""
        save_model(self._files, weights, signature)

    def end(self, result: RunResult) -> None:
        """Keep and tell how the run ended, once: the second thread to say so is not heard."""
        with self._speaking:
            if self._files.result is None:
                self._syncing.check()
                self._files.end(result)
                self._tell("result", result.to_dict())

    def tell_again(self, result: RunResult) -> None:
        """Tell all that there is to tell of a run that has ended."""
        for reading in self._files.readings:
            self._tell("reading", reading.to_dict())
        self._tell("result", result.to_dict())

    def _tell(self, kind: str, values: dict[str, Any]) -> None:
        with self._speaking:
            tell(self._driver, kind, values)


class Inbox:
    """What the driver says, heard in a thread: a word to end with, or that a waiting run may go on."""

    def __init__(self, driver: Line, job: Job, recorder: Notifying) -> None:
        self._driver, self._job, self._recorder = driver, job, recorder
        self._words: queue.SimpleQueue[Word | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def verdict(self, _: Reading) -> Word | None:
        """What the driver wants the run to end with, if anything; a job that waits is told after each reading."""
        try:
            return self._words.get(block=self._job.waits)
        except queue.Empty:
            return None

    def _listen(self) -> None:
        while True:
            try:
                message = json.loads(self._driver.recv_bytes())
            except (EOFError, OSError):
                os._exit(1)  # the driver is gone: nobody waits for this run
            if "end" in message:
                self._hear(Word(Status(message["end"]), message.get("reason")))
            elif self._job.waits:
                self._words.put(None)

    def _hear(self, word: Word) -> None:
        if word.status is Status.TIMED_OUT:
            self._end_now(word)
        self._words.put(word)
        if word.status is Status.KILLED:
            # A signal, not _thread.interrupt_main(): it ends a sleep, too.
            signal.pthread_kill(_main_thread(), signal.SIGINT)

    def _end_now(self, word: Word) -> None:
        """End this process from here: the main thread may never look up again."""
        try:
            frame = sys._current_frames()[_main_thread()]  # noqa: SLF001  # the one way to see another thread's stack
            ended = in_its_stead(self._job, word.status, word.reason)
            self._recorder.end(replace(ended, traceback="".join(traceback.format_stack(frame))))
        finally:
            os._exit(1)  # the code counts where no result could be written


def run_child(driver: Line, job: Job) -> None:
    """Execute a job in this process, or go on with it where an earlier process left it.

    Where its files cannot be written the driver is told that alone: it says how the run ended.
    """
    files = RunFiles(job.path)
    try:
        make_folder(job.path)
        with files.lock().acquire(timeout=PATIENCE):
            here = {**machine(), "allocator": allocator.told(), "task": described(job.spec.task)}
            files.begin(job.spec, here, job.facts, source_diff())
            _run(driver, job, files)
    except (Timeout, FileExistsError) as error:  # the folder is another's: nothing is written there
        held = f"{job.path} was held for {PATIENCE:g} s by another process of the same run: end that one first"
        reason = held if isinstance(error, Timeout) else str(error)
        tell(driver, "result", RunResult(Status.CRASHED, reason=reason).to_dict())
    except (RecordError, OSError) as error:  # the latter of the lock
        told = error if isinstance(error, RecordError) else unwritable(job.path, error)
        tell(driver, "unwritable", str(told))


def _run(driver: Line, job: Job, files: RunFiles) -> None:
    """Execute a job whose folder is this process's."""
    checkpoint = Checkpoint(files.checkpoint, asked_pace())
    recorder = Notifying(files, driver, checkpoint)
    before = files.result
    if before and before.status.counts:  # its driver was gone before it heard
        recorder.tell_again(before)
        return
    files.reopen()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins with SIGINT ignored
    _redirect_output(job.path / "output.log")
    try:
        verdict = Inbox(driver, job, recorder).verdict
        result = execute(job.spec, recorder, verdict, test=job.test, peak=_peak(job))
    except RecordError:
        raise
    except Exception as error:  # noqa: BLE001  # a fault of the harness: still one run's alone
        result = RunResult(Status.CRASHED, reason=one_line(error), traceback=traceback.format_exc())
    except KeyboardInterrupt:
        result = RunResult(Status.KILLED)
    recorder.end(result)


def _peak(job: Job) -> float | None:
    """FLOP/s that the machine can as the job computes, where its results folder knows; a run measures none."""
    spec = job.spec
    known = known_peak(job.path.parent.parent, peak.place(spec.device, spec.threads, spec.train.precision))
    return float(known["flops_per_second"]) if known else None


def tell(driver: Line, kind: str, what: dict[str, Any] | str) -> None:
    """Send the driver a message; a driver that is gone ends this process."""
    try:
        driver.send_bytes(json.dumps({kind: what}).encode())
    except OSError:
        os._exit(1)


def _main_thread() -> int:
    ident = threading.main_thread().ident
    assert ident is not None, "the main thread has begun"
    return ident


def _redirect_output(path: Path) -> None:
    """What a plugin or a library prints goes to the run's folder, not onto the driver's screen."""
    with writing(path):
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
