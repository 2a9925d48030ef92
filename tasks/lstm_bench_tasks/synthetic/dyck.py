"""Dyck languages: brackets of several kinds, each closed in turn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Classifies, Drawn, score
from lstm_bench.task import UNSCORED, Batch, Goal, Signature

PAIRS = "()[]{}<>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dyck(Drawn, Classifies):
    """Which kind of bracket closes next: after `([]` it is `)`.

    A string is balanced and at most `depth` deep. From left to right a bracket opens or closes by the toss of a coin;
    where nothing is open it opens, and it closes where `depth` are open or the rest is just long enough to close all.
    Each opening bracket is of any kind, equally likely. A step is scored where the next bracket is a closing one, and
    what is told is its kind (closing-bracket prediction, as in Hewitt et al. 2020). Guessing scores 1 / kinds; naming
    the kind of the bracket just read, which needs no stack, scores more and is a floor of its own.

    Attributes:
        length: brackets in a string, an even number.
        kinds: of brackets.
        depth: brackets that are open at once, at most.
    """

    length: Annotated[int, Field(ge=2, le=4096, multiple_of=2)] = 40
    kinds: Annotated[int, Field(ge=2, le=16)] = 4
    depth: Annotated[int, Field(ge=1, le=64)] = 8

    next_symbol: ClassVar[bool] = True
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 2000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.hidden": 64,
        "model.embedding": 0,
    }

    @property
    def goal(self) -> Goal:
        """Chance is a guess among the kinds."""
        return Goal(metric="accuracy", maximize=True, chance=1 / self.kinds, ceiling=1.0, target=0.99)

    @property
    def signature(self) -> Signature:
        """Opening brackets, then closing ones; a kind at each step."""
        return Signature(vocab=2 * self.kinds, outputs=self.kinds, every_step=True)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, length - 1], all brackets but the last; targets the kinds of the next ones, if they close."""
        heights_BS = walk(count, self.length, self.depth, random)
        closes_BT = heights_BS[:, 1:] < heights_BS[:, :-1]
        # Within a level opening and closing brackets alternate: sorted by level, each stands before its partner.
        level_BT = torch.maximum(heights_BS[:, 1:], heights_BS[:, :-1])
        order_BT = level_BT.argsort(dim=1, stable=True)
        paired_BS = torch.randint(0, self.kinds, (count, self.length // 2), generator=random)
        kinds_BT = torch.empty_like(order_BT).scatter_(1, order_BT, paired_BS.repeat_interleave(2, dim=1))
        targets_BT = kinds_BT.where(closes_BT, UNSCORED)[:, 1:]
        return Batch((kinds_BT + self.kinds * closes_BT)[:, :-1], targets_BT)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The best constant, and the kind of the bracket just read."""
        last = score(self, lambda batch: functional.one_hot(batch.inputs % self.kinds, self.kinds).float(), seed=seed)
        return {**Drawn.floors(self, seed), "bracket just read": last}

    def oracle(self, batch: Batch) -> Tensor:
        """What lies on the top of a stack."""
        tops = []
        for row in batch.inputs.tolist():
            stack: list[int] = []
            for bracket in row:
                if bracket < self.kinds:
                    stack.append(bracket)
                else:
                    stack.pop()
                tops.append(stack[-1] if stack else 0)
        tops_BT = torch.tensor(tops, device=batch.inputs.device).reshape(batch.inputs.shape)
        return 20.0 * functional.one_hot(tops_BT, self.kinds)

    def example(self) -> str:
        """A short one, and what is due at each step; . is not scored."""
        batch = Dyck(length=14, kinds=4, depth=4).draw(1, torch.Generator().manual_seed(0))
        opening, closing = PAIRS[::2], PAIRS[1::2]
        read = "".join((opening + closing)[bracket] for bracket in batch.inputs[0].tolist())
        due = "".join("." if kind == UNSCORED else closing[kind] for kind in batch.targets[0].tolist())
        return f"{read} ->\n{due}"


def walk(count: int, length: int, depth: int, random: torch.Generator) -> Tensor:
    """How many brackets are open before each step and after the last, [count, length + 1] int8."""
    coins = torch.randint(0, 2, (length, count), generator=random, dtype=torch.int8).mul_(2).sub_(1)
    heights = [torch.zeros(count, dtype=torch.int8)]
    for step, up_B in enumerate(coins, start=1):
        before_B = heights[-1]
        after_B = (before_B + up_B).abs_()  # nothing is open: the one that would close opens
        heights.append(after_B.where(after_B <= min(depth, length - step), before_B - 1))
    return torch.stack(heights, dim=1)
