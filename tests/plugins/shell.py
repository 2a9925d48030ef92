"""Our command as a user runs it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
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
    """Let it run."""
    return subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "lstm_bench", *arguments]


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": PLUGINS, "COLUMNS": "120"}
