"""Measured series as tensors: padded where lengths differ, on one scale, and some steps taken together as one."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lstm_bench.families.classification import Sequences
from lstm_bench.task import Split


def padded(series: Sequence[NDArray[np.float32]], labels: Sequence[int]) -> Sequences:
    """Series side by side, with zeros behind the shorter ones.

    Args:
        series: each [T, F], with as many channels as the others.
        labels: the class of each.
    """
    steps = [len(one) for one in series]
    inputs = np.zeros((len(series), max(steps), series[0].shape[1]), np.float32)
    for row, one in zip(inputs, series, strict=True):
        row[: len(one)] = one
    lengths = torch.tensor(steps) if min(steps) < max(steps) else None
    return Sequences(torch.from_numpy(inputs), torch.tensor(labels, dtype=torch.int64), lengths)


def standardised(parts: Mapping[Split, Sequences]) -> dict[Split, Sequences]:
    """Each channel with mean 0 and standard deviation 1 over the valid steps of train; padding stays zero.

    What valid and test are like is not looked at. A channel that never changes is moved alone.
    """
    train = parts["train"]
    mask = train.mask[..., None]
    count = mask.sum((0, 1))
    mean_F = (train.inputs.double() * mask).sum((0, 1)) / count
    spread_F = ((((train.inputs - mean_F) * mask) ** 2).sum((0, 1)) / count).sqrt()
    scale_F = torch.where(spread_F > 0, spread_F, 1.0)
    return {split: moved(part, mean_F, scale_F) for split, part in parts.items()}


def moved(part: Sequences, mean_F: Tensor, scale_F: Tensor) -> Sequences:
    """The same with a mean taken off each channel and a scale divided out."""
    values = ((part.inputs - mean_F) / scale_F).float()
    return replace(part, inputs=values * part.mask[..., None])


def patched(part: Sequences, size: int) -> Sequences:
    """Every `size` steps as one step of `size` times as many channels, [N, ceil(T / size), size F].

    The last patch of a sequence is filled up with zeros. Long series become learnable so: 1,344 steps in patches of 16
    are 84.
    """
    count, steps, channels = part.inputs.shape
    filled = functional.pad(part.inputs, (0, 0, 0, -steps % size))
    lengths = None if part.lengths is None else (part.lengths + size - 1) // size
    return replace(part, inputs=filled.reshape(count, -1, size * channels), lengths=lengths)
