"""Languages that want counting: a^n b^n and a^n b^n c^n."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, cast

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Drawn
from lstm_bench.losses import accuracy, cross_entropy
from lstm_bench.task import UNSCORED, Batch, Goal, Signature, Tally

NAMES = "#abc"  # what symbols stand for; the first begins and ends a string
DEFAULTS: Mapping[str, float | str] = {
    "train.steps": 2000,
    "train.lr": 1e-2,
    "train.schedule": "cosine",
    "train.eval_every": 100,
    "model.hidden": 16,
    "model.embedding": 0,
}


class Counts(Drawn):
    """The next symbol of strings in which each of some letters comes n times, scored where it is determined.

    Attributes:
        letters: of the alphabet.
        least: an option: the smallest n.
        most: an option: the largest n.
    """

    __slots__ = ()

    letters: ClassVar[int]
    longest: ClassVar[str] = "most"
    next_symbol: ClassVar[bool] = True
    # always saying the same letter may be right at many steps, but no string of two scored symbols is right whole
    goal: ClassVar[Goal] = Goal(metric="strings", maximize=True, chance=0.0, ceiling=1.0, target=1.0, ends_run=True)
    least: int
    most: int

    def __post_init__(self) -> None:
        if self.least > self.most:
            raise ValueError(f"least = {self.least}: expected at most most = {self.most}")

    @property
    def signature(self) -> Signature:
        """The letters and `#`, in and out, at each step."""
        return Signature(vocab=self.letters + 1, outputs=self.letters + 1, every_step=True)

    @property
    def span(self) -> int:
        """Steps of the longest string."""
        return self.letters * self.most + 1

    def _longer(self, factor: int) -> Any:
        return replace(cast(Any, self), least=factor // 2 * self.most + 1, most=factor * self.most)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T] tokens, targets the next symbols from the second letter's first on, `UNSCORED` elsewhere."""
        n_B = torch.randint(self.least, self.most + 1, (count, 1), generator=random)
        last_B = self.letters * n_B  # the step of the last letter; `#` is at 0
        steps = torch.arange(int(last_B.max()) + 1)
        next_BT = steps // n_B + 1
        targets_BT = next_BT.where(steps < last_B, 0).where((steps > n_B) & (steps <= last_B), UNSCORED)
        inputs_BT = functional.pad(next_BT[:, :-1], (1, 0)).masked_fill_(steps > last_B, 0)
        return Batch(inputs_BT, targets_BT, last_B[:, 0] + 1)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, T, C] logits where the next symbol is determined."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`strings`, the share of those that have every determined step right, and `accuracy` over these steps."""
        wrong_BT = (output.argmax(-1) != batch.targets) & (batch.targets != UNSCORED)
        right = Tally((~wrong_BT.any(1)).sum(), len(wrong_BT))
        return {"strings": right, "accuracy": accuracy(output, batch.targets)}

    def oracle(self, batch: Batch) -> Tensor:
        """The same letter again while there were fewer of it than of a, else the one after it, at last `#`."""
        seen_BTC = functional.one_hot(batch.inputs, self.letters + 1).cumsum(1)
        seen_BT = seen_BTC.gather(2, batch.inputs[..., None])[..., 0]
        next_BT = batch.inputs + (seen_BT >= seen_BTC[..., 1])
        return 20.0 * functional.one_hot(next_BT % (self.letters + 1), self.letters + 1)

    def example(self) -> str:
        """The string of n = 3, and what is due at each step; . is not scored."""
        batch = replace(cast(Any, self), least=3, most=3).draw(1, torch.Generator().manual_seed(0))
        read = "".join(NAMES[symbol] for symbol in batch.inputs[0].tolist())
        due = "".join("." if symbol == UNSCORED else NAMES[symbol] for symbol in batch.targets[0].tolist())
        return f"{read} ->\n{due}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnBn(Counts):
    """The next symbol of a^n b^n, where it is determined: after `#aaab` come b, b and the end, `#`.

    After Gers and Schmidhuber 2001. `#` begins and ends a string; n is drawn from `least` to `most`, each equally
    often. A step is scored from the first b on, since before it another a may always follow. Score: `strings`, the
    share of strings in which all these steps are right; saying the commonest symbol, or the one that commonly follows
    the last, scores 0. There are as many strings as values of n, so test holds strings of train; the longer versions
    hold new ones alone: 2x those of n from most + 1 to 2 most, 4x those from 2 most + 1 to 4 most.

    Attributes:
        most: the largest n.
        least: the smallest n.
    """

    most: Annotated[int, Field(ge=1, le=1000)] = 10
    least: Annotated[int, Field(ge=1, le=1000)] = 1

    letters: ClassVar[int] = 2
    defaults: ClassVar[Mapping[str, float | str]] = DEFAULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class AnBnCn(Counts):
    """The next symbol of a^n b^n c^n, where it is determined: after `#aab` come b, c, c and the end, `#`.

    No pushdown automaton can: two counts at least must be kept. All else is as in `anbn`.

    Attributes:
        most: the largest n.
        least: the smallest n.
    """

    most: Annotated[int, Field(ge=1, le=1000)] = 10
    least: Annotated[int, Field(ge=1, le=1000)] = 1

    letters: ClassVar[int] = 3
    defaults: ClassVar[Mapping[str, float | str]] = DEFAULTS
