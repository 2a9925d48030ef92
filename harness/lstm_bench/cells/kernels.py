"""The loop of `engine` as one kernel forward and one back, compiled by numba for a variant and a kind of number.

A variant's gates are constants of the compilation, so each has the kernel that it would have by itself. What is
compiled is kept on the disk, where numba keeps such: beside the loops, or in the user's cache where that may not be.

It needs the extra `fast`, so `sequence` alone imports it, where it can. The kernels see flat arrays, whose shapes are
those of `engine.Steps` with H filled up to whole panels of the products.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numba
import torch
from numba import int64, void
from torch import Tensor
from torch.nn import functional

from lstm_bench.cells import loops, products, vectors
from lstm_bench.cells.engine import Steps, Variant, begun
from lstm_bench.cells.kept import kept
from lstm_bench.cells.products import PANEL
from lstm_bench.cells.vectors import BUILT, BYTES

ROOMS = (loops, products, vectors)
NAME = f"numba {numba.__version__}"
KINDS: dict[torch.dtype, Any] = {torch.float32: numba.float32, torch.float64: numba.float64}


class Kernels(NamedTuple):
    """What is compiled for a variant and a kind of number."""

    forward: Callable[..., None]
    backward: Callable[..., None]


@functools.cache
def compiled(variant: Variant, dtype: torch.dtype) -> Kernels:
    """Taken from the disk, or compiled, which takes a second or two."""
    kind, whole, lanes = KINDS[dtype][::1], int64, BYTES // dtype.itemsize
    return Kernels(
        kept(loops.forward(variant, lanes), void(*[kind] * 6, *[whole] * 3), ROOMS, variant, dtype, *BUILT),
        kept(loops.backward(variant, lanes), void(*[kind] * 9, *[whole] * 3), ROOMS, variant, dtype, *BUILT),
    )


def run(variant: Variant, z_TBGH: Tensor, r: Tensor, peep: Tensor, h_BH: Tensor, c_BH: Tensor) -> Steps:
    """As `engine.run`."""
    hidden, more = r.shape[1], missing(r)
    z, peep, h, c = (filled(part, more) for part in (z_TBGH, peep, h_BH, c_BH))
    steps, batch, _, wide = z.shape
    told = begun(variant, z, h, c)
    recurrent = square(r, more).view(-1, panel(r), wide).transpose(1, 2)
    forward = compiled(variant, z.dtype).forward
    forward(*flat(z, recurrent, peep, told.c_SBH, told.squashed_TBH, told.h_SBH), steps, batch, wide)
    return Steps(*(part[..., :hidden] for part in told))


def back(
    variant: Variant, steps: Steps, r: Tensor, peep: Tensor, dy_TBH: Tensor, dh_BH: Tensor, dc_BH: Tensor
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """As `engine.back`."""
    hidden, more = r.shape[1], missing(r)
    z, c_SBH, squashed_TBH, peep, dc = (filled(part, more) for part in (*steps[:3], peep, dc_BH.clone()))
    dh_SBH = filled(torch.cat([torch.zeros_like(dh_BH)[None], dy_TBH]), more)
    dh_SBH[-1, :, :hidden] += dh_BH
    dz_TBGH, dpeep = torch.empty_like(z), torch.zeros_like(peep)
    length, batch, _, wide = z.shape
    recurrent = square(r, more).view(-1, wide // panel(r), panel(r)).transpose(0, 1)
    backward = compiled(variant, z.dtype).backward
    backward(*flat(z, recurrent, peep, c_SBH, squashed_TBH, dh_SBH, dc, dz_TBGH, dpeep), length, batch, wide)
    seen = dpeep[:, :hidden] if variant.peepholes else None
    return dz_TBGH[..., :hidden], seen, dh_SBH[0, :, :hidden], dc[:, :hidden]


def panel(r: Tensor) -> int:
    """Columns that a product works on together."""
    return PANEL * BYTES // r.dtype.itemsize


def missing(r: Tensor) -> int:
    """Units that whole panels have more."""
    return -r.shape[1] % panel(r)


def filled(part: Tensor, more: int) -> Tensor:
    """The last dimension filled up with zeros."""
    return functional.pad(part, (0, more)) if more and part.numel() else part


def square(r: Tensor, more: int) -> Tensor:
    """R [G H, H] with both dimensions filled up, as [G H, H] again."""
    hidden = r.shape[1]
    return functional.pad(r.view(-1, hidden, hidden), (0, more, 0, more)).flatten(0, 1)


def flat(*tensors: Tensor) -> tuple[Any, ...]:
    """As arrays of one dimension; what is written to must be contiguous."""
    return tuple(part.detach().reshape(-1).numpy() for part in tensors)
