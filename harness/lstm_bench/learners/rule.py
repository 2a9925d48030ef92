"""The learning rule of 1997: what weights did to the cells' states, and how errors reach them.

Hochreiter and Schmidhuber 1997, appendix A.1. Errors reach a weight of a cell or of an input gate through the cell's
state alone, so what each such weight has done to the state is summed up beside it, step by step, and no sequence is
gone through backward.
"""

from lstm_bench.cells.kept import part
from lstm_bench.cells.vectors import added, filled, load, store
from lstm_bench.learners.net import LANES, Bounds, Floats, Whole


@part
def remember(
    gate: Whole, layer: Whole, sees: Floats, token: int, say: Floats, drawn: Floats,
    by: Floats, did: Floats, did_read: Floats,
) -> None:  # fmt: skip
    """Add what the weights of each cell, and for it those of its input gate, do to its state at a step.

    A gate's weights do something to each cell of its block, so there are as many layers of units as a block has cells:
    the k-th says of gates what they do to the k-th cells, and the first one what cells do to themselves.

    Args:
        gate: [H].
        layer: [H], of each cell.
        sees: [N], of the step, as is `token`.
        token: -1 where there is none.
        say: [U*], after the step, as is `drawn`.
        drawn: [H].
        by: [S, U*], what all weights do of which the unit sees a 1; changed.
        did: [N, S, U*]; changed.
        did_read: [V, S, U*], of weights that read tokens; changed.
    """
    for j in range(len(gate)):
        opened = say[gate[j]]
        by[0, j] = opened * (4.0 - drawn[j] * drawn[j]) / 4.0  # g' = (4 - g^2) / 4
        by[layer[j], gate[j]] = drawn[j] * opened * (1.0 - opened)
    for at in range(0, by.size, LANES):
        way = load(by, at)
        for n in range(len(sees)):
            here = n * by.size + at
            store(did, here, load(did, here) + sees[n] * way)
        if token >= 0:
            here = token * by.size + at
            store(did_read, here, load(did_read, here) + way)


@part
def blame(
    error: Floats, head: Floats, gate: Whole, layer: Whole, gated: int, say: Floats, shown: Floats,
    states: Floats, gates: Floats,
) -> None:  # fmt: skip
    """How much of the outputs' errors reaches the cells' states, and what their output gates squash.

    Args:
        error: [C*], of what the outputs squash.
        head: [M, C*].
        gate: [H].
        layer: [H].
        gated: see `Net`.
        say: [U*], as is `shown` of the step.
        shown: [H*].
        states: [S, U*], at each cell and at its input gate, layered as in `remember`; changed.
        gates: [U*], at the output gates; changed.
    """
    gates[:] = 0.0
    for j in range(len(gate)):
        total = filled(0.0)
        for at in range(0, len(error), LANES):
            total = total + load(error, at) * load(head, j * len(error) + at)
        reaches = added(total)
        if gated:
            opened = say[gate[j] + gated]
            gates[gate[j] + gated] += reaches * shown[j] * opened * (1.0 - opened)
            reaches *= opened
        reaches *= (1.0 - shown[j] * shown[j]) / 2.0  # h' = (1 - h^2) / 2
        states[0, j] = reaches
        states[layer[j], gate[j]] = reaches


@part
def move_units(
    weights: Floats, there: Floats, did: Floats, states: Floats, gates: Floats, sees: Floats, rate: float
) -> float:
    """Move the weights of units downhill, those that are there; the square of the way's length.

    Args:
        weights: [N, U*] or [V, U*]; changed.
        there: like them, of 0 and 1.
        did: [N, S, U*] or [V, S, U*], see `remember`.
        states: [S, U*], see `blame`.
        gates: [U*], likewise.
        sees: [N] or [V], of the step.
        rate: of learning.
    """
    across = len(gates)
    squares = filled(0.0)
    for at in range(0, across, LANES):
        for n in range(len(sees)):
            down = sees[n] * load(gates, at)
            for k in range(len(states)):
                down = down + load(states, k * across + at) * load(did, (n * len(states) + k) * across + at)
            way = down * load(there, n * across + at)
            squares = squares + way * way
            store(weights, n * across + at, load(weights, n * across + at) + rate * way)
    return added(squares)


@part
def move_outputs(
    head: Floats, there: Floats, skip: Floats, skip_there: Floats, token: int, error: Floats, heard: Floats, rate: float
) -> float:
    """The same of outputs, [M, C*] and [V, C*]; `error` [C*] is that of what they squash."""
    square = 0.0
    for m in range(len(heard)):
        square += move(head, there, m, error, heard[m], rate)
    if token >= 0 and len(skip):
        square += move(skip, skip_there, token, error, 1.0, rate)
    return square


@part
def move(weights: Floats, there: Floats, row: int, down: Floats, sees: float, rate: float) -> float:
    """Move the weights that go out from one number, a row of all [U*] or all [C*], as far as they are there.

    Returns:
        The square of the way's length.
    """
    squares = filled(0.0)
    for at in range(0, len(down), LANES):
        here = row * len(down) + at
        way = sees * load(down, at) * load(there, here)
        squares = squares + way * way
        store(weights, here, load(weights, here) + rate * way)
    return added(squares)


@part
def met(latest: Floats, bounds: Bounds) -> bool:
    """Whether the latest sequences meet the criterion."""
    wrong, mean = 0, 0.0
    for i in range(len(latest)):
        mean += latest[i, 1] / len(latest)
        if not latest[i, 0] < bounds.error:
            wrong += 1
            if wrong >= bounds.allowed:
                return False
    return mean < bounds.mean
