"""Experiment 5: the multiplication problem of 1997."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from lstm_bench.task import Batch, Signature
from lstm_bench_tasks.hochreiter1997.adding import marked, pairs
from lstm_bench_tasks.hochreiter1997.criteria import Criterion, Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class H97Multiplication(Judged):
    """Two marked numbers among many from [0, 1] are multiplied: as `h97-adding`, but for the target, X1 X2.

    The first pair's number counts as 1 where it was chosen. Criterion: of 2,000 sequences fewer than n are off by 0.04
    or more. Always saying 1/4 gets 11 % of the sequences right.

    Attributes:
        length: T, the fewest steps; lengths go from T to 1.1 T.
        n: of 2,000 sequences, fewer must be wrong: 140, or 13.
    """

    length: Annotated[int, Field(ge=22, le=4000)] = 100
    n: Literal[13, 140] = 140

    source: ClassVar[str] = "generated afresh for every batch; Hochreiter and Schmidhuber 1997, experiment 5"
    eval_sequences: ClassVar[int] = 2000
    latest: ClassVar[int] = 2000
    signature: ClassVar[Signature] = Signature(features=2, outputs=1, every_step=False)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 10_000,
        "train.batch_size": 32,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.hidden": 64,
        "model.forget_bias": 5.0,
    }
    sequences: ClassVar[Mapping[str, float]] = {
        "LSTM 1997, 2 x 2, 93 weights, T=100, n=140": 482_000,
        "LSTM 1997, 2 x 2, 93 weights, T=100, n=13": 1_273_000,
    }

    @property
    def criterion(self) -> Criterion:
        """Fewer than n wrong."""
        return Criterion(error=0.04, allowed=self.n)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T, 2] (number, mark), targets [B, 1]."""
        inputs_BTF, lengths_B, chosen, read = marked(self.length, count, random, lowest=0.0)
        return Batch(inputs_BTF, torch.where(read, chosen, 1).prod(1, keepdim=True), lengths_B)

    def oracle(self, batch: Batch) -> Tensor:
        """One times each number whose mark is 1."""
        numbers_BT, marks_BT = batch.inputs.unbind(-1)
        return (1 + (numbers_BT - 1) * (marks_BT > 0)).prod(1, keepdim=True)

    def example(self) -> str:
        """A short one."""
        return pairs(H97Multiplication(length=22).draw(1, torch.Generator().manual_seed(0)))
