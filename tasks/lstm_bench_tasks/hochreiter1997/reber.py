"""Experiment 1: the embedded Reber grammar."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from lstm_bench.losses import cross_entropy
from lstm_bench.task import UNSCORED, Batch, Signature, Split, Tally, Task, generator
from lstm_bench_tasks.hochreiter1997.criteria import Criterion, Judged, evaluated_by

ALPHABET = "BEPSTVX"
SPLITS: tuple[Split, ...] = ("train", "valid", "test")
STRINGS = 256  # in each split
AT_ONCE = 8192  # strings drawn together, of which those that are new are kept
LONGEST = 18  # symbols at least that may be asked for: 7 % of all strings have as many
BLOCK = 32  # training batches drawn together
END = 7
# Reber's automaton: from each state two equally likely branches, each a symbol and the next state.
BRANCHES = ("B1 B1", "T2 P3", "S2 X4", "T3 V5", "X3 S6", "P4 V6", "E7 E7", "E7 E7")
SYMBOL = torch.tensor([[ALPHABET.index(branch[0]) for branch in state.split()] for state in BRANCHES])
NEXT = torch.tensor([[int(branch[1]) for branch in state.split()] for state in BRANCHES])
# The same the other way: what may follow the last two symbols within a Reber string; two tell the state.
FOLLOWS = {"TP": "TB PB", "SX": "BT TS SS TX SX VP", "TV": "BP PT TT XT XX PX", "PV": "PV TV XV", "E": "VV XS PS"}


@dataclass(frozen=True, slots=True, kw_only=True)
class H97Reber(Judged):
    """The next symbol of an embedded Reber string: B, T or P, a whole Reber string, the same T or P again, E.

    All branches of the grammar have a chance of 1/2; where two symbols may follow, both are right. Train, valid and
    test are 256 strings each, all 768 distinct; training draws from its own at random. Criterion: in all 256 strings
    the legal symbols are the most active outputs at every step; the score is the number of strings where they are not,
    and a constant has 256 wrong. (The paper asks it of its training strings besides: `with_train`.) The loss is the
    cross-entropy of the symbol that did follow, in place of the squared error.

    Attributes:
        shortest: symbols that a string has at least: 9 is all strings, more leaves shorter ones out.
        with_train: whether valid and test have the training strings besides their own, as the paper's criterion.
    """

    shortest: Annotated[int, Field(ge=9, le=LONGEST)] = 9
    with_train: bool = False

    source: ClassVar[str] = "drawn from the grammar by seed; Hochreiter and Schmidhuber 1997, experiment 1"
    longest: ClassVar[str] = "shortest"
    next_symbol: ClassVar[bool] = True
    criterion: ClassVar[Criterion] = Criterion(error=0.5)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 4000,
        "train.batch_size": 16,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
        "train.eval_every": 50,
        "model.hidden": 64,
        "model.embedding": 0,
    }
    sequences: ClassVar[Mapping[str, float]] = {
        "LSTM 1997, 3 x 2, 276 weights, rate 0.5 (100 % of 30 trials)": 8_440,
        "LSTM 1997, 4 x 1, 264 weights, rate 0.5 (97 %)": 9_500,
        "LSTM 1997, 3 x 2, 276 weights, rate 0.2 (97 %)": 14_060,
        "LSTM 1997, 3 x 2, 276 weights, rate 0.1 (100 %)": 21_730,
        "LSTM 1997, 4 x 1, 264 weights, rate 0.1 (100 %)": 39_740,
    }

    @property
    def eval_sequences(self) -> int:  # type: ignore[override]  # the others draw as many as they like
        """256, or with the training strings twice as many."""
        return 2 * STRINGS if self.with_train else STRINGS

    @property
    def chance(self) -> float:
        """All of them wrong."""
        return self.eval_sequences

    @property
    def signature(self) -> Signature:
        """Seven symbols in and out, an output at each step."""
        steps = drawn(0, self.shortest)["train"].timesteps  # as many for every seed, nearly
        return Signature(vocab=len(ALPHABET), outputs=len(ALPHABET), every_step=True, epoch_timesteps=steps)

    @property
    def longer(self) -> Mapping[str, Task]:
        """Strings of at least twice as many symbols; of four times as many the grammar makes too few."""
        return {"2x": self._longer(2)} if 2 * self.shortest <= LONGEST else {}

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Inputs and targets [B, T], the next symbols, `UNSCORED` behind the end."""
        part = drawn(seed, self.shortest)[split]
        if split != "train":
            if self.with_train:
                part = framed([*strings_of(drawn(seed, self.shortest)["train"]), *strings_of(part)])
            for at in range(start * batch_size, self.eval_sequences, batch_size):
                yield part.take(slice(at, at + batch_size))
            return
        first = start % BLOCK
        for block in range(start // BLOCK, sys.maxsize):
            random = generator(seed, split, block)
            strings = part.take(torch.randint(0, STRINGS, (BLOCK * batch_size,), generator=random))
            for k in range(first, BLOCK):
                yield strings.take(slice(k * batch_size, (k + 1) * batch_size))
            first = 0

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """Strings as the grammar gives them, whatever their length; some are equal."""
        return walk(count, random)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, T, C] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`criterion`, `wrong` (the share of strings), and `illegal`, the share of steps that are wrong."""
        legal_BTC = legal(batch.inputs)
        lowest_BT = output.masked_fill(~legal_BTC, torch.inf).amin(-1)
        highest_BT = output.masked_fill(legal_BTC, -torch.inf).amax(-1)
        scored_BT = batch.targets != UNSCORED
        wrong_BT = ~(lowest_BT > highest_BT) & scored_BT
        error_B = wrong_BT.sum(1) / scored_BT.sum(1)
        found = evaluated_by(self.criterion, wrong_BT.any(1), error_B, self.eval_sequences)
        illegal = Tally(wrong_BT.sum(), scored_BT.sum())
        return {"criterion": found["criterion"], "wrong": found["wrong"], "illegal": illegal}

    def oracle(self, batch: Batch) -> Tensor:
        """1 for what may follow, 0 elsewhere."""
        return legal(batch.inputs).float()

    def example(self) -> str:
        """A string; each of its symbols is to be predicted from those before."""
        batch = next(self.batches("test", 1, seed=0))
        return "".join(ALPHABET[symbol] for symbol in [*batch.inputs[0].tolist(), int(batch.targets[0, -1])])


def legal(inputs_BT: Tensor) -> Tensor:
    """Which symbols may follow each prefix of embedded Reber strings, [B, T, 7] bool; anything behind their end."""
    legal_BTC = legal_within().to(inputs_BT.device)[inputs_BT.roll(1, 1), inputs_BT]
    legal_BTC[:, 0] = legal_BTC[:, 1] = False
    legal_BTC[:, 0, [ALPHABET.index("T"), ALPHABET.index("P")]] = True
    legal_BTC[:, 1, ALPHABET.index("B")] = True
    outer_BC = functional.one_hot(inputs_BT[:, 1], len(ALPHABET)).bool()
    return torch.where((inputs_BT == ALPHABET.index("E"))[..., None], outer_BC[:, None], legal_BTC)


@cache
def legal_within() -> Tensor:
    """What may follow two symbols, [7, 7, 7] bool by the one before the last, the last, and the next."""
    table = torch.zeros(len(ALPHABET), len(ALPHABET), len(ALPHABET), dtype=torch.bool)
    for following, contexts in FOLLOWS.items():
        for context in contexts.split():
            before, last = (ALPHABET.index(symbol) for symbol in context)
            table[before, last, [ALPHABET.index(s) for s in following]] = True
    table[ALPHABET.index("E"), :, ALPHABET.index("E")] = True  # the outer T or P has come again: the end
    return table


def walk(count: int, random: torch.Generator) -> Batch:
    """Strings of the embedded grammar: inputs all symbols but the last, targets all but the first."""
    state_B = torch.zeros(count, dtype=torch.int64)
    symbols, states = [], []
    while (state_B < END).any():
        branch_B = torch.randint(0, 2, (count,), generator=random)
        symbols.append(SYMBOL[state_B, branch_B])
        state_B = NEXT[state_B, branch_B]
        states.append(state_B)
    inner_B = (torch.stack(states, dim=1) < END).sum(1) + 1
    string_BT = torch.zeros(count, len(symbols) + 4, dtype=torch.int64)  # B is 0
    string_BT[:, 2:-2] = torch.stack(symbols, dim=1)
    every = torch.arange(count)
    outer = torch.tensor([ALPHABET.index("T"), ALPHABET.index("P")])
    outer_B = outer[torch.randint(0, 2, (count,), generator=random)]
    string_BT[:, 1] = string_BT[every, inner_B + 2] = outer_B
    string_BT[every, inner_B + 3] = ALPHABET.index("E")
    padded_BT = torch.arange(string_BT.shape[1]) > inner_B[:, None] + 3
    targets_BT = string_BT.masked_fill(padded_BT, UNSCORED)[:, 1:]
    inputs_BT = string_BT[:, :-1].masked_fill(targets_BT == UNSCORED, 0)
    return Batch(inputs_BT, targets_BT, inner_B + 3)


@lru_cache(maxsize=8)
def drawn(seed: int, shortest: int) -> dict[Split, Batch]:
    """The strings of a seed, each at its first drawing, dealt out to the splits in turn."""
    random = generator(seed, "strings", shortest)
    kept: dict[tuple[int, ...], None] = {}
    while len(kept) < len(SPLITS) * STRINGS:
        batch = walk(AT_ONCE, random)
        assert batch.lengths is not None
        long = batch.take(batch.lengths + 1 >= shortest)
        kept |= dict.fromkeys(strings_of(long))
    strings = list(kept)[: len(SPLITS) * STRINGS]
    return {split: framed(strings[at :: len(SPLITS)]) for at, split in enumerate(SPLITS)}


def strings_of(batch: Batch) -> list[tuple[int, ...]]:
    """Strings without their last E: what `framed` makes a batch of."""
    assert batch.lengths is not None
    return [tuple(row[:steps]) for row, steps in zip(batch.inputs.tolist(), batch.lengths.tolist(), strict=True)]


def framed(strings: list[tuple[int, ...]]) -> Batch:
    """Strings without their last E as a batch."""
    lengths = torch.tensor([len(string) for string in strings])
    steps = int(lengths.max())
    inputs = torch.tensor([[*string, *[0] * (steps - len(string))] for string in strings])
    targets = torch.full_like(inputs, UNSCORED)
    targets[:, :-1] = inputs[:, 1:]
    targets.masked_fill_(torch.arange(steps) >= lengths[:, None], UNSCORED)
    targets[torch.arange(len(strings)), lengths - 1] = ALPHABET.index("E")
    return Batch(inputs, targets, lengths)
