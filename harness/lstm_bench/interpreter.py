"""The interpreter of a warm server, begun while its driver still imports: each of the two needs seconds for that."""

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

# The server must never start a thread of a numeric library; a run sets its own number of threads.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

_begun: list["Interpreter"] = []


class Interpreter(NamedTuple):
    """A process that will be a warm server once it is told of which task.

    Attributes:
        process: it.
        control: this side of the socket to it.
        errors: what it prints.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    errors: IO[bytes]

    def close(self) -> None:
        """End it, and let go of all that belongs to it."""
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.errors.close()


def start() -> Interpreter:
    """A new one; see `pool.server`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    errors = tempfile.TemporaryFile()  # noqa: SIM115  # whoever takes it closes it
    process = subprocess.Popen(  # noqa: S603  # our own module
        [sys.executable, "-P", "-m", "lstm_bench.pool.server", str(theirs.fileno()), str(os.getpid())],
        pass_fds=[theirs.fileno()],
        env=os.environ | allocator.added() | QUIET | found_alike() | {COMMAND: command()},
        stdin=subprocess.DEVNULL,
        stdout=errors,
        stderr=errors,
        start_new_session=True,  # Ctrl-C is the driver's to hear
    )
    theirs.close()
    return Interpreter(process, ours, errors)


@contextmanager
def begun() -> Iterator[None]:
    """Within it one is on its way, for who takes it first; nobody having done so, it ends."""
    if sys.platform == "linux":
        _begun.append(start())
    try:
        yield
    finally:
        while _begun:
            _begun.pop().close()


def take() -> Interpreter:
    """The one that is on its way, or else a new one."""
    return _begun.pop() if _begun else start()
