"""A text as a stream of symbols: each split in one piece, read by many readers side by side."""

import functools
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.families.ngram import witten_bell_bits
from lstm_bench.task import UNSCORED, Batch, Family, Signature, Split, Task, told

SHARES: dict[Split, tuple[float, float]] = {"train": (0.0, 0.9), "valid": (0.9, 0.95), "test": (0.95, 1.0)}
UNKNOWN = "<unk>"  # a word that train does not have, or has but once
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+|[^\w\s]|_")
Symbols = npt.NDArray[np.unsignedinteger]


@dataclass(frozen=True, eq=False)
class Text:
    """Symbols 0 to vocab - 1, in reading order, for each split.

    Attributes:
        parts: the symbols of each split.
        alphabet: what each symbol stands for.
        between: what stands between two of them on paper.
    """

    parts: Mapping[Split, Symbols]
    alphabet: Sequence[str]
    between: str = ""

    @classmethod
    def characters(cls, text: str | Mapping[Split, str]) -> "Text":
        """The characters of a text, numbered by code point.

        Args:
            text: its splits, or the whole: cut in three contiguous pieces, since a random split would leak (books of
                one text repeat each other).
        """
        parts = cut(text) if isinstance(text, str) else text
        points = {split: np.frombuffer(part.encode("utf-32-le"), dtype=np.uint32) for split, part in parts.items()}
        alphabet, symbols = np.unique(np.concatenate(list(points.values())), return_inverse=True)
        ends = np.cumsum([len(part) for part in points.values()])[:-1]
        pieces = np.split(symbols.astype(np.min_scalar_type(len(alphabet))), ends)
        return cls(dict(zip(points, pieces, strict=True)), [chr(point) for point in alphabet])

    @classmethod
    def words(cls, text: str | Mapping[Split, str], most: int) -> "Text":
        """The words of a text in lower case and its signs, each a symbol; the commonest has the lowest number.

        Args:
            text: as `characters` takes it.
            most: symbols, at most. Words that train alone does not hold twice are all `<unk>`, which is scored too.
        """
        parts = cut(text) if isinstance(text, str) else text
        found = {split: WORD.findall(part.lower()) for split, part in parts.items()}
        counts = Counter(found["train"])
        known = [word for word, count in counts.most_common(most - 1) if count > 1 and word != UNKNOWN]
        alphabet = [UNKNOWN, *known]
        number = {word: k for k, word in enumerate(alphabet)}
        kind = np.min_scalar_type(len(alphabet))
        symbols = {split: np.array([number.get(w, 0) for w in part], dtype=kind) for split, part in found.items()}
        return cls(symbols, alphabet, " ")

    @property
    def vocab(self) -> int:
        """How many symbols there are."""
        return len(self.alphabet)

    def decoded(self, symbols: Sequence[int]) -> str:
        """What symbols stand for."""
        return self.between.join(self.alphabet[symbol] for symbol in symbols)

    def batches(self, split: Split, batch_size: int, window: int, start: int = 0) -> Iterator[Batch]:
        """Windows of `batch_size` readers, each reading its own stretch of the split, state carried along.

        Inputs [B, T] and targets [B, T], the next symbols. Each symbol but a split's first is a target once an
        epoch; where stretches are uneven, the ends are `UNSCORED`. Train begins again, without state, for ever.
        """
        inputs_BS, targets_BS = readers(self, split, batch_size)
        per_epoch = -(-inputs_BS.shape[1] // window)
        for k in range(start, sys.maxsize if split == "train" else per_epoch):
            at = k % per_epoch * window
            yield Batch(inputs_BS[:, at : at + window].long(), targets_BS[:, at : at + window].long(), carry=at > 0)


class Read:
    """The next symbol of a text. The text is in `text`; mixes with `NextSymbol`.

    A task may have a class variable `name`, which its errors call it by.

    Attributes:
        window: an option of the task: symbols from one update to the next (truncated backpropagation).
    """

    __slots__ = ()

    family: ClassVar[Family] = "language"
    window: int

    def text(self) -> Text:
        """The text; cached, since batches asks at each call."""
        raise NotImplementedError

    def prepare(self) -> str:
        """Read the text, and see that each split holds a window.

        Raises:
            UsageError: one does not.
        """
        text, digest = self.text(), hashlib.sha256()
        for split, part in text.parts.items():
            if len(part) <= self.window:
                name = told(self, "name", type(self).__name__)
                raise UsageError(
                    f"task '{name}': the {split} part has {len(part)} symbols, expected more than "
                    f"options.window = {self.window}: take a longer text or a shorter window"
                )
            digest.update(part.astype("<u4").tobytes())
        digest.update("\n".join(text.alphabet).encode())
        return digest.hexdigest()

    @property
    def signature(self) -> Signature:
        """As many outputs as symbols, one at each step."""
        text = self.text()
        train = len(text.parts["train"]) - 1
        return Signature(vocab=text.vocab, outputs=text.vocab, every_step=True, epoch_timesteps=train)

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002  # text has one order
        """Inputs and targets [B, window], carried."""
        return self.text().batches(split, batch_size, self.window, start)

    def floors(self, seed: int) -> Mapping[str, float]:  # noqa: ARG002  # counting has no seed
        """Symbol n-grams (Witten-Bell): unigram; with contexts of up to 2 and 5 characters, or up to 1 and 2 words."""
        text = self.text()
        words = cast(Task, self).goal.metric == "perplexity"
        orders = [order for order in ([0, 1, 2] if words else [0, 2, 5]) if text.vocab ** (order + 1) < 2**63]
        found = witten_bell_bits(text.parts["train"], text.parts["test"], text.vocab, orders)
        names = {order: f"n-gram 0-{order}" if order else "unigram" for order in orders}
        scores = {names[order]: 2**bits if words else bits for order, bits in found.items()}
        return dict(sorted(scores.items(), key=lambda named: -named[1]))  # weakest first: a trigram may be

    def example(self) -> str:
        """The beginning of the test part and what comes next."""
        text = self.text()
        shown = text.parts["test"][: 61 if not text.between else 13].tolist()
        return f"{text.decoded(shown[:-1])!r} -> {text.decoded(shown[-1:])!r}"


def cut(text: str) -> dict[Split, str]:
    """A text in three contiguous pieces, 90, 5 and 5 % of its characters."""
    return {split: text[round(len(text) * low) : round(len(text) * high)] for split, (low, high) in SHARES.items()}


@functools.lru_cache(maxsize=8)
def readers(text: Text, split: Split, count: int) -> tuple[Tensor, Tensor]:
    """The stretch of each reader, [count, S] inputs and targets, narrow integers (cast a window at a time)."""
    symbols = text.parts[split].astype(np.int16 if text.vocab < 2**15 else np.int32)
    steps = -(-(len(symbols) - 1) // count)
    padding = count * steps - (len(symbols) - 1)
    inputs = np.pad(symbols[:-1], (0, padding))
    targets = np.pad(symbols[1:], (0, padding), constant_values=UNSCORED)
    return torch.from_numpy(inputs.reshape(count, steps)), torch.from_numpy(targets.reshape(count, steps))
