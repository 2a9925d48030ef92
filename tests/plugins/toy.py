"""A task that takes milliseconds, can go wrong in every way, and tells which splits it is asked for."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lstm_bench.losses import accuracy, cross_entropy
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally, generator


@dataclass(frozen=True, slots=True, kw_only=True)
class Toy:
    """Is the sum of four numbers from [-1, 1] above zero?

    Attributes:
        fault: what goes wrong in training: raise, nan, memory, exit, slow, hang, spin; nothing by default.
        at: the batch at which it does.
        spy: a file that gets a line for each call of `batches`.
    """

    fault: str = ""
    at: int = 15
    spy: str = ""

    family: ClassVar[Family] = "synthetic"
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.5, target=0.9)
    signature: ClassVar[Signature] = Signature(features=1, outputs=2, every_step=False)
    defaults: ClassVar[Mapping[str, float]] = {
        "train.steps": 40,
        "train.eval_every": 10,
        "train.batch_size": 16,
        "train.lr": 3e-2,
        "train.warmup": 0,
        "model.hidden": 8,
    }

    def prepare(self) -> str:
        if self.fault == "unreadable":
            raise OSError("no disk")
        return "toy-1"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        if self.spy:
            with Path(self.spy).open("a") as file:
                file.write(f"{split} {seed}\n")
        for k in range(start, sys.maxsize if split == "train" else 4):
            if split == "train" and k >= self.at:
                self._go_wrong()
            numbers = torch.rand(batch_size, 4, 1, generator=generator(seed, split, k)) * 2 - 1
            yield Batch(numbers, (numbers.sum((1, 2)) > 0).long())

    def _go_wrong(self) -> None:
        match self.fault:
            case "raise":
                raise RuntimeError("the toy broke")
            case "memory":
                raise MemoryError("the toy ate it all")
            case "exit":
                os._exit(7)
            case "slow":
                time.sleep(0.05)
            case "hang":
                time.sleep(10**6)
            case "spin":
                while True:
                    pass

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        loss = cross_entropy(output, batch.targets)
        return loss * float("nan") if self.fault == "nan" else loss

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        return {"accuracy": accuracy(output, batch.targets)}

    def floors(self, seed: int) -> Mapping[str, float]:
        targets = torch.cat([batch.targets for batch in self.batches("test", 16, seed)])
        return {"majority": float(targets.float().mean().clamp(min=0.5))}
