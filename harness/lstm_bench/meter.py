"""Stopwatch, memory, machine facts: what a run cost, and where it ran."""

import functools
import os
import platform
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import torch

MIB = 1024.0**2
PACKAGES = ("lstm-bench", "torch", "numpy", "scikit-learn", "optuna", "mlflow")


class Stopwatch:
    """Adds up the seconds spent inside `with stopwatch:`.

    Args:
        clock: seconds from any origin; a test passes its own, so that its sums are exact.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.seconds = 0.0

    def __enter__(self) -> "Stopwatch":
        self._since = self.clock()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds += self.clock() - self._since


class Watch:
    """Where a run's time goes: training, evaluating, and (neither runs then) everything else."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.training = Stopwatch(clock)
        self.evaluating = Stopwatch(clock)
        self._clock, self._start = clock, clock()

    @property
    def harness_share(self) -> float:
        """The part of the wall time since the start that was spent neither training nor evaluating, 0 to 1."""
        wall = self._clock() - self._start
        return max(0.0, 1 - (self.training.seconds + self.evaluating.seconds) / wall) if wall > 0 else 0.0


class Allocator(Protocol):
    """What `torch.cuda` tells of its memory, in bytes."""

    def reset_peak_memory_stats(self) -> None:
        """Peaks count from now."""

    def max_memory_allocated(self) -> int:
        """Most bytes held by tensors at once."""
        ...

    def max_memory_reserved(self) -> int:
        """Most bytes held by the allocator at once."""
        ...


class MemoryMeter:
    """Peaks of this process's memory, by metric name, in MiB. Use as a context around the run.

    Args:
        device: where the model lives; on a GPU the allocator's peaks are given too.
        allocator: whom to ask about the GPU.
        interval: seconds from one sample of the private memory to the next.
    """

    def __init__(
        self, device: torch.device, *, allocator: Allocator | ModuleType = torch.cuda, interval: float = 0.1
    ) -> None:
        self._allocator = allocator if device.type == "cuda" else None
        self._interval = interval
        self._private = 0.0
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="memory", daemon=True)

    def __enter__(self) -> "MemoryMeter":
        if self._allocator:
            self._allocator.reset_peak_memory_stats()
        self._sampler.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        while True:
            self._private = max(self._private, private_mib() or 0.0)
            if self._done.wait(self._interval):
                return

    def peaks(self) -> dict[str, float]:
        """`memory/peak_...` so far. A figure that this machine cannot give is absent."""
        peaks = {"memory/peak_rss_mib": peak_rss_mib()}
        private = max(self._private, private_mib() or 0.0)
        if private:
            peaks["memory/peak_private_mib"] = private
        if self._allocator:
            peaks["memory/peak_allocated_mib"] = self._allocator.max_memory_allocated() / MIB
            peaks["memory/peak_reserved_mib"] = self._allocator.max_memory_reserved() / MIB
        return peaks


def peak_rss_mib() -> float:
    """The most this process ever had in memory, shared pages included (a fork shares its server's)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB on Linux, bytes on macOS
    return peak / MIB if sys.platform == "darwin" else peak / 1024


def private_mib() -> float | None:
    """What this process alone holds now (Private_Dirty); None where the system does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Private_Dirty:")), None)


def has_native_bfloat16(device: str) -> bool:
    """Whether products in bfloat16 are faster than in float32 there: by the processor's own instructions."""
    if device == "cuda":
        return True  # every card since 2020; asking would start CUDA in this process
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@functools.cache
def machine() -> dict[str, Any]:
    """The facts beneath every figure: processor, cores, system, versions, commit. Read once a process."""
    facts: dict[str, Any] = {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
    }
    commit = _commit()
    return facts | ({"commit": commit} if commit else {})


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    """The commit of this source tree, with `+` when it was changed since; None outside a checkout."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603  # our own arguments
    except (OSError, subprocess.SubprocessError):
        return None
