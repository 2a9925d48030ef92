"""What the kernels of 1997 work on: weights and sequences as arrays. All is float64.

Sizes: B sequences, T steps, F features or V tokens read, C outputs, H cells, U units (cells, then input gates, then
output gates). A unit sees N = F + U + 1 numbers: features, what all units said a step before, and 1; an output sees
M = H + F + 1: what the cells say, features, and 1. A row of weights is what goes out from one number, to all units or
outputs; U* and C* are U and C rounded up to whole vectors, and all behind U and C is 0. A block has S cells.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray
from torch import Tensor

from lstm_bench.cells.vectors import BYTES

LANES = BYTES // 8  # numbers of a vector

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Net(NamedTuple):
    """A network's weights, and which of those there are: the others are 0 and stay so.

    Attributes:
        seen: [N, U*], by what units see.
        read: [V, U*], by the tokens that they read; [0, U*] where there are none.
        head: [M, C*], by what outputs see.
        skip: [V, C*], by the tokens that they read; [0, C*] where they read none.
        there: [N, U*] of 0 and 1, of `seen`.
        head_there: [M, C*], of `head`.
        gate: [H], the input gate of each cell.
        gated: from each input gate to the output gate of its block; 0 where there is none.
        logistic: whether outputs are squashed, as units are.
    """

    seen: Floats
    read: Floats
    head: Floats
    skip: Floats
    there: Floats
    head_there: Floats
    gate: Whole
    gated: int
    logistic: bool


class Data(NamedTuple):
    """Sequences, as features or as tokens; the other is of size 0.

    Attributes:
        features: [B, T, F].
        tokens: [B, T].
        lengths: [B].
        every_step: whether there is an output at each step, or one at the last.
    """

    features: Floats
    tokens: Whole
    lengths: Whole
    every_step: bool


class Bounds(NamedTuple):
    """When the latest sequences meet the criterion: see `Criterion` of the tasks."""

    error: float
    allowed: int
    mean: float


def rows_of(count: int, width: int) -> Floats:
    """Zeros, [count, width rounded up to whole vectors]."""
    return np.zeros((count, -(-width // LANES) * LANES))


def data_of(inputs: Tensor, lengths: Tensor | None, *, every_step: bool) -> Data:
    """Sequences, [B, T] tokens or [B, T, F] features, as the kernels see them."""
    count, steps = inputs.shape[:2]
    lengths_B = np.full(count, steps) if lengths is None else lengths.numpy()
    if inputs.is_floating_point():
        return Data(inputs.double().contiguous().numpy(), np.zeros((0, 0), np.int64), lengths_B, every_step)
    return Data(np.zeros((0, 0, 0)), inputs.contiguous().numpy(), lengths_B, every_step)


MATRIX = float64[:, ::1]
record: Any = types.NamedTuple  # numba tells no types of it
NET = record([MATRIX] * 6 + [int64[::1], int64, boolean], Net)
DATA = record([float64[:, :, ::1], int64[:, ::1], int64[::1], boolean], Data)
BOUNDS = record([float64, int64, float64], Bounds)
