"""The copy task: say again, after a while, what came at the beginning."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Drawn, score
from lstm_bench.losses import accuracy, cross_entropy
from lstm_bench.task import UNSCORED, Batch, Goal, Published, Signature, Tally

SYMBOLS = 10  # to be remembered
KINDS = 8  # numbered from 1; 0 is the blank
DELIMITER = KINDS + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Copying(Drawn):
    """Ten symbols, blanks, a delimiter, then the symbols again: `3174415826 ....| ..........` -> the same ten.

    As Arjovsky et al. 2016 pose it: 10 symbols of 8 kinds, `length` steps of which the last is the delimiter and the
    others are blanks, and 10 more blanks during which the symbols are due. A step before is to be answered by a blank.
    Score: `ce`, the mean cross-entropy in nats over all `length` + 20 steps. One without memory, who says blank and
    then guesses, scores 10 ln 8 / (length + 20). `accuracy` is of the ten symbols alone.

    At `length` 500 a plain LSTM honestly does not learn it within minutes: it stays at 0.0400, as Bai et al. 2018 saw
    it stay at its floor at 1000. The default is a length that it does learn.

    Attributes:
        length: T, steps between the last symbol and the recall.
    """

    length: Annotated[int, Field(ge=1, le=4096)] = 10

    signature: ClassVar[Signature] = Signature(vocab=KINDS + 2, outputs=KINDS + 1, every_step=True)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 4000,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
        "train.eval_every": 500,
        "model.hidden": 128,
        "model.embedding": 0,
        "model.forget_bias": 3.0,
    }
    published: ClassVar[tuple[Published, ...]] = (
        Published("LSTM, length 1000", 0.0204, "Bai et al. 2018, table 1: no better than without memory"),
        Published("GRU, length 1000", 0.0197, "Bai et al. 2018, table 1"),
        Published("RNN, length 1000", 0.0202, "Bai et al. 2018, table 1"),
        Published("TCN, length 1000", 3.5e-5, "Bai et al. 2018, table 1"),
    )

    @property
    def goal(self) -> Goal:
        """Chance is the score without memory; the target a tenth of it."""
        chance = SYMBOLS * math.log(KINDS) / (self.length + 2 * SYMBOLS)
        return Goal(metric="ce", maximize=False, unit="nats", chance=chance, ceiling=0.0, target=chance / 10)

    @property
    def span(self) -> int:
        """T + 20 steps."""
        return self.length + 2 * SYMBOLS

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs and targets [B, T + 20] tokens."""
        symbols_BS = torch.randint(1, KINDS + 1, (count, SYMBOLS), generator=random)
        inputs_BT = torch.zeros(count, self.span, dtype=torch.int64)
        inputs_BT[:, :SYMBOLS] = symbols_BS
        inputs_BT[:, -SYMBOLS - 1] = DELIMITER
        targets_BT = torch.zeros_like(inputs_BT)
        targets_BT[:, -SYMBOLS:] = symbols_BS
        return Batch(inputs_BT, targets_BT)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, T, C] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`ce` over all steps, `accuracy` over the symbols to be recalled."""
        total = functional.cross_entropy(output.flatten(0, 1), batch.targets.flatten(), reduction="sum")
        recalled_BT = batch.targets.masked_fill(batch.targets == 0, UNSCORED)
        return {"ce": Tally(total.double(), batch.targets.numel()), "accuracy": accuracy(output, recalled_BT)}

    def floors(self, seed: int) -> Mapping[str, float]:
        """Without memory: how often each symbol is due at each step, learnt from training sequences."""
        train = next(self.batches("train", self.eval_sequences, seed))
        shares = functional.one_hot(train.targets, self.signature.outputs).double().mean(0)
        answer = shares.clamp(min=1e-9).log().float()
        return {"memoryless": score(self, lambda batch: answer.expand(len(batch.inputs), -1, -1), seed=seed)}

    def oracle(self, batch: Batch) -> Tensor:
        """What was read T + 10 steps ago."""
        late_BT = batch.inputs.roll(self.length + SYMBOLS, 1)
        return 20.0 * functional.one_hot(late_BT.masked_fill(late_BT == DELIMITER, 0), KINDS + 1)

    def example(self) -> str:
        """A short one: . is a blank, | the delimiter."""
        batch = Copying(length=4).draw(1, torch.Generator().manual_seed(0))
        read, due = ("".join(".12345678|"[s] for s in row[0].tolist()) for row in (batch.inputs, batch.targets))
        return f"{read} ->\n{due}"
