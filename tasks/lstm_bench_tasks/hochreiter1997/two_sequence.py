"""Experiment 3: the two-sequence problem, with noise and signal on the same input line."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from lstm_bench.task import Batch, Signature
from lstm_bench_tasks.hochreiter1997.criteria import Criterion, Judged, beyond, lengths_from

BOUNDS = {
    "3a": Criterion(error=0.2, mean=0.01),
    "3b": Criterion(error=0.2, allowed=6, mean=0.04),
    "3c": Criterion(error=0.1, mean=0.015),
}
NOISE = 0.2**0.5  # standard deviation of what is not informative, and of what blurs the informative in 3b
TARGET_NOISE = 0.1**0.5  # of the targets in 3c


@dataclass(frozen=True, slots=True, kw_only=True)
class H97TwoSequence(Judged):
    """The first N numbers of a sequence say its class, +1 or -1; noise of variance 0.2 follows. Target 1 or 0.

    3b: noise of variance 0.2 is on the first N too. 3c: as 3a, but the targets are 0.8 and 0.2, and training sees them
    under noise of variance 0.1; they are judged without. Criterion, of 256 sequences: ST1 (3a none, 3b fewer than 6
    wrong by 0.2 or more), ST2 (that, and a mean absolute error below 0.01 or 0.04); 3c has one, ST2: none wrong by 0.1
    or more, and a mean below 0.015. Always naming one class is wrong in half of them. Guessing weights at random solves
    3a sooner than learning does, and 3b quickly (Hochreiter and Schmidhuber 1997): they are controls, no achievements.

    Attributes:
        experiment: 3a, 3b or 3c.
        stop: which criterion.
        length: T, the fewest steps; lengths go from T to 1.1 T.
        n: N, the informative numbers at the beginning.
    """

    experiment: Literal["3a", "3b", "3c"] = "3a"
    stop: Literal["ST1", "ST2"] = "ST2"
    length: Annotated[int, Field(ge=2, le=4000)] = 100
    n: Annotated[int, Field(ge=1)] = 3

    source: ClassVar[str] = "generated afresh for every batch; Hochreiter and Schmidhuber 1997, experiment 3"
    eval_sequences: ClassVar[int] = 256
    signature: ClassVar[Signature] = Signature(features=1, outputs=1, every_step=False)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 4000,
        "train.batch_size": 16,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 100,
        "model.hidden": 16,
        "model.forget_bias": 4.6,
    }
    sequences: ClassVar[Mapping[str, float]] = {
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=100, N=3, ST1": 27_380,
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=100, N=3, ST2": 39_850,
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=100, N=1, ST1": 58_370,
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=100, N=1, ST2": 64_330,
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=1000, N=3, ST1": 446_850,
        "LSTM 1997, 3 x 1, 102 weights, 3a, T=1000, N=3, ST2": 452_460,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=100, N=3, ST1": 41_740,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=100, N=3, ST2": 43_250,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=100, N=1, ST1": 74_950,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=100, N=1, ST2": 78_430,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=1000, N=1, ST1": 481_060,
        "LSTM 1997, 3 x 1, 102 weights, 3b, T=1000, N=1, ST2": 485_080,
        "LSTM 1997, 3 x 1, 102 weights, 3c, T=100, N=3": 269_650,
        "LSTM 1997, 3 x 1, 102 weights, 3c, T=100, N=1": 565_640,
    }

    def __post_init__(self) -> None:
        """Refuse what no experiment is.

        Raises:
            ValueError: more informative numbers than steps, or ST1 where there is none.
        """
        if self.n > self.length:
            raise ValueError(f"n = {self.n}: expected at most length = {self.length}")
        if self.experiment == "3c" and self.stop == "ST1":
            raise ValueError("stop = 'ST1': experiment 3c has one criterion, expected 'ST2'")

    @property
    def criterion(self) -> Criterion:
        """ST1 has no bound on the mean."""
        bounds = BOUNDS[self.experiment]
        return bounds if self.stop == "ST2" else Criterion(bounds.error, bounds.allowed)

    @property
    def chance(self) -> float:
        """One class for all."""
        return self.eval_sequences / 2 / self.criterion.allowed

    @property
    def ceiling(self) -> float | None:
        """In 3b noise may hide the class, so that the best score is not quite 0."""
        return None if self.experiment == "3b" else 0.0

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T, 1], targets [B, 1]."""
        steps = self.length + self.length // 10
        lengths_B = lengths_from(self.length, count, random)
        label = torch.randint(0, 2, (count, 1), generator=random)
        inputs_BT = NOISE * torch.randn(count, steps, generator=random)
        if self.experiment == "3b":
            inputs_BT[:, : self.n] += 2 * label - 1
        else:
            inputs_BT[:, : self.n] = (2 * label - 1).float()
        inputs_BT.masked_fill_(beyond(lengths_B, steps), 0)
        targets_BC = label.float()
        if self.experiment == "3c":
            targets_BC = 0.2 + 0.6 * targets_BC + TARGET_NOISE * torch.randn(count, 1, generator=random)
        return Batch(inputs_BT[..., None], targets_BC, lengths_B)

    def judged(self, output: Tensor, batch: Batch) -> Tensor:
        """The absolute errors, [B, 1]; in 3c those from the target without its noise, which the first number tells."""
        if self.experiment != "3c":
            return (output - batch.targets).abs()
        return (output - torch.where(batch.inputs[:, 0] > 0, 0.8, 0.2)).abs()

    def oracle(self, batch: Batch) -> Tensor:
        """The likelier class, by the sign of the sum of the first N."""
        sign = batch.inputs[:, : self.n].sum(1).sign()
        return 0.5 + (0.3 if self.experiment == "3c" else 0.5) * sign

    def example(self) -> str:
        """A short one."""
        task = H97TwoSequence(experiment=self.experiment, length=8)
        batch = task.draw(1, torch.Generator().manual_seed(0))
        shown = batch.inputs[0].flatten().tolist()
        return f"{' '.join(f'{number:.2f}' for number in shown)} -> {batch.targets.item():.2f}"
