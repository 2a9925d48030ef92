"""The loops of `engine` over a sequence, forward and back, as numba compiles them for a variant.

What stands before a loop is a constant of its compilation: a branch on it is none in the kernel. Arrays are flat, their
shapes those of `engine.Steps`.
"""

from collections.abc import Callable

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.products import add_product
from lstm_bench.cells.vectors import load, sigmoid, store, tanh


def forward(variant: Variant, lanes: int) -> Callable[..., None]:
    """The kernel forward, on vectors of so many units."""
    count = len(variant.gates)
    has_i, has_f, has_o = (name in variant.gates for name in "ifo")
    nth_i, nth_f, nth_o, nth_g = (variant.gates.find(name) for name in "ifog")
    coupled, peepholes = variant.forget_gate == "coupled", variant.peepholes
    squashes_g, squashes_c = variant.input_activation, variant.output_activation

    def forward(z, recurrent, peep, c, squashed, h, steps, batch, hidden):
        columns = count * hidden
        for t in range(steps):
            add_product(h, t * batch * hidden, recurrent, z, t * batch * columns, batch, hidden, columns)
            for row in range(t * batch, (t + 1) * batch):
                for unit in range(0, hidden, lanes):
                    at, later, gate = row * hidden + unit, (row + batch) * hidden + unit, row * columns + unit
                    z_i, z_f, z_o, z_g = (
                        gate + nth_i * hidden,
                        gate + nth_f * hidden,
                        gate + nth_o * hidden,
                        gate + nth_g * hidden,
                    )
                    before, new = load(c, at), load(z, z_g)
                    if squashes_g:
                        new = tanh(new)
                        store(z, z_g, new)
                    if has_i:
                        i = load(z, z_i)
                        if peepholes:
                            i = i + load(peep, hidden + unit) * before
                        i = sigmoid(i)
                        store(z, z_i, i)
                        new = i * (new - before) + before if coupled else i * new
                    if has_f:
                        f = load(z, z_f)
                        if peepholes:
                            f = f + load(peep, 2 * hidden + unit) * before
                        f = sigmoid(f)
                        store(z, z_f, f)
                        new = f * before + new
                    elif not coupled:
                        new = before + new
                    store(c, later, new)
                    seen = new
                    if squashes_c:
                        seen = tanh(new)
                        store(squashed, at, seen)
                    if has_o:
                        o = load(z, z_o)
                        if peepholes:
                            o = o + load(peep, unit) * new
                        o = sigmoid(o)
                        store(z, z_o, o)
                        seen = o * seen
                    store(h, later, seen)

    return forward


def backward(variant: Variant, lanes: int) -> Callable[..., None]:
    """The kernel back, on vectors of so many units."""
    count = len(variant.gates)
    has_i, has_f, has_o = (name in variant.gates for name in "ifo")
    nth_i, nth_f, nth_o, nth_g = (variant.gates.find(name) for name in "ifog")
    coupled, peepholes = variant.forget_gate == "coupled", variant.peepholes
    squashes_g, squashes_c = variant.input_activation, variant.output_activation

    def backward(z, recurrent, peep, c, squashed, dh, dc, dz, dpeep, steps, batch, hidden):
        columns = count * hidden
        for t in range(steps - 1, -1, -1):
            for b in range(batch):
                row = t * batch + b
                for unit in range(0, hidden, lanes):
                    at, gate = row * hidden + unit, row * columns + unit
                    z_i, z_f, z_o, z_g = (
                        gate + nth_i * hidden,
                        gate + nth_f * hidden,
                        gate + nth_o * hidden,
                        gate + nth_g * hidden,
                    )
                    before, seen = load(c, at), load(squashed, at)
                    through, d_c = load(dh, (row + batch) * hidden + unit), load(dc, b * hidden + unit)
                    if has_o:
                        o = load(z, z_o)
                        through = through * o
                        d_o = through * (1.0 - o) * seen
                        store(dz, z_o, d_o)
                        if peepholes:
                            d_c = d_c + d_o * load(peep, unit)
                            store(dpeep, unit, load(dpeep, unit) + d_o * load(c, at + batch * hidden))
                    if squashes_c:
                        through = through * (1.0 - seen * seen)
                    d_c = d_c + through
                    g = load(z, z_g)
                    d_g, carried = d_c, d_c
                    if has_i:
                        i = load(z, z_i)
                        d_g = d_c * i
                        d_i = d_g * (1.0 - i) * (g - before if coupled else g)
                        store(dz, z_i, d_i)
                        if coupled:
                            carried = d_c - d_g
                    if has_f:
                        f = load(z, z_f)
                        carried = d_c * f
                        d_f = carried * (1.0 - f) * before
                        store(dz, z_f, d_f)
                        if peepholes:
                            carried = carried + d_f * load(peep, 2 * hidden + unit)
                            store(dpeep, 2 * hidden + unit, load(dpeep, 2 * hidden + unit) + d_f * before)
                    if has_i and peepholes:
                        carried = carried + d_i * load(peep, hidden + unit)
                        store(dpeep, hidden + unit, load(dpeep, hidden + unit) + d_i * before)
                    if squashes_g:
                        d_g = d_g * (1.0 - g * g)
                    store(dz, z_g, d_g)
                    store(dc, b * hidden + unit, carried)
            add_product(dz, t * batch * columns, recurrent, dh, t * batch * hidden, batch, columns, hidden)

    return backward
