"""A text as a stream of symbols: split in one piece each, read by many readers side by side."""

import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lstm_bench.task import UNSCORED, Batch, Split

SHARES: dict[Split, tuple[float, float]] = {"train": (0.0, 0.9), "valid": (0.9, 0.95), "test": (0.95, 1.0)}


@dataclass(frozen=True, eq=False)
class Text:
    """Symbols 0 to vocab - 1, in reading order."""

    symbols: npt.NDArray[np.uint8]
    vocab: int

    @classmethod
    def of(cls, text: str) -> "Text":
        """The characters of a text, numbered by code point."""
        points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
        alphabet, symbols = np.unique(points, return_inverse=True)
        if len(alphabet) > 256:
            raise ValueError(f"{len(alphabet)} distinct characters: at most 256 fit a symbol's byte")
        return cls(symbols.astype(np.uint8), len(alphabet))

    def part(self, split: Split) -> npt.NDArray[np.uint8]:
        """One split: contiguous, since a random one would leak (books of one text repeat each other)."""
        low, high = (round(len(self.symbols) * share) for share in SHARES[split])
        return self.symbols[low:high]

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


@functools.lru_cache(maxsize=8)
def readers(text: Text, split: Split, count: int) -> tuple[Tensor, Tensor]:
    """The stretch of each reader, [count, S] inputs and targets, int16 (cast to int64 a window at a time)."""
    symbols = text.part(split).astype(np.int16)
    steps = -(-(len(symbols) - 1) // count)
    padding = count * steps - (len(symbols) - 1)
    inputs = np.pad(symbols[:-1], (0, padding))
    targets = np.pad(symbols[1:], (0, padding), constant_values=UNSCORED)
    return torch.from_numpy(inputs.reshape(count, steps)), torch.from_numpy(targets.reshape(count, steps))
