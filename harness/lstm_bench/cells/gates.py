"""The gates of a step on a card, forward and back, as Triton compiles them for a variant.

The arithmetic is that of `loops`. What stands in capitals is a constant of the compilation: `NTH_I` and the like say
which of the columns a gate has, -1 where there is no such gate. Arrays are those of `engine.Steps` at one step.
"""

import triton
from triton import language as tl
from triton.language.extra import libdevice


@triton.jit
def forward(
    z,
    peep,
    before,
    after,
    squashed,
    h,
    batch,
    hidden,
    COUNT: tl.constexpr,
    NTH_I: tl.constexpr,
    NTH_F: tl.constexpr,
    NTH_O: tl.constexpr,
    NTH_G: tl.constexpr,
    COUPLED: tl.constexpr,
    PEEPHOLES: tl.constexpr,
    SQUASHES_G: tl.constexpr,
    SQUASHES_C: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
):
    """From what the gates are given to the gates, the state and the output."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)[None, :]
    there = (row < batch) & (unit < hidden)
    at, gate = row * hidden + unit, z + row * (COUNT * hidden) + unit
    state = tl.load(before + at, mask=there)
    g = tl.load(gate + NTH_G * hidden, mask=there)
    if SQUASHES_G:
        g = libdevice.tanh(g)
        tl.store(gate + NTH_G * hidden, g, mask=there)
    new = g
    if NTH_I >= 0:
        i = tl.load(gate + NTH_I * hidden, mask=there)
        if PEEPHOLES:
            i += tl.load(peep + hidden + unit, mask=unit < hidden) * state
        i = tl.sigmoid(i)
        tl.store(gate + NTH_I * hidden, i, mask=there)
        new = i * (g - state) + state if COUPLED else i * g
    if NTH_F >= 0:
        f = tl.load(gate + NTH_F * hidden, mask=there)
        if PEEPHOLES:
            f += tl.load(peep + 2 * hidden + unit, mask=unit < hidden) * state
        f = tl.sigmoid(f)
        tl.store(gate + NTH_F * hidden, f, mask=there)
        new = f * state + new
    elif not COUPLED:
        new = state + new
    tl.store(after + at, new, mask=there)
    seen = new
    if SQUASHES_C:
        seen = libdevice.tanh(new)
        tl.store(squashed + at, seen, mask=there)
    if NTH_O >= 0:
        o = tl.load(gate + NTH_O * hidden, mask=there)
        if PEEPHOLES:
            o += tl.load(peep + unit, mask=unit < hidden) * new
        o = tl.sigmoid(o)
        tl.store(gate + NTH_O * hidden, o, mask=there)
        seen = o * seen
    tl.store(h + at, seen, mask=there)


@triton.jit
def backward(
    z,
    peep,
    before,
    squashed,
    dy,
    dh,
    dc,
    dz,
    batch,
    hidden,
    COUNT: tl.constexpr,
    NTH_I: tl.constexpr,
    NTH_F: tl.constexpr,
    NTH_O: tl.constexpr,
    NTH_G: tl.constexpr,
    COUPLED: tl.constexpr,
    PEEPHOLES: tl.constexpr,
    SQUASHES_G: tl.constexpr,
    SQUASHES_C: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
):
    """From the gradients of the output and of the state after to those of the gates' inputs and of the state before."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)[None, :]
    there = (row < batch) & (unit < hidden)
    at, gate = row * hidden + unit, row * (COUNT * hidden) + unit
    state, seen = tl.load(before + at, mask=there), tl.load(squashed + at, mask=there)
    through = tl.load(dh + at, mask=there) + tl.load(dy + at, mask=there)
    d_c = tl.load(dc + at, mask=there)
    if NTH_O >= 0:
        o = tl.load(z + gate + NTH_O * hidden, mask=there)
        through = through * o
        d_o = through * (1.0 - o) * seen
        tl.store(dz + gate + NTH_O * hidden, d_o, mask=there)
        if PEEPHOLES:
            d_c += d_o * tl.load(peep + unit, mask=unit < hidden)
    if SQUASHES_C:
        through = through * (1.0 - seen * seen)
    d_c += through
    g = tl.load(z + gate + NTH_G * hidden, mask=there)
    d_g, carried = d_c, d_c
    if NTH_I >= 0:
        i = tl.load(z + gate + NTH_I * hidden, mask=there)
        d_g = d_c * i
        d_i = d_g * (1.0 - i) * (g - state if COUPLED else g)
        tl.store(dz + gate + NTH_I * hidden, d_i, mask=there)
        if COUPLED:
            carried = d_c - d_g
    if NTH_F >= 0:
        f = tl.load(z + gate + NTH_F * hidden, mask=there)
        carried = d_c * f
        d_f = carried * (1.0 - f) * state
        tl.store(dz + gate + NTH_F * hidden, d_f, mask=there)
        if PEEPHOLES:
            carried += d_f * tl.load(peep + 2 * hidden + unit, mask=unit < hidden)
    if (NTH_I >= 0) and PEEPHOLES:
        carried += d_i * tl.load(peep + hidden + unit, mask=unit < hidden)
    if SQUASHES_G:
        d_g = d_g * (1.0 - g * g)
    tl.store(dz + gate + NTH_G * hidden, d_g, mask=there)
    tl.store(dc + at, carried, mask=there)
