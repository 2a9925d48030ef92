"""Our command as a user runs it: a process of its own, in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

PLUGINS = str(Path(__file__).parent)


def call(folder: Path, *arguments: str, timeout: float = 240) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Let it run, and hear signals as in a terminal: a shell has what it starts in the background ignore Ctrl-C."""
    return subprocess.Popen(
        command(*arguments),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no thread is about
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lstm_bench", *arguments]


def environment() -> dict[str, str]:
    """Ours, with the test's plugins; a run keeps its state at each reading, so that a kill finds one."""
    path = os.pathsep.join([PLUGINS, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return os.environ | {"PYTHONPATH": path, "COLUMNS": "120", "LSTM_BENCH_CHECKPOINT_SECONDS": "0"}


def parents() -> dict[int, int]:
    """The parent of each process there is."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended since
            found[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def children(pid: int) -> set[int]:
    """A process's own."""
    return {child for child, parent in parents().items() if parent == pid}


def descendants(pid: int) -> set[int]:
    """A process's children, and theirs."""
    of, found = parents(), {pid}
    while more := {p for p, parent in of.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_in_time(pids: Iterable[int], seconds: float) -> bool:
    """Whether processes end within some seconds."""
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))
