"""Parity: is the number of ones odd?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from lstm_bench.families import Classifies, Drawn
from lstm_bench.task import Batch, Goal, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity(Drawn, Classifies):
    """Whether the ones among some bits are odd in number, said at the end: `1010100 -> 3 ones (odd) -> 1`.

    Lengths are drawn from `shortest` to `length`, each equally often; the short ones are what makes it learnable. The
    longer versions hold lengths that were never trained on: 2x those from length + 1 to 2 length, 4x those from
    2 length + 1 to 4 length. Guessing scores 1/2.

    Attributes:
        length: bits in a sequence at most.
        shortest: bits in a sequence at least.
    """

    length: Annotated[int, Field(ge=1, le=4096)] = 20
    shortest: Annotated[int, Field(ge=1, le=4096)] = 1

    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.5, ceiling=1.0, target=0.99, ends_run=True)
    signature: ClassVar[Signature] = Signature(vocab=2, outputs=2, every_step=False)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 4000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 100,
        "model.hidden": 32,
        "model.embedding": 0,
    }

    def __post_init__(self) -> None:
        if self.shortest > self.length:
            raise ValueError(f"shortest = {self.shortest}: expected at most length = {self.length}")

    def _longer(self, factor: int) -> "Parity":
        return replace(self, shortest=factor // 2 * self.length + 1, length=factor * self.length)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T] bits, 0 behind the end; targets [B]."""
        lengths_B = torch.randint(self.shortest, self.length + 1, (count,), generator=random)
        bits_BT = torch.randint(0, 2, (count, int(lengths_B.max())), generator=random)
        bits_BT *= torch.arange(bits_BT.shape[1]) < lengths_B[:, None]
        return Batch(bits_BT, bits_BT.sum(1) % 2, lengths_B)

    def oracle(self, batch: Batch) -> Tensor:
        """Each one turns the sign."""
        sign_B = (1 - 2 * batch.inputs).prod(1)
        return 20.0 * torch.stack([sign_B, -sign_B], dim=1)

    def example(self) -> str:
        """A short one."""
        batch = Parity(length=7, shortest=7).draw(1, torch.Generator().manual_seed(0))
        bits, odd = batch.inputs[0].tolist(), int(batch.targets[0])
        return f"{''.join(map(str, bits))} -> {sum(bits)} ones ({'odd' if odd else 'even'}) -> {odd}"
