"""Where a run's process comes from: forked from a warm server on Linux, spawned afresh elsewhere."""

import json
import multiprocessing
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol

from lstm_bench import interpreter
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.pool import Job
from lstm_bench.pool.child import run_child
from lstm_bench.pool.server import LONGEST
from lstm_bench.pool.verdict import how_it_ended
from lstm_bench.spec import RunSpec
from lstm_bench.task import make_task

PATIENCE = 3.0  # seconds that a server has to end once its driver's end is closed

Waitable = Connection | socket.socket | int


class NurseryDiedError(Exception):
    """The parent of all runs is gone, and with it the word of how they end. Its text: the parent's last words."""


class Nursery(Protocol):
    """Starts the processes of runs and tells when they end."""

    def warm_up(self) -> str:
        """Wait until runs can be started. Returns the digest of the task's data.

        Raises:
            BenchError: the data cannot be read.
        """
        ...

    def start(self, job: Job) -> Connection:
        """Start a run's process; returns the driver's end of its pipe."""
        ...

    def kill(self, run_id: str) -> None:
        """End a run's process by force."""
        ...

    def waitables(self) -> Sequence[Waitable]:
        """What becomes ready when a process has ended."""
        ...

    def ended(self, ready: Waitable) -> tuple[str, int]:
        """Which run's process has ended, and its exit code (negative: the signal that ended it).

        Raises:
            NurseryDiedError: nobody can tell any more.
        """
        ...

    def close(self) -> None:
        """End what is left, but no run."""


def nursery(warm: RunSpec) -> Nursery:
    """The best one that this system has, for runs of one task."""
    return WarmServer(warm) if sys.platform == "linux" else Spawner(warm)


class WarmServer:
    """A process that has torch imported and the data read, and forks: 0.03 s to a run instead of 3 s."""

    def __init__(self, warm: RunSpec) -> None:
        self._digest: str | None = None
        self._interpreter = interpreter.take(interpreter.SERVER)
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._send(warm.to_dict(), [theirs.fileno()], to=self._interpreter.control)
        theirs.close()

    def warm_up(self) -> str:
        """Wait for the server's first word."""
        if self._digest is None:
            message = self._receive()
            if message is None:
                raise BenchError(f"the warm server ended before it was ready: {self._last_words()}")
            if "failed" in message:
                kind = UsageError if message["exit_code"] == UsageError.exit_code else BenchError
                raise kind(message["failed"])
            self._digest = message["ready"]
        return str(self._digest)

    def start(self, job: Job) -> Connection:
        """Hand the server a job and the run's end of a new pipe."""
        ours, theirs = socket.socketpair()
        self._send(job.to_dict(), [theirs.fileno()])
        theirs.close()
        return Connection(ours.detach())

    def kill(self, run_id: str) -> None:
        """Have the server end it: it alone knows that the process number is still that run's."""
        self._send({"kill": run_id})

    def waitables(self) -> Sequence[Waitable]:
        """The server's socket."""
        return [self._control]

    def ended(self, ready: Waitable) -> tuple[str, int]:  # noqa: ARG002  # there is one thing to wait for
        """The server's word."""
        message = self._receive()
        if message is None:
            raise NurseryDiedError(self._last_words())
        return message["exited"], message["code"]

    def close(self) -> None:
        """Close the driver's end: the server sees it and ends; what it was forked from waits for its next task."""
        self._control.close()
        if self._is_over():
            interpreter.give_back(interpreter.SERVER, self._interpreter)
        else:
            self._interpreter.close()

    def _is_over(self) -> bool:
        """Whether a server that has nothing more to do ended in peace, and in time."""
        control = self._interpreter.control
        control.settimeout(PATIENCE)
        try:
            return bool(control.recv(LONGEST))
        except OSError:  # no word of it, or nobody there
            return False
        finally:
            control.settimeout(None)

    def _send(self, message: dict[str, Any], descriptors: Sequence[int] = (), to: socket.socket | None = None) -> None:
        with suppress(ConnectionError):  # it is gone: heard of where its socket is waited for
            socket.send_fds(to or self._control, [json.dumps(message).encode()], descriptors)

    def _receive(self) -> dict[str, Any] | None:
        """The next message; None when the server is gone."""
        try:
            data = self._control.recv(LONGEST)
        except ConnectionError:
            data = b""
        message: dict[str, Any] | None = json.loads(data) if data else None
        return message

    def _last_words(self) -> str:
        code = self._interpreter.wait(PATIENCE)
        words = self._interpreter.words()
        return words[-1] if words else f"it {how_it_ended(code)}"


class Spawner:
    """A new interpreter for each run, which reads the data again: for systems without a safe fork."""

    def __init__(self, warm: RunSpec) -> None:
        self._warm = warm
        self._context = multiprocessing.get_context("spawn")
        self._processes: dict[str, multiprocessing.context.SpawnProcess] = {}

    def warm_up(self) -> str:
        """Read the data here, for their digest."""
        return make_task(self._warm).prepare()

    def start(self, job: Job) -> Connection:
        """Start an interpreter."""
        ours, theirs = self._context.Pipe()
        plain = Job.from_dict(job.to_dict())  # a search's own kind of job would have the run import the search
        process = self._context.Process(target=run_child, args=(theirs, plain))
        process.start()
        theirs.close()
        self._processes[job.run_id] = process
        return ours

    def kill(self, run_id: str) -> None:
        """End it."""
        self._processes[run_id].kill()

    def waitables(self) -> Sequence[Waitable]:
        """Each process's sentinel."""
        return [process.sentinel for process in self._processes.values()]

    def ended(self, ready: Waitable) -> tuple[str, int]:
        """The run whose sentinel it is."""
        run_id = next(name for name, process in self._processes.items() if process.sentinel == ready)
        process = self._processes.pop(run_id)
        process.join()
        code = process.exitcode or 0
        process.close()
        return run_id, code

    def close(self) -> None:
        """Nothing is left: a spawned run ends with its driver."""
