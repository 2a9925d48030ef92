"""What a process or its driver was started with, as a person types it."""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

NAME = "lstm-bench"
COMMAND = "LSTM_BENCH_COMMAND"  # in the environment: what a driver was started with, for the processes that it starts
MODULE = (Path(__file__).parent.name, "__main__.py")  # what `python -m lstm_bench` calls itself


def command() -> str:
    """Of this process or its driver; empty at an interpreter's prompt."""
    told = os.environ.get(COMMAND)
    return typed(sys.argv) if told is None else told


def typed(argv: Sequence[str]) -> str:
    """A command line without the folder that the program lies in."""
    program = Path(argv[0])
    name = NAME if program.parts[-2:] == MODULE else program.name
    return shlex.join([name, *argv[1:]]) if name else ""
