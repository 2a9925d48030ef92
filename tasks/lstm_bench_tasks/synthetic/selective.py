"""Selective copying: remember the symbols, wherever they come, and forget the blanks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Classifies, Drawn
from lstm_bench.task import UNSCORED, Batch, Goal, Signature

KINDS = 8  # numbered from 1; 0 is the blank
DUE = KINDS + 1  # asks for a symbol


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectiveCopy(Drawn, Classifies):
    """Symbols scattered among blanks, then recalled in order: `.3..1.7. |||` -> 3 1 7.

    The places are drawn at random, all sets of them equally likely, so that counting steps does not help. After
    `length` steps come as many steps as there are symbols, each of which asks for the next one. Score: accuracy of
    what is recalled, of 8 kinds; guessing scores 1/8. (Gu and Dao 2023 have 16 symbols in 4,096 steps.)

    Attributes:
        symbols: to be remembered.
        length: steps over which they are scattered.
    """

    symbols: Annotated[int, Field(ge=1, le=64)] = 4
    length: Annotated[int, Field(ge=1, le=4096)] = 20

    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=1 / KINDS, ceiling=1.0, target=0.99)
    signature: ClassVar[Signature] = Signature(vocab=KINDS + 2, outputs=KINDS, every_step=True)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 2000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.hidden": 64,
        "model.embedding": 0,
        "model.forget_bias": 3.0,
    }

    def __post_init__(self) -> None:
        if self.symbols > self.length:
            raise ValueError(f"symbols = {self.symbols}: expected at most length = {self.length}, one a step")

    @property
    def span(self) -> int:
        """The steps to read and those to answer."""
        return self.length + self.symbols

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, length + symbols] tokens; targets, the symbols' kinds from 0, at the last steps."""
        symbols_BS = torch.randint(KINDS, (count, self.symbols), generator=random)
        inputs_BT = torch.zeros(count, self.span, dtype=torch.int64)
        inputs_BT[:, self.length :] = DUE
        inputs_BT[:, : self.length][places(count, self.symbols, self.length, random)] = 1 + symbols_BS.flatten()
        targets_BT = torch.full_like(inputs_BT, UNSCORED)
        targets_BT[:, self.length :] = symbols_BS
        return Batch(inputs_BT, targets_BT)

    def oracle(self, batch: Batch) -> Tensor:
        """The symbols in order, once the blanks are put last."""
        read_BT = batch.inputs[:, : self.length]
        order_BT = (read_BT == 0).long().argsort(dim=1, stable=True)[:, : self.symbols]
        answer_BTC = torch.zeros(*batch.inputs.shape, KINDS, device=batch.inputs.device)
        answer_BTC[:, self.length :] = 20.0 * functional.one_hot(read_BT.gather(1, order_BT) - 1, KINDS)
        return answer_BTC

    def example(self) -> str:
        """A short one: . is a blank, | asks for a symbol."""
        batch = SelectiveCopy(symbols=3, length=8).draw(1, torch.Generator().manual_seed(0))
        read = "".join(".12345678|"[symbol] for symbol in batch.inputs[0].tolist())
        return f"{read} -> {' '.join(str(1 + kind) for kind in batch.targets[0, -3:].tolist())}"


def places(count: int, some: int, of: int, random: torch.Generator) -> Tensor:
    """For each row some places of all, [count, of] bool; every set is equally likely (Floyd's method)."""
    taken_BT = torch.zeros(count, of, dtype=torch.bool)
    for last in range(of - some, of):
        place_B = torch.randint(0, last + 1, (count, 1), generator=random)
        taken_BT.scatter_(1, place_B.where(~taken_BT.gather(1, place_B), last), True)  # noqa: FBT003  # the value
    return taken_BT
