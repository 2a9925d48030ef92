"""Associative recall: what was the value of this key?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Classifies, Drawn, score
from lstm_bench.families.synthetic import FACTORS
from lstm_bench.task import UNSCORED, Batch, Goal, Signature, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Mqar(Drawn, Classifies):
    """Pairs of a key and a value, then each key once more: `C 2 A 7 | A C` -> 7 2.

    Multi-query associative recall (Arora et al. 2023), its queries all at the end. A sequence's keys are distinct, its
    values may repeat; the keys are asked for in random order, and the value is due as its key is read again. Score:
    accuracy over the queries; guessing scores 1 / values. Naming the value that was shown most often, which needs no
    keys, scores more and is a floor of its own. How many pairs can be recalled says how much a state of fixed size
    holds. The longer versions have 2 and 4 times as many pairs, where there are as many keys.

    Attributes:
        pairs: in a sequence.
        keys: there are.
        values: there are.
    """

    pairs: Annotated[int, Field(ge=1, le=256)] = 4
    keys: Annotated[int, Field(ge=1, le=1024)] = 16
    values: Annotated[int, Field(ge=2, le=1024)] = 8

    longest: ClassVar[str] = "pairs"
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 3000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.hidden": 64,
        "model.embedding": 0,
    }

    def __post_init__(self) -> None:
        if self.pairs > self.keys:
            raise ValueError(f"pairs = {self.pairs}: expected at most keys = {self.keys}, which are distinct")

    @property
    def goal(self) -> Goal:
        """Chance is a guess among the values."""
        return Goal(metric="accuracy", maximize=True, chance=1 / self.values, ceiling=1.0, target=0.99)

    @property
    def signature(self) -> Signature:
        """Keys, then values, in; a value out at each step."""
        return Signature(vocab=self.keys + self.values, outputs=self.values, every_step=True)

    @property
    def span(self) -> int:
        """A key and its value, and the key again."""
        return 3 * self.pairs

    @property
    def longer(self) -> Mapping[str, Task]:
        """The same keys and values in more pairs, as long as there are keys for them."""
        factors = [factor for factor in FACTORS if factor * self.pairs <= self.keys]
        return {f"{factor}x": replace(self, pairs=factor * self.pairs) for factor in factors}

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, 3 S] tokens, S pairs: key, value, key, value, ..., then keys; targets at these last."""
        keys_BS = shuffled(count, self.keys, random)[:, : self.pairs]
        values_BS = torch.randint(0, self.values, (count, self.pairs), generator=random)
        asked_BS = shuffled(count, self.pairs, random)
        shown_BT = torch.stack([keys_BS, self.keys + values_BS], dim=2).flatten(1)
        due_BS = values_BS.gather(1, asked_BS)
        return Batch(
            torch.cat([shown_BT, keys_BS.gather(1, asked_BS)], dim=1),
            torch.cat([torch.full_like(shown_BT, UNSCORED), due_BS], dim=1),
        )

    def floors(self, seed: int) -> Mapping[str, float]:
        """The best constant, and the value that the sequence shows most often."""
        return {**Drawn.floors(self, seed), "commonest shown": score(self, self._commonest, seed=seed)}

    def _commonest(self, batch: Batch) -> Tensor:
        shown_BS = batch.inputs[:, 1 : 2 * self.pairs : 2] - self.keys
        return functional.one_hot(shown_BS, self.values).sum(1, keepdim=True).expand(-1, self.span, -1)

    def oracle(self, batch: Batch) -> Tensor:
        """The value behind the key that is the same."""
        shown_BT, asked_BS = batch.inputs.split([2 * self.pairs, self.pairs], dim=1)
        keys_BS, values_BS = shown_BT[:, ::2], shown_BT[:, 1::2] - self.keys
        same = (asked_BS[:, :, None] == keys_BS[:, None]).float()
        due_BTC = same @ functional.one_hot(values_BS, self.values).float()
        return 20.0 * functional.pad(due_BTC, (0, 0, 2 * self.pairs, 0))

    def example(self) -> str:
        """A short one: keys are letters, values digits."""
        task = Mqar(pairs=3, keys=8, values=8)
        batch = task.draw(1, torch.Generator().manual_seed(0))
        names = ["ABCDEFGH01234567"[token] for token in batch.inputs[0].tolist()]
        due = " ".join(str(value) for value in batch.targets[0, 6:].tolist())
        return f"{' '.join(names[:6])} | {' '.join(names[6:])} -> {due}"


def shuffled(count: int, of: int, random: torch.Generator) -> Tensor:
    """The numbers below `of` in a random order, for each row: [count, of] int64."""
    return torch.rand(count, of, generator=random).argsort(dim=1, stable=True)
