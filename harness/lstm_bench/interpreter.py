"""Interpreters that are begun while their driver still imports: each of them needs seconds for that, too."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from lstm_bench import allocator
from lstm_bench.command import COMMAND, command
from lstm_bench.plugins import found_alike

# What such an interpreter executes, and the kind of its socket: the server sends packets, the writer a stream.
SERVER, WRITER = "lstm_bench.pool.server", "lstm_bench.tracking.writer"
SOCKETS = {SERVER: "SOCK_SEQPACKET", WRITER: "SOCK_STREAM"}
NICENESS = {SERVER: 0, WRITER: 5}  # training comes first
# The server must never start a thread of a numeric library; a run sets its own number of threads.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_begun: dict[str, "Interpreter"] = {}
_wanted: set[str] = set()  # those that somebody may still take: nothing outside of `begun`


class Interpreter(NamedTuple):
    """A process that will know what to do once it is told over its socket.

    Attributes:
        process: it.
        control: this side of the socket to it.
        errors: what it prints.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    errors: IO[bytes]

    def words(self) -> list[str]:
        """The lines that it has printed, but for empty ones."""
        self.errors.seek(0)
        return [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]

    def wait(self, seconds: float) -> int:
        """Its exit code, once it has ended; it is ended if that takes too long."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self) -> None:
        """End it wherever it is, and let go of all that belongs to it."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.errors.close()


def start(module: str) -> Interpreter:
    """A new one; see `pool.server` and `tracking.writer`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, getattr(socket, SOCKETS[module]))
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # whoever takes it closes it
    process = subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-P", "-m", "lstm_bench.begin", module, str(theirs.fileno()), str(os.getpid())],
        pass_fds=[theirs.fileno()],
        env=os.environ | allocator.added() | QUIET | found_alike() | {COMMAND: command()},
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        start_new_session=True,  # Ctrl-C is the driver's to hear
    )
    os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS[module])
    theirs.close()
    return Interpreter(process, ours, errors)


@contextmanager
def begun() -> Iterator[None]:
    """Within it one of each is on its way, for who takes it first; nobody having done so, it ends.

    Who is done with one gives it back: the next one to take it, as a suite's next study does, waits for no import.
    """
    _wanted.update(SOCKETS)
    if sys.platform == "linux":
        _begun.update({module: start(module) for module in SOCKETS})
    try:
        yield
    finally:
        _wanted.clear()
        while _begun:
            _begun.popitem()[1].close()


def take(module: str) -> Interpreter:
    """The one that is on its way, or else a new one."""
    return _begun.pop(module, None) or start(module)


def forgo(module: str) -> None:
    """End the one that is on its way: nobody will take it."""
    if module in _begun:
        _begun.pop(module).close()


def give_back(module: str, one: Interpreter) -> None:
    """Leave one that waits for its next task to who takes it; where nobody will, it ends."""
    if module in _wanted and module not in _begun:
        one.errors.seek(0)
        one.errors.truncate(0)  # its last words are the next task's
        _begun[module] = one
    else:
        one.close()
