"""The learning rule of 1997: what weights did to the cells' states, and how errors reach them.

Hochreiter and Schmidhuber 1997, appendix A.1. Errors reach a weight of a cell or of an input gate through the cell's
state alone, so what each such weight has done to the state is summed up beside it, step by step, and no sequence is
gone through backward.
"""

from lstm_bench.cells.kept import part
from lstm_bench.online.net import Bounds, Data, Floats, Net, Units


@part
def remember(net: Net, data: Data, b: int, t: int, before: Units, now: Units, by_cell: Net, by_gate: Net) -> None:
    """Add what the weights of each cell, and for it those of its input gate, do to its state at a step."""
    for j in range(net.cells):
        opened, read = now.say[net.cells + j // net.block_size], now.read[j]
        saw(data, b, t, before.say, by_cell, j, opened * (4.0 - read * read) / 4.0)  # g' = (4 - g^2) / 4
        saw(data, b, t, before.say, by_gate, j, read * opened * (1.0 - opened))


@part
def saw(data: Data, b: int, t: int, say: Floats, sums: Net, row: int, error: float) -> None:
    """Add `error` times what a unit saw at a step to a row of sums."""
    if data.tokens.size:
        sums.read[row, data.tokens[b, t]] += error
    for f in range(data.features.shape[2]):
        sums.read[row, f] += error * data.features[b, t, f]
    for v in range(sums.recurrent.shape[1]):
        sums.recurrent[row, v] += error * say[v]
    sums.bias[row] += error


@part
def blame(
    net: Net,
    data: Data,
    b: int,
    t: int,
    before: Units,
    now: Units,
    error: Floats,
    by_cell: Net,
    by_gate: Net,
    downhill: Net,
) -> None:
    """Add the way downhill of a step's outputs to `downhill`; `error` [C] is that of what they squash."""
    cells, blocks = net.cells, net.cells // net.block_size
    for k in range(len(error)):
        if len(net.head_bias):
            downhill.head_bias[k] += error[k]
        for j in range(cells):
            downhill.head[k, j] += error[k] * now.say[j]
        if net.head.shape[1] > cells:
            if data.tokens.size:
                downhill.head[k, cells + data.tokens[b, t]] += error[k]
            for f in range(data.features.shape[2]):
                downhill.head[k, cells + f] += error[k] * data.features[b, t, f]
    for j in range(cells):
        reaches = 0.0
        for k in range(len(error)):
            reaches += error[k] * net.head[k, j]
        gate = cells + j // net.block_size
        if len(net.read) > cells + blocks:
            opened = now.say[gate + blocks]
            saw(data, b, t, before.say, downhill, gate + blocks, reaches * now.shown[j] * opened * (1.0 - opened))
            reaches *= opened
        reaches *= (1.0 - now.shown[j] * now.shown[j]) / 2.0  # h' = (1 - h^2) / 2
        summed(by_cell, j, reaches, downhill, j)
        summed(by_gate, j, reaches, downhill, gate)


@part
def summed(sums: Net, row: int, error: float, downhill: Net, unit: int) -> None:
    """Add `error` times a cell's sums to what is to be added to a unit's weights."""
    for f in range(sums.read.shape[1]):
        downhill.read[unit, f] += error * sums.read[row, f]
    for v in range(sums.recurrent.shape[1]):
        downhill.recurrent[unit, v] += error * sums.recurrent[row, v]
    downhill.bias[unit] += error * sums.bias[row]


@part
def move(net: Net, downhill: Net, rate: float) -> float:
    """Move the weights downhill; the squared norm of the gradient."""
    square = 0.0
    for weights, by in (
        (net.read.reshape(-1), downhill.read.reshape(-1)),
        (net.recurrent.reshape(-1), downhill.recurrent.reshape(-1)),
        (net.bias, downhill.bias[len(net.read) - len(net.bias) :]),
        (net.head.reshape(-1), downhill.head.reshape(-1)),
        (net.head_bias, downhill.head_bias),
    ):
        for i in range(len(weights)):
            square += by[i] * by[i]
            weights[i] += rate * by[i]
    return square


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
