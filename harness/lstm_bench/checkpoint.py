"""A run's state in a file, so that a run whose process died goes on where it was."""

import copy
import os
import time
import zipfile
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from lstm_bench.train_state import TrainState
from lstm_bench.writing import whole

SHARE = 50  # times as long as the last save took, the next one waits: saving takes at most 2 % of the time
CHECKPOINT_SECONDS = "LSTM_BENCH_CHECKPOINT_SECONDS"  # in the environment: from one checkpoint to the next, at least


class Pace:
    """How often something is done that takes its time: at most 2 % of it.

    Args:
        every: seconds from one time to the next, at least; 0: whenever there is a chance.
        clock: seconds from any origin.
    """

    def __init__(self, every: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every, self._clock = every, clock
        self._last, self._pause = clock(), every

    @property
    def is_due(self) -> bool:
        """Whether the last time was long enough ago."""
        return self._clock() - self._last >= self._pause

    @contextmanager
    def doing(self) -> Iterator[None]:
        """While entered, it is done."""
        begun = self._clock()
        yield
        self._last = self._clock()
        self._pause = max(self._every, SHARE * (self._last - begun)) if self._every else 0.0


def asked_pace() -> float:
    """Seconds from one checkpoint to the next, at least, as the environment says."""
    return float(os.environ.get(CHECKPOINT_SECONDS, "1"))


class Checkpoint:
    """The file of one run's state; the newest alone is kept.

    Args:
        path: of the file; it need not exist.
        every: see `Pace`.
        clock: likewise.
    """

    def __init__(self, path: Path, every: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self._pace = path, Pace(every, clock)

    def offer(self, state: TrainState) -> None:
        """Save the state if the last time was long enough ago."""
        if self._pace.is_due:
            with self._pace.doing():
                save(self.path, state.state_dict())

    def restore(self, state: TrainState, steps: Container[int]) -> None:
        """Put the state where it was saved, if that is at one of these steps and can be trusted; else leave it.

        A run that begins again gives the same results, only later: so nothing is mended here, and nothing raised.
        """
        if not self.path.exists():
            return
        before = copy.deepcopy(state.state_dict())
        try:
            values = load(self.path, state.device)
            if values["counts"]["step"] in steps:
                state.load_state_dict(values)
        except Exception:  # noqa: BLE001  # torn, damaged, or of another version: torch raises whatever it stumbles over
            state.load_state_dict(before)


def save(path: Path, values: dict[str, Any]) -> None:
    """Write tensors and plain values so that they are there whole or not at all.

    Raises:
        RecordError: they cannot be written; what was there before stays.
    """
    with whole(path) as file:
        try:
            torch.save(values, file)
        except RuntimeError as error:  # torch wraps what ends it at a write: a full disk, a Ctrl-C
            raise error.__context__ or error from None


def load(path: Path, device: torch.device) -> dict[str, Any]:
    """What `save` wrote. Code in the file is refused, never run.

    Raises:
        Exception: the file is damaged or holds something else.
    """
    with zipfile.ZipFile(path) as archive:  # torch compares no checksums, and takes a flipped bit for a weight
        damaged = archive.testzip()
    if damaged:
        raise zipfile.BadZipFile(f"{path}: {damaged} is damaged")
    values: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return values
