"""A source whose entropy is known: how many nats is a model above it?"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.families import Drawn, NextSymbol, score
from lstm_bench.families.ngram import witten_bell_table
from lstm_bench.task import UNSCORED, Batch, Family, Goal, Signature, Tally, generator

CHANCES = 1024  # all probabilities are multiples of its inverse, so that a draw is one whole number
MOST_CONTEXTS = 4096


class Chain(NamedTuple):
    """A table of transitions.

    Attributes:
        logs: [contexts, symbols] float64, log probability of each next symbol, none of them zero.
        after: [contexts * CHANCES] int32, CHANCES times the context that each chance leads to.
    """

    logs: Tensor
    after: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Markov(Drawn, NextSymbol):
    """The next symbol of a Markov chain: what follows depends on the last `order` symbols by a random table.

    Score: excess, nats above the entropy of the source; it is the mean over scored steps of the divergence
    KL(true chances of the next symbol || the model's), so that the truth scores exactly 0 however the symbols fall.
    The first `order` steps are not scored. All seeds share one table.

    Attributes:
        symbols: in the alphabet.
        order: symbols that the next one depends on.
        sharpness: 0: all successors equally likely; 1: chances uniform on the simplex; more: nearer to one successor.
        table: number of the table; another one is another source.
        length: steps in a sequence.
    """

    symbols: Annotated[int, Field(ge=2, le=64)] = 8
    order: Annotated[int, Field(ge=1, le=12)] = 2
    sharpness: Annotated[float, Field(ge=0, le=20)] = 2.0
    table: Annotated[int, Field(ge=0, lt=2**63)] = 0
    length: Annotated[int, Field(ge=2, le=4096)] = 100

    family: ClassVar[Family] = "language"
    goal: ClassVar[Goal] = Goal(metric="excess", maximize=False, unit="nats", ceiling=0.0)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 1000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.eval_every": 250,
        "model.embedding": 0,
    }

    def __post_init__(self) -> None:
        if self.symbols**self.order > MOST_CONTEXTS:
            raise ValueError(
                f"symbols = {self.symbols} with order = {self.order} make {self.symbols**self.order} contexts: "
                f"expected at most {MOST_CONTEXTS}, so fewer symbols or a lower order"
            )
        if self.length <= self.order:
            raise ValueError(
                f"length = {self.length}: expected more than order = {self.order}, to have a step to score"
            )

    @property
    def signature(self) -> Signature:
        """One answer a step."""
        return Signature(vocab=self.symbols, outputs=self.symbols, every_step=True)

    @property
    def chain(self) -> Chain:
        """The source."""
        return chain(self.symbols, self.order, self.sharpness, self.table)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Inputs [B, T], targets [B, T] the next symbols; the first `order` symbols are drawn uniformly."""
        begun_BT = torch.randint(0, self.symbols, (count, self.order), generator=random)
        steps = self.length + 1 - self.order
        chances = torch.randint(0, CHANCES, (steps, count), generator=random, dtype=torch.int32)
        after = self.chain.after
        at_B = contexts(begun_BT, self.symbols, self.order)[:, -1].int() * CHANCES
        visited = torch.empty_like(chances)
        for step in range(steps):
            at_B = after[at_B + chances[step]]
            visited[step] = at_B
        drawn_BT = torch.cat([begun_BT, visited.T // CHANCES % self.symbols], dim=1)
        targets_BT = drawn_BT[:, 1:].clone()
        targets_BT[:, : self.order] = UNSCORED
        return Batch(drawn_BT[:, :-1].contiguous(), targets_BT)

    def truth(self, batch: Batch) -> Tensor:
        """Log of the true chances of each next symbol, [B, T, C] float64; they hold from step `order` - 1 on."""
        logs = self.chain.logs.to(batch.inputs.device)
        return logs[contexts(batch.inputs, self.symbols, self.order)]

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`excess`, and the source's own `entropy` in nats, which no model changes: their sum is the cross-entropy."""
        scored_BT = batch.targets != UNSCORED
        true = self.truth(batch)[scored_BT].log_softmax(-1)  # as the model's, to cancel to the last bit
        guessed = output[scored_BT].double().log_softmax(-1)
        excess = functional.kl_div(guessed, true, log_target=True, reduction="sum")
        entropy = -(true.exp() * true).sum()
        return {"excess": Tally(excess, len(true)), "entropy": Tally(entropy, len(true))}

    def oracle(self, batch: Batch) -> Tensor:
        """The true chances."""
        return self.truth(batch)

    def floors(self, seed: int) -> Mapping[str, float]:
        """All symbols alike, and n-grams (Witten-Bell) of every lower order, counted in as much text as test has."""
        train = next(self.batches("train", self.eval_sequences, seed)).inputs.numpy()
        scores = {"uniform": score(self, lambda batch: torch.zeros(*batch.inputs.shape, self.symbols), seed=seed)}
        for order in range(self.order):
            logs = torch.from_numpy(witten_bell_table(train, self.symbols, order)).log()
            answer = functools.partial(looked_up, logs, order)
            scores[f"n-gram 0-{order}" if order else "unigram"] = score(self, answer, seed=seed)
        return dict(sorted(scores.items(), key=lambda named: -named[1]))

    def example(self) -> str:
        """The chances of what follows the beginning of a test sequence."""
        batch = self.draw(1, generator(0, "test", 0)).take(slice(1))
        shown = batch.inputs[0, : self.order].tolist()
        chances = self.truth(batch)[0, self.order - 1].exp().tolist()
        following = ", ".join(f"{symbol}: {chance:.2f}" for symbol, chance in enumerate(chances))
        return f"{' '.join(map(str, shown))} -> {following}"


def contexts(symbols_BT: Tensor, symbols: int, order: int) -> Tensor:
    """The number of the context that ends at each step, [B, T]; its last symbol is the lowest digit."""
    numbers_BT = symbols_BT.clone() if order else torch.zeros_like(symbols_BT)
    for back in range(1, order):
        numbers_BT[:, back:] += symbols_BT[:, :-back] * symbols**back
    return numbers_BT


def looked_up(logs: Tensor, order: int, batch: Batch) -> Tensor:
    """The answer of a table for contexts of another order, [B, T, C]."""
    return logs[contexts(batch.inputs, logs.shape[1], order)]


@functools.lru_cache(maxsize=8)
def chain(symbols: int, order: int, sharpness: float, table: int) -> Chain:
    """The chain of a table's number.

    Chances are exponential variates to the power of `sharpness`, normalised (at 1 that is uniform on the simplex), and
    then rounded to multiples of 1 / CHANCES, at least one each. Floats may differ in their last bit from platform to
    platform; after the rounding that shows only where a chance lies that near to the middle of two multiples.
    """
    uniform = torch.rand(symbols**order, symbols, generator=generator(table, "table", 0), dtype=torch.float64)
    weights = (-torch.log1p(-uniform)) ** sharpness
    shares = weights / weights.sum(1, keepdim=True) * (CHANCES - symbols)
    counts = shares.floor()
    spare = CHANCES - symbols - counts.sum(1, keepdim=True)
    rank = (counts - shares).argsort(dim=1, stable=True).argsort(dim=1)  # largest remainder first
    counts = (1 + counts + (rank < spare)).long()
    successors = torch.arange(symbols).repeat(symbols**order).repeat_interleave(counts.flatten())
    before = torch.arange(symbols**order).repeat_interleave(CHANCES)
    after = CHANCES * ((before * symbols + successors) % symbols**order)
    return Chain((counts.double() / CHANCES).log(), after.int())
