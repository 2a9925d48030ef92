"""Losses and tallies that tasks share."""

import math

import torch
from torch import Tensor
from torch.nn import functional

from lstm_bench.task import UNSCORED, Tally


def cross_entropy(output: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy in nats over the scored targets.

    Args:
        output: [..., C] logits.
        targets: [...] int64 classes; `UNSCORED` ones are left out.
    """
    return functional.cross_entropy(output.flatten(0, -2), targets.flatten(), ignore_index=UNSCORED)


def mean_squared_error(output: Tensor, targets: Tensor) -> Tensor:
    """Mean squared error over all values; both [B, C]."""
    return functional.mse_loss(output, targets)


def accuracy(output: Tensor, targets: Tensor) -> Tally:
    """How many scored targets, [...] int64, are the most active of the outputs, [..., C]."""
    hits = output.argmax(-1) == targets  # no output is numbered UNSCORED
    return Tally(hits.sum(), (targets != UNSCORED).sum())


def bits(output: Tensor, targets: Tensor) -> Tally:
    """Cross-entropy in bits of the scored targets, [...] int64, under the logits, [..., C]."""
    total = functional.cross_entropy(output.flatten(0, -2), targets.flatten(), ignore_index=UNSCORED, reduction="sum")
    return Tally(total.double() / math.log(2), (targets != UNSCORED).sum())


def perplexity(output: Tensor, targets: Tensor) -> Tally:
    """The exponential of the mean cross-entropy of the scored targets, [...] int64, under the logits, [..., C]."""
    total = functional.cross_entropy(output.flatten(0, -2), targets.flatten(), ignore_index=UNSCORED, reduction="sum")
    return Tally(total.double(), (targets != UNSCORED).sum(), _exponential)


def _exponential(mean: Tensor) -> float:
    return float(mean.exp())


def squared_error(output: Tensor, targets: Tensor) -> Tally:
    """Squared errors of all values; both [B, C]."""
    return Tally(torch.sum((output - targets).double() ** 2), targets.numel())
