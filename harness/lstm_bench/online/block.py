"""A step of the block of 1997, and of the outputs over it, as `cells.h97` and `model` have them."""

from math import exp

from lstm_bench.cells.kept import part
from lstm_bench.online.net import Data, Floats, Net, Units


@part
def squashed(total: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + exp(-total))


@part
def advance(net: Net, data: Data, b: int, t: int, before: Units, now: Units) -> None:
    """One step of the units."""
    cells, blocks, units = net.cells, net.cells // net.block_size, len(net.read)
    for u in range(units):
        bias = u - units + len(net.bias)
        total = net.bias[bias] if bias >= 0 else 0.0
        if data.tokens.size:
            total += net.read[u, data.tokens[b, t]]
        for f in range(data.features.shape[2]):
            total += net.read[u, f] * data.features[b, t, f]
        for v in range(net.recurrent.shape[1]):
            total += net.recurrent[u, v] * before.say[v]
        now.say[u] = squashed(total)
    for j in range(cells):
        gate = cells + j // net.block_size
        now.read[j] = 4.0 * now.say[j] - 2.0
        now.held[j] = before.held[j] + now.say[gate] * now.read[j]
        now.shown[j] = 2.0 * squashed(now.held[j]) - 1.0
        now.say[j] = now.shown[j]
        if units > cells + blocks:
            now.say[j] *= now.say[gate + blocks]


@part
def speak(net: Net, data: Data, b: int, t: int, say: Floats, out: Floats) -> None:
    """The outputs at a step, into `out` [C]."""
    for k in range(len(out)):
        total = net.head_bias[k] if len(net.head_bias) else 0.0
        for j in range(net.cells):
            total += net.head[k, j] * say[j]
        if net.head.shape[1] > net.cells:
            if data.tokens.size:
                total += net.head[k, net.cells + data.tokens[b, t]]
            for f in range(data.features.shape[2]):
                total += net.head[k, net.cells + f] * data.features[b, t, f]
        out[k] = squashed(total)
