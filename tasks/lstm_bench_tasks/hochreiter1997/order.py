"""Experiment 6: temporal order."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.task import Batch, Signature
from lstm_bench_tasks.hochreiter1997.criteria import Criterion, Judged, beyond, lengths_from

ALPHABET = "abcdXYEB"  # four that distract, two that matter, the first and the last
X, E, B = (ALPHABET.index(symbol) for symbol in "XEB")
WINDOWS = {"6a": ((10, 20), (50, 60)), "6b": ((10, 20), (33, 43), (66, 76))}  # where X or Y stands, of 100


@dataclass(frozen=True, slots=True, kw_only=True)
class H97Order(Judged):
    """Widely separated symbols, X or Y, whose order is to be told at the end: X..X, X..Y, Y..X or Y..Y.

    A sequence begins with E, ends with B, and has a, b, c, d at random between, but for X or Y at a random position
    of each window: [10, 20] and [50, 60] (6a, four classes) or [10, 20], [33, 43] and [66, 76] (6b, eight), counted
    from 1, where T is 100. Criterion: of 2,000 sequences all have all outputs off by less than 0.3, and 0.1 is more
    than the mean absolute error. Always naming one class is wrong in 3 of 4 sequences, or in 7 of 8.

    Attributes:
        experiment: 6a or 6b.
        length: T, the fewest steps; lengths go from T to 1.1 T. The windows stretch with it.
    """

    experiment: Literal["6a", "6b"] = "6a"
    length: Annotated[int, Field(ge=20, le=4000)] = 100

    source: ClassVar[str] = "generated afresh for every batch; Hochreiter and Schmidhuber 1997, experiment 6"
    eval_sequences: ClassVar[int] = 2000
    latest: ClassVar[int] = 2000
    criterion: ClassVar[Criterion] = Criterion(error=0.3, mean=0.1)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 8000,
        "train.batch_size": 16,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.hidden": 32,
        "model.embedding": 0,
        "model.forget_bias": 4.6,
    }
    sequences: ClassVar[Mapping[str, float]] = {
        "LSTM 1997, 2 x 2, 156 weights, 6a": 31_390,
        "LSTM 1997, 3 x 2, 308 weights, 6b": 571_100,
    }

    @property
    def chance(self) -> float:
        """One class for all."""
        return self.eval_sequences * (1 - 1 / self.signature.outputs)

    @property
    def signature(self) -> Signature:
        """A class for each order."""
        return Signature(vocab=len(ALPHABET), outputs=2 ** len(WINDOWS[self.experiment]), every_step=False)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T] tokens, targets [B] classes: X and Y as binary digits, the first the highest."""
        steps = self.length + self.length // 10
        lengths_B = lengths_from(self.length, count, random)
        inputs_BT = torch.randint(0, X, (count, steps), generator=random)
        targets_B = torch.zeros(count, dtype=torch.int64)
        every = torch.arange(count)
        for low, high in WINDOWS[self.experiment]:
            first, last = low * self.length // 100, high * self.length // 100
            bit_B = torch.randint(0, 2, (count,), generator=random)
            inputs_BT[every, torch.randint(first, last + 1, (count,), generator=random) - 1] = X + bit_B
            targets_B = 2 * targets_B + bit_B
        inputs_BT[:, 0] = E
        inputs_BT[every, lengths_B - 1] = B
        return Batch(inputs_BT.masked_fill_(beyond(lengths_B, steps), 0), targets_B, lengths_B)

    def oracle(self, batch: Batch) -> Tensor:
        """The class whose word of X and Y is left when all else is struck out."""
        orders = ["".join(word) for word in product("XY", repeat=len(WINDOWS[self.experiment]))]
        kept = ["".join(ALPHABET[s] for s in row if ALPHABET[s] in "XY") for row in batch.inputs.tolist()]
        classes_B = torch.tensor([orders.index(word) for word in kept], device=batch.inputs.device)
        return functional.one_hot(classes_B, len(orders)).float()

    def example(self) -> str:
        """A short one."""
        task = H97Order(experiment=self.experiment, length=20)
        batch = task.draw(1, torch.Generator().manual_seed(0))
        shown = batch.take(slice(0, 1)).inputs[0].tolist()
        return f"{' '.join(ALPHABET[symbol] for symbol in shown)} -> class {batch.targets.item()}"
