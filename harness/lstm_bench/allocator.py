"""Whether glibc gives memory back at every step of a run, or keeps it."""

import os
import platform
import sys
from collections.abc import Mapping
from typing import Literal

Allocator = Literal["tuned", "system"]
CHOICE = "LSTM_BENCH_ALLOCATOR"  # in the environment: the allocator that the driver was asked for
# glibc returns large buffers at every step and faults them in again; told not to, an LSTM of 256 units and more
# trains 1.2 to 1.6 times as fast, smaller ones as before. Heard when a process starts, never later.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
SAID = "Runs keep their memory from step to step (glibc, up to 1 GiB); `--allocator system` leaves it as it is."


def choose(allocator: Allocator) -> None:
    """Have the processes that this one starts run with it."""
    os.environ[CHOICE] = allocator


def added() -> dict[str, str]:
    """What the environment of a run's process gets for it; nothing where there is no glibc. A user's own values win."""
    if os.environ.get(CHOICE) == "system" or sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return {}
    return {name: value for name, value in KEEP_MEMORY.items() if name not in os.environ}


def told(environment: Mapping[str, str] = os.environ) -> Allocator | str:
    """What a process that starts with it has, and this one did: `tuned`, `system`, or the user's own values."""
    found = {name: environment[name] for name in KEEP_MEMORY if name in environment}
    if found == KEEP_MEMORY:
        return "tuned"
    return " ".join(f"{name}={value}" for name, value in found.items()) or "system"
