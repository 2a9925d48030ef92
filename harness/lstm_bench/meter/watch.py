"""Stopwatches: where a run's time goes."""

import time
from collections.abc import Callable

import torch


class Stopwatch:
    """Adds up the seconds spent inside `with stopwatch:`.

    Args:
        clock: seconds from any origin; a test passes its own, so that its sums are exact.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.seconds = 0.0
        self._since: float | None = None

    def __enter__(self) -> "Stopwatch":
        self._since = self.clock()
        return self

    def __exit__(self, *exception: object) -> None:
        self.seconds, self._since = self.elapsed, None

    @property
    def elapsed(self) -> float:
        """The seconds so far, those since it was started too, if it runs."""
        return self.seconds + (0.0 if self._since is None else self.clock() - self._since)


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


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that it was given; the CPU always has."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    if device.type == "mps":
        torch.mps.synchronize()
