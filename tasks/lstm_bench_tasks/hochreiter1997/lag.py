"""Experiment 2: long time lags, without noise and among many distractors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.task import Batch, Signature, Task
from lstm_bench_tasks.hochreiter1997.criteria import Criterion, Judged, beyond

CONTINUE = 0.9  # the chance of one more distractor; the paper prints 1/10, but its mean length needs 9/10
LONGEST = 1000  # q
MOST = 250  # distractors beyond q: one sequence in 3e11 would have more


def more_than() -> list[float]:
    """The chance of at most k distractors beyond q, for k = 1, 2, ...; multiplied out, so equal on every platform."""
    rest, found = 1.0, []
    for _ in range(MOST - 1):
        rest *= CONTINUE
        found.append(1 - rest)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class H97Lag(Judged):
    """One symbol, x or y, comes again at the end and is to be predicted after a long lag.

    2a: x or y, then always a1 ... a(p-1), then x or y again; the next symbol is predicted at each of p steps (p + 1
    symbols). 2b: as 2a, but what comes between is drawn from a1 ... a(p-1) at random. 2c: b, x or y, then q + k of p
    distractors at random, then e, and x or y is predicted once, by two outputs (p + 4 symbols); one more distractor
    follows with a chance of 9/10, so k has mean 10 (at least 1) and a sequence with its target has q + 14 symbols on
    average. Criterion: of 10,000 sequences every output is off by less than 0.25 (2a: at each step; 2b: at the end) or
    0.2 (2c). Always saying x is right in half of 2b and 2c, never in 2a.

    The defaults are for 2c. In 2a and 2b at p = 100 no run within a minute left the floor. The model's outputs see its
    hidden units alone (the paper's see the inputs too, as with `model.skip`), so that it takes about p units to tell
    the symbols apart; with 104 or 128 of them 2a is soon right at every step but the last, and that is one in p of the
    loss.

    Attributes:
        experiment: 2a, 2b or 2c.
        p: steps of lag in 2a and 2b, distractors to draw from in 2c.
        q: 2c's fewest distractors in a row; 2a and 2b have no use for it.
    """

    experiment: Literal["2a", "2b", "2c"] = "2c"
    p: Annotated[int, Field(ge=2, le=1000)] = 100
    q: Annotated[int, Field(ge=1, le=LONGEST)] = 100

    source: ClassVar[str] = "generated afresh for every batch; Hochreiter and Schmidhuber 1997, experiment 2"
    eval_sequences: ClassVar[int] = 10_000
    longest: ClassVar[str] = "q"
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 6000,
        "train.batch_size": 32,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 500,
        "model.hidden": 32,
        "model.embedding": 0,
        "model.forget_bias": 4.6,
    }
    sequences: ClassVar[Mapping[str, float]] = {
        "LSTM 1997, 1 cell, 10,504 weights, 2a, p=100": 5_040,
        "LSTM 1997, 1 cell, 10,504 weights, 2b, p=100": 5_680,
        "LSTM 1997, 2 x 1, 364 weights, 2c, q=50, p=50": 30_000,
        "LSTM 1997, 2 x 1, 664 weights, 2c, q=100, p=100": 31_000,
        "LSTM 1997, 2 x 1, 1,264 weights, 2c, q=200, p=200": 33_000,
        "LSTM 1997, 2 x 1, 3,064 weights, 2c, q=500, p=500": 38_000,
        "LSTM 1997, 2 x 1, 6,064 weights, 2c, q=1000, p=1000": 49_000,
        "LSTM 1997, 2 x 1, 2c, q=1000, p=500": 49_000,
        "LSTM 1997, 2 x 1, 2c, q=1000, p=200": 75_000,
        "LSTM 1997, 2 x 1, 2c, q=1000, p=100": 135_000,
        "LSTM 1997, 2 x 1, 364 weights, 2c, q=1000, p=50": 203_000,
    }

    @property
    def criterion(self) -> Criterion:
        """No sequence wrong."""
        return Criterion(error=0.2 if self.experiment == "2c" else 0.25)

    @property
    def chance(self) -> float:
        """Always x."""
        return self.eval_sequences if self.experiment == "2a" else self.eval_sequences / 2

    @property
    def next_symbol(self) -> bool:
        """But for 2c, at each step."""
        return self.experiment != "2c"

    @property
    def signature(self) -> Signature:
        """2a and 2b: each symbol an output, at each step; 2c: x and y, at the end."""
        if self.experiment == "2c":
            return Signature(vocab=self.p + 4, outputs=2, every_step=False)
        return Signature(vocab=self.p + 1, outputs=self.p + 1, every_step=True)

    @property
    def span(self) -> int:
        """About how many time steps a sequence has."""
        return self.q + 13 if self.experiment == "2c" else self.p

    @property
    def longer(self) -> Mapping[str, Task]:
        """2c with 2 q and 4 q, up to 1,000; a longer lag in 2a and 2b would need symbols that no training showed."""
        if self.experiment != "2c":
            return {}
        return {name: task for name, task in super(H97Lag, self).longer.items() if cast(H97Lag, task).q <= LONGEST}

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T] tokens; x and y are the first two. Targets [B, T] the next tokens, or [B] x or y."""
        xy_B = torch.randint(0, 2, (count,), generator=random)
        if self.experiment == "2c":
            return self._among_distractors(xy_B, random)
        if self.experiment == "2a":
            between_BT = torch.arange(2, self.p + 1).expand(count, -1)
        else:
            between_BT = torch.randint(2, self.p + 1, (count, self.p - 1), generator=random)
        sequence_BT = torch.cat([xy_B[:, None], between_BT, xy_B[:, None]], dim=1)
        return Batch(sequence_BT[:, :-1], sequence_BT[:, 1:])

    def _among_distractors(self, xy_B: Tensor, random: torch.Generator) -> Batch:
        begin, end = self.p + 2, self.p + 3
        table = torch.tensor(more_than(), dtype=torch.float64)
        more_B = 1 + torch.bucketize(torch.rand(len(xy_B), dtype=torch.float64, generator=random), table, right=True)
        lengths_B = self.q + more_B + 3
        steps = int(lengths_B.max())
        inputs_BT = torch.randint(2, self.p + 2, (len(xy_B), steps), generator=random)
        inputs_BT[:, 0], inputs_BT[:, 1] = begin, xy_B
        inputs_BT[torch.arange(len(xy_B)), lengths_B - 1] = end
        return Batch(inputs_BT.masked_fill_(beyond(lengths_B, steps), 0), xy_B, lengths_B)

    def judged(self, output: Tensor, batch: Batch) -> Tensor:
        """The absolute errors of all outputs, [B, any]; in 2b those of the last step."""
        if self.experiment == "2b":
            output, batch = output[:, -1], replace(batch, targets=batch.targets[:, -1])
        return super(H97Lag, self).judged(output, batch)

    def oracle(self, batch: Batch) -> Tensor:
        """What came first comes last; before it, in 2a the next of the row, in 2b any."""
        if self.experiment == "2c":
            return functional.one_hot(batch.inputs[:, 1], 2).float()
        count, steps = batch.inputs.shape
        likely = torch.zeros(count, steps, self.p + 1, device=batch.inputs.device)
        if self.experiment == "2a":
            likely[:, range(steps - 1), range(2, steps + 1)] = 1
        else:
            likely[:, :-1, 2:] = 1 / (self.p - 1)
        return likely.index_put_((torch.arange(count), torch.tensor(steps - 1), batch.inputs[:, 0]), torch.tensor(1.0))

    def example(self) -> str:
        """A short one."""
        task = H97Lag(experiment=self.experiment, p=6, q=4)
        batch = task.draw(1, torch.Generator().manual_seed(0))
        names = ["x", "y", *(f"a{k + 1}" for k in range(task.signature.vocab or 0))]
        if self.experiment == "2c":
            names[-2:] = []
            names[task.p + 2 : task.p + 4] = ["b", "e"]
        shown = " ".join(names[symbol] for symbol in batch.inputs[0].tolist())
        return f"{shown} -> {names[int(batch.targets.flatten()[-1])]}"
