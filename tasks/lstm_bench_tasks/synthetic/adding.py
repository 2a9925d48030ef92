"""The adding problem, as it is posed since 2015: remember two numbers until the end."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lstm_bench.families import Drawn, Regresses
from lstm_bench.task import Batch, Goal, Published, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Adding(Drawn, Regresses):
    """Two marked numbers among many, to be added: (.3 0)(.5 1)(.9 0)(.1 1) -> .6.

    One mark lies in the first half, one in the second. Hochreiter and Schmidhuber 1997 posed it with numbers from
    [-1, 1]; this is the later form with numbers from [0, 1], where always saying 1 scores 1/6 = 0.167.

    Attributes:
        length: numbers in a sequence.
    """

    length: Annotated[int, Field(ge=2, le=10_000)] = 100

    version: ClassVar[int] = 2  # 2: many batches are drawn together
    goal: ClassVar[Goal] = Goal(metric="mse", maximize=False, chance=1 / 6, ceiling=0.0, target=0.01, ends_run=True)
    signature: ClassVar[Signature] = Signature(features=2, outputs=1, every_step=False)
    defaults: ClassVar[Mapping[str, float]] = {"train.steps": 3000, "train.lr": 1e-2, "model.hidden": 32}
    published: ClassVar[tuple[Published, ...]] = (
        Published("LSTM, length 600", 0.164, "Bai et al. 2018, table 1: always saying 1 is as good"),
        Published("GRU, length 600", 5.3e-5, "Bai et al. 2018, table 1"),
        Published("TCN, length 600", 5.8e-5, "Bai et al. 2018, table 1"),
    )

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T, 2] (number, mark), targets [B, 1] their marked sum."""
        half = self.length // 2
        numbers_BT = torch.rand(count, self.length, generator=random)
        first_B = torch.randint(0, half, (count, 1), generator=random)
        second_B = torch.randint(half, self.length, (count, 1), generator=random)
        marks_BT = torch.zeros(count, self.length).scatter_(1, torch.cat([first_B, second_B], dim=1), 1.0)
        inputs_BTF = torch.stack([numbers_BT, marks_BT], dim=-1)
        return Batch(inputs_BTF, (numbers_BT * marks_BT).sum(1, keepdim=True))

    def oracle(self, batch: Batch) -> Tensor:
        """The sum of what is marked."""
        return batch.inputs.prod(2).sum(1, keepdim=True)

    def example(self) -> str:
        """A short one."""
        batch = Adding(length=6).draw(1, torch.Generator().manual_seed(0))
        pairs = " ".join(f"({number:.2f} {mark:.0f})" for number, mark in batch.inputs[0].tolist())
        return f"{pairs} -> {batch.targets.item():.2f}"
