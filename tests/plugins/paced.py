"""A task whose steps take as long as the environment says, by its own clock, which stands still otherwise."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from toy import Toy

from lstm_bench import execute
from lstm_bench.meter import Watch
from lstm_bench.task import Batch, Split

STEP_MS = "PACED_STEP_MS"
SPREAD = 0.03  # of a run's pace, as real ones have it


class Clock:
    """It stands still but for what is added to it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


CLOCK = Clock()
if STEP_MS in os.environ:  # in a run's own process, and in no other that imports this
    execute.Watch = partial(Watch, CLOCK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Paced(Toy):
    """Toy, at a pace."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        pace = float(os.environ[STEP_MS]) * random.SystemRandom().gauss(1, SPREAD) if split == "train" else 0
        for batch in Toy.batches(self, split, batch_size, seed, start):
            CLOCK.seconds += pace / 1000
            yield batch
