"""`lstm-bench ui` over a results folder, as a user starts it."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shell import start

HERE = "127.0.0.1"
CHARTS = "&compareRunsMode=CHART"  # how the address of an experiment's charts ends


@dataclass(frozen=True)
class Ui:
    """What is served.

    Attributes:
        folder: the one that has `results`.
        said: the lines that the command printed.
    """

    folder: Path
    said: list[str]

    def charts(self, task: str) -> str:
        """The address that was printed for a task."""
        return next(line.removeprefix(f"{task}: ") for line in self.said if line.startswith(f"{task}: "))

    def runs(self, task: str) -> str:
        """The same runs as a table."""
        return self.charts(task).removesuffix(CHARTS)

    def models(self, task: str) -> str:
        """The models of the same experiment."""
        return self.runs(task).replace("/runs?", "/models?")

    @property
    def base(self) -> str:
        """The server's own address."""
        parts = urlsplit(next(line for line in self.said if CHARTS in line).partition(": ")[2])
        return f"{parts.scheme}://{parts.netloc}"


@contextmanager
def serving(folder: Path) -> Iterator[Ui]:
    """The UI over `results` in a folder, until the context is left."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port = probe.getsockname()[1]
    process = start(folder, "ui", "--port", str(port))
    assert process.stdout
    said: list[str] = []
    while not said or not re.match("Serving|$", said[-1]):  # an empty line: it has ended
        said.append(process.stdout.readline().rstrip("\n"))
    try:
        yield Ui(folder, said)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
