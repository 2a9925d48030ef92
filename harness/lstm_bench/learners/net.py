"""What the kernels of 1997 work on: weights, sequences, and room for what goes on, as arrays. All is float64.

Sizes: B sequences, T steps, F features or V tokens read, C outputs, H cells, U units (cells, then input gates, then
output gates). A unit sees N = U + F + 1 numbers: what all units said a step before, features, and 1; an output sees
M = H + F + 1: what the cells say, features, and 1. A row of weights is what goes out from one number, to all units or
outputs; U* and C* are U and C rounded up to whole vectors, H* is H to whole narrow ones, and all behind U and C is 0. A
block has S cells.
"""

from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numba import boolean, float64, int64, types
from numpy.typing import NDArray
from torch import Tensor

from lstm_bench.cells.vectors import BYTES, NARROW

LANES = BYTES // 8  # numbers of a vector
FEW = NARROW // 8  # of a narrow one, which cells are in: they are few, and a step waits for a division of them
ROWS = 4  # of what is remembered, whose sums are in registers at once: enough for none to wait for the one before
LATE = 64  # steps that are remembered at once: what is noted of them stays in a core's nearest memory

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]


class Weights(NamedTuple):
    """A number for each of a network's weights.

    Attributes:
        seen: [N, U*], by what units see.
        read: [V, U*], by the tokens that they read; [0, U*] where there are none.
        head: [M, C*], by what outputs see.
        skip: [V, C*], by the tokens that they read; [0, C*] where they read none.
    """

    seen: Floats
    read: Floats
    head: Floats
    skip: Floats


class Net(NamedTuple):
    """A network.

    Attributes:
        weights: what it has learnt.
        there: 1 for each weight that there is, else 0: these are 0 and stay so.
        gate: [H*], the input gate of each cell.
        layer: [H], which of its block's cells each is.
        gated: from each input gate to the output gate of its block; 0 where there is none.
        logistic: whether outputs are squashed, as units are.
    """

    weights: Weights
    there: Weights
    gate: Whole
    layer: Whole
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


class Now(NamedTuple):
    """Room for a step of a net.

    Attributes:
        given: [F + 1], what units and outputs are given: features, and 1.
        came: [U*], what comes to units.
        say: [U*], what units say; the cells, which are the first, what they show through their output gates.
        opened: [H*], what each cell's input gate says.
        drawn: [H*], what cells draw in.
        held: [H*], their states.
        shown: [H*], these squashed.
        base: [H*], that again, from the states alone: what the next step goes on from.
        out: [C*], what outputs say.
    """

    given: Floats
    came: Floats
    say: Floats
    opened: Floats
    drawn: Floats
    held: Floats
    shown: Floats
    base: Floats
    out: Floats


class Past(NamedTuple):
    """Room for what weights did to the cells' states in a sequence.

    A gate's weights do something to each cell of its block, so there are as many layers of units as a block has cells:
    the k-th says of gates what they do to the k-th cells, and the first one what cells do to themselves.

    Attributes:
        tokens: [L], which units read at each of the latest steps.
        saw: [L, N+], what they saw; N+ is N rounded up to whole `ROWS`, and behind N stands 0.
        opened: [L, H*], what each cell's input gate said.
        drawn: [L, H*], what cells drew in.
        ways: [L, S, U*], what all weights did there of which the unit sees a 1.
        did: [N+, S, U*], in all steps before these.
        did_read: [V, S, U*], likewise, of weights that read tokens.
    """

    tokens: Whole
    saw: Floats
    opened: Floats
    drawn: Floats
    ways: Floats
    did: Floats
    did_read: Floats


class Blame(NamedTuple):
    """Room for an answer's errors.

    Attributes:
        error: [C*], of what the outputs squash.
        states: [S, U*], as much of it as reaches each cell and its input gate, layered as in `Past`.
        gates: [U*], and the output gates.
        read: [V], 1 at the token that is read, else 0.
    """

    error: Floats
    states: Floats
    gates: Floats
    read: Floats


class Room(NamedTuple):
    """All that a net needs to answer and to learn."""

    now: Now
    past: Past
    blame: Blame


def whole(count: int, part: int) -> int:
    """Rounded up to whole parts."""
    return -(-count // part) * part


def zeros(*shapes: tuple[int, ...]) -> list[Floats]:
    """Zeros of these shapes that lie in one piece, each from where a vector begins.

    Where each was got by itself, how far they lie apart would be chance; and of two that lie whole pages apart a
    processor waits for the one when it reads the other.
    """
    sizes = [prod(shape) for shape in shapes]
    *starts, end = accumulate([whole(size, LANES) for size in sizes], initial=0)
    raw = np.zeros(end + LANES)
    raw = raw[-raw.ctypes.data % BYTES // raw.itemsize :]
    return [raw[at : at + size].reshape(shape) for at, size, shape in zip(starts, sizes, shapes, strict=True)]


def data_of(inputs: Tensor, lengths: Tensor | None, *, every_step: bool) -> Data:
    """Sequences, [B, T] tokens or [B, T, F] features, as the kernels see them."""
    count, steps = inputs.shape[:2]
    lengths_B = np.full(count, steps) if lengths is None else lengths.numpy()
    if inputs.is_floating_point():
        return Data(inputs.double().contiguous().numpy(), np.zeros((0, 0), np.int64), lengths_B, every_step)
    return Data(np.zeros((0, 0, 0)), inputs.contiguous().numpy(), lengths_B, every_step)


def room_of(net: Net) -> Room:
    """Room for a net to answer and to learn."""
    cells, layers, held = len(net.layer), int(net.layer[-1]) + 1, whole(len(net.layer), FEW)
    (sees, units), (hears, outputs), reads = net.weights.seen.shape, net.weights.head.shape, len(net.weights.read)
    sees = whole(sees, ROWS)
    now = [(hears - cells,), (units,), (units,), (held,), (held,), (held,), (held,), (held,), (outputs,)]
    notes = [(LATE, sees), (LATE, held), (LATE, held)]
    past = [*notes, (LATE, layers, units), (sees, layers, units), (reads, layers, units)]
    blame = [(outputs,), (layers, units), (units,), (reads,)]
    found = zeros(*now, *past, *blame)
    found[0][:] = 1.0  # behind features
    return Room(Now(*found[:9]), Past(np.zeros(LATE, np.int64), *found[9:15]), Blame(*found[15:]))


ROW, MATRIX, CUBE, COUNTS = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]
record: Any = types.NamedTuple  # numba tells no types of them
alike: Any = types.NamedUniTuple
WEIGHTS = alike(MATRIX, 4, Weights)
NET = record([WEIGHTS, WEIGHTS, COUNTS, COUNTS, int64, boolean], Net)
DATA = record([CUBE, int64[:, ::1], COUNTS, boolean], Data)
BOUNDS = record([float64, int64, float64], Bounds)
NOW = alike(ROW, 9, Now)
PAST = record([COUNTS, MATRIX, MATRIX, MATRIX, CUBE, CUBE, CUBE], Past)
BLAME = record([ROW, MATRIX, ROW, ROW], Blame)
