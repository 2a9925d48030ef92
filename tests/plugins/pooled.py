"""The adding problem from a fixed pool: what is drawn costs nothing while it is trained on."""

import functools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from lstm_bench.task import Batch, Split, generator
from lstm_bench_tasks.synthetic.adding import Adding

POOL, HELD_OUT = 6_400, 640  # sequences


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled(Adding):
    """Adding, 100 steps, each batch a choice of 6,400 sequences."""

    eval_sequences: ClassVar[int] = HELD_OUT
    defaults: ClassVar[Mapping[str, float]] = {"model.hidden": 32, "train.lr": 1e-3, "train.warmup": 0}

    def prepare(self) -> str:
        pool()
        return "pooled-1"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        if split != "train":
            yield from Adding.batches(self, split, batch_size, seed, start)
            return
        for k in range(start, sys.maxsize):
            yield pool().take(torch.randint(0, POOL, (batch_size,), generator=generator(seed, split, k)))


@functools.cache
def pool() -> Batch:
    return Adding().draw(POOL, generator(0, "train", 0))
