"""The adding problem, as it is posed since 2015: remember two numbers until the end."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lstm_bench.losses import mean_squared_error, squared_error
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally, generator

EVAL_SEQUENCES = 1024  # in valid, and as many others in test


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding:
    """Two marked numbers among many, to be added: (.3 0)(.5 1)(.9 0)(.1 1) -> .6.

    One mark lies in the first half, one in the second. Hochreiter and Schmidhuber 1997 posed it with numbers from
    [-1, 1]; this is the later form with numbers from [0, 1], where always saying 1 scores 1/6 = 0.167.
    Data are fresh for every batch.

    Attributes:
        length: numbers in a sequence.
    """

    length: Annotated[int, Field(ge=2)] = 100

    family: ClassVar[Family] = "synthetic"
    source: ClassVar[str] = "generated afresh for every batch"
    goal: ClassVar[Goal] = Goal(metric="mse", maximize=False, chance=1 / 6, ceiling=0.0, target=0.01, ends_run=True)
    signature: ClassVar[Signature] = Signature(features=2, outputs=1, every_step=False)
    defaults: ClassVar[Mapping[str, float]] = {"train.steps": 3000, "train.lr": 1e-2, "model.hidden": 32}

    def prepare(self) -> str:
        """Nothing to read; the generator's version stands for the data."""
        return "adding-1"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Inputs [B, T, 2] (number, mark), targets [B, 1] their marked sum."""
        if split == "train":
            for k in range(start, sys.maxsize):
                yield self._draw(batch_size, generator(seed, split, k))
        else:
            whole = self._draw(EVAL_SEQUENCES, generator(seed, split, 0))
            for at in range(start * batch_size, EVAL_SEQUENCES, batch_size):
                yield Batch(whole.inputs[at : at + batch_size], whole.targets[at : at + batch_size])

    def _draw(self, count: int, random: torch.Generator) -> Batch:
        half = self.length // 2
        numbers_BT = torch.rand(count, self.length, generator=random)
        first_B = torch.randint(0, half, (count, 1), generator=random)
        second_B = torch.randint(half, self.length, (count, 1), generator=random)
        marks_BT = torch.zeros(count, self.length).scatter_(1, torch.cat([first_B, second_B], dim=1), 1.0)
        inputs_BTF = torch.stack([numbers_BT, marks_BT], dim=-1)
        return Batch(inputs_BTF, (numbers_BT * marks_BT).sum(1, keepdim=True))

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of the sum, [B, 1]."""
        return mean_squared_error(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`mse` over the sums."""
        return {"mse": squared_error(output, batch.targets)}

    def floors(self, seed: int) -> Mapping[str, float]:
        """The best constant, learnt from as many training sequences as the test has."""
        learnt = next(self.batches("train", EVAL_SEQUENCES, seed)).targets.mean()
        targets = torch.cat([batch.targets for batch in self.batches("test", EVAL_SEQUENCES, seed)])
        return {"constant": squared_error(learnt.expand_as(targets), targets).mean}
