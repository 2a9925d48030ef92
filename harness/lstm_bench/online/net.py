"""What the kernels of 1997 work on: weights, sequences, and what units say and hold. All is float64.

Sizes: B sequences, T steps, F inputs, C outputs, H cells, U units (cells, then input gates, then output gates).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray

from lstm_bench.cells.kept import part

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Net(NamedTuple):
    """Weights, or what is to be added to them. Of what the net has not, an array of size 0.

    Attributes:
        read: [U, F], from the inputs.
        recurrent: [U, U], from all units a step before.
        bias: of the units that have one: the last of the [U].
        head: [C, H], or [C, H + F] where the outputs see the inputs too.
        head_bias: [C].
        cells: H.
        block_size: cells that share gates.
    """

    read: Floats
    recurrent: Floats
    bias: Floats
    head: Floats
    head_bias: Floats
    cells: int
    block_size: int


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


class Units(NamedTuple):
    """What units say and hold at a step: all say [U], and of the cells what they read, hold and show, [H]."""

    say: Floats
    read: Floats
    held: Floats
    shown: Floats


class Bounds(NamedTuple):
    """When the latest sequences meet the criterion: see `Criterion` of the tasks."""

    error: float
    allowed: int
    mean: float


MATRIX, ROW = float64[:, ::1], float64[::1]
record: Any = types.NamedTuple  # numba tells no types of it
NET = record([MATRIX, MATRIX, ROW, MATRIX, ROW, int64, int64], Net)
DATA = record([float64[:, :, ::1], int64[:, ::1], int64[::1], boolean], Data)
BOUNDS = record([float64, int64, float64], Bounds)


@part
def fresh(net: Net) -> Units:
    """Units before the first step."""
    return Units(np.zeros(len(net.read)), np.zeros(net.cells), np.zeros(net.cells), np.zeros(net.cells))


@part
def nothing(net: Net, rows: int) -> Net:
    """Sums for each weight of so many units, the head's among them, before there are any."""
    read, recurrent = np.zeros((rows, net.read.shape[1])), np.zeros((rows, net.recurrent.shape[1]))
    head, head_bias = np.zeros_like(net.head), np.zeros_like(net.head_bias)
    return Net(read, recurrent, np.zeros(rows), head, head_bias, net.cells, net.block_size)


@part
def clear(net: Net) -> None:
    """Begin the sums anew."""
    net.read[:], net.recurrent[:], net.bias[:], net.head[:], net.head_bias[:] = 0.0, 0.0, 0.0, 0.0, 0.0
