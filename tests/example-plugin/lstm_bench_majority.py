"""A whole task in a package of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from lstm_bench.families import Classifies, Drawn
from lstm_bench.task import Batch, Goal, Signature
from pydantic import Field
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True, slots=True, kw_only=True)
class Majority(Drawn, Classifies):
    """Which of three symbols occurs most often? 2 0 2 1 2 -> 2; of equals the lowest.

    Attributes:
        length: symbols in a sequence.
    """

    length: Annotated[int, Field(ge=1, le=1000)] = 15

    goal: ClassVar[Goal] = Goal("accuracy", maximize=True, chance=1 / 3, ceiling=1.0, target=0.95)
    signature: ClassVar[Signature] = Signature(vocab=3, outputs=3, every_step=False)
    defaults: ClassVar[Mapping[str, float]] = {"train.steps": 600, "train.lr": 1e-2}

    def draw(self, count: int, random: torch.Generator) -> Batch:
        inputs = torch.randint(3, (count, self.length), generator=random)
        return Batch(inputs, one_hot(inputs, 3).sum(1).argmax(1))

    def oracle(self, batch: Batch) -> Tensor:
        return torch.stack([(batch.inputs == symbol).sum(1) for symbol in range(3)], 1) * 20.0 - torch.arange(3)
