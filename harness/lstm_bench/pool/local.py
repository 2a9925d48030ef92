"""Runs on this machine: one process each, forked from a warm server, a few at a time."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.pool.interrupts import Interrupts
from lstm_bench.pool.server import LONGEST
from lstm_bench.record.files import RunFiles
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

GRACE = 3.0  # seconds that a run has to end by itself once it is told to
# The server must never start a thread of a numeric library; a run sets its own number of threads.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


@dataclass(slots=True)
class _Run:
    job: Job
    driver: Connection
    result: RunResult | None = None
    told: Status | None = None
    deaf: bool = False  # its end of the pipe is closed


class LocalPool:
    """Executes jobs of one task, `workers` at a time. Use as a context: nothing outlives it.

    Args:
        warm: names the task, with its options, whose data the server reads.
        workers: runs at once.
    """

    def __init__(self, warm: RunSpec, workers: int) -> None:
        self._warm, self.workers = warm, workers
        self._running: dict[str, _Run] = {}
        self._server: _Server | None = None
        self._interrupts = Interrupts()

    def __enter__(self) -> "LocalPool":
        self._interrupts.__enter__()
        self._server = _Server(self._warm)  # gets warm while the driver does other things
        return self

    def __exit__(self, *exception: object) -> None:
        for _ in self.kill_all():
            pass
        if self._server:
            self._server.close()
        self._interrupts.__exit__()

    @property
    def data_digest(self) -> str:
        """Of the task's data; waits until they are read."""
        return self._warm_server().digest

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
            if len(self._running) == before and self._server:
                for run_id in self._running:
                    self._server.send({"kill": run_id})

    def _warm_server(self) -> "_Server":
        if self._server is None:
            self._server = _Server(self._warm)
        self._server.wait_until_warm()
        return self._server

    def _start(self, job: Job) -> None:
        server = self._warm_server()
        ours, theirs = socket.socketpair()
        server.send(job.to_dict(), [theirs.fileno()])
        theirs.close()
        self._running[job.run_id] = _Run(job, Connection(ours.detach()))

    def _wait(self, timeout: float | None) -> Iterator[Event]:
        """Wait for the next messages and yield what they say."""
        server, interrupt = self._warm_server(), self._interrupts.readable
        by_connection = {run.driver: run for run in self._running.values() if not run.deaf}
        for ready in wait([interrupt, server.control, *by_connection], timeout):
            if ready is interrupt:
                self._interrupts.raise_it()
            elif ready is not server.control:
                yield from self._hear(by_connection[ready])  # type: ignore[index]  # wait returns what it got
            elif (message := server.receive()) is None:
                yield from self._server_died()
            else:
                run = self._running[message["exited"]]
                while not run.deaf:
                    yield from self._hear(run)
                yield self._end(run, message["code"])

    def _hear(self, run: _Run) -> Iterator[Event]:
        try:
            message = json.loads(run.driver.recv_bytes())
        except (EOFError, OSError):
            run.deaf = True
            return
        if "reading" in message:
            yield Heard(run.job, Reading(**message["reading"]))
        else:
            run.result = RunResult.from_dict(message["result"])

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

    def _server_died(self) -> Iterator[Event]:
        """The runs' parent is gone, and with it the word of how they end: end them, and warm up another."""
        if self._server:
            self._server.close()
        self._server = None
        for run in list(self._running.values()):
            run.told = Status.KILLED
            run.driver.close()  # the run sees its driver's end close, and ends itself
            yield self._end(run, 1)


class _Server:
    """The warm server's process, seen from the driver."""

    def __init__(self, warm: RunSpec) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._digest: str | None = None
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed in close()
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", "lstm_bench.pool.server", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | QUIET | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # plugins as found here
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            start_new_session=True,  # Ctrl-C is the driver's to hear
        )
        theirs.close()
        self.send(warm.to_dict())

    def wait_until_warm(self) -> None:
        if self._digest is not None:
            return
        message = self.receive()
        if message is None:
            self._process.wait()
            self._errors.seek(0)
            words = self._errors.read().decode(errors="replace").strip().splitlines()
            raise BenchError(f"the warm server ended before it was ready: {words[-1] if words else 'no word'}")
        if "failed" in message:
            kind = UsageError if message["exit_code"] == UsageError.exit_code else BenchError
            raise kind(message["failed"])
        self._digest = message["ready"]

    @property
    def digest(self) -> str:
        assert self._digest is not None, "wait_until_warm comes first"
        return self._digest

    def send(self, message: dict[str, Any], descriptors: list[int] | None = None) -> None:
        socket.send_fds(self.control, [json.dumps(message).encode()], descriptors or [])

    def receive(self) -> dict[str, Any] | None:
        """The next message; None when the server is gone."""
        try:
            data = self.control.recv(LONGEST)
        except ConnectionError:
            data = b""
        message: dict[str, Any] | None = json.loads(data) if data else None
        return message

    def close(self) -> None:
        self.control.close()  # the server sees it and ends
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def _last_words(code: int) -> str:
    if code < 0:
        name = signal.Signals(-code).name
        why = ": the kernel, short of memory, or somebody's kill" if -code == signal.SIGKILL else ""
        return f"its process was ended by {name}{why}"
    return f"its process ended with exit code {code} and no result"
