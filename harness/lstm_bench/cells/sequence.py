"""A layer over a whole sequence as one node of the graph, worked out by the fastest path that there is for it.

The textbook's loop makes a graph of some twenty nodes a step and walks it back. Here a path gives the gates' gradients
of all steps; the weights' gradients are then one product over all of them.
"""

import functools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from lstm_bench.cells import engine
from lstm_bench.cells.engine import Steps, Variant

PLAIN = "PyTorch"  # the path that is always there
_wanted = [True]


ROOMS: Mapping[str, str] = {"cpu": "kernels", "cuda": "fused"}


@functools.cache
def kernels(device: str = "cpu") -> ModuleType | None:
    """The room whose kernels work out a sequence on such a device.

    None where there is none, or what it needs is not there: numba on a CPU, and one that goes with this NumPy; Triton,
    which torch brings along, on a card.
    """
    try:
        return import_module(f"lstm_bench.cells.{ROOMS[device]}")  # slow, where nobody needs it
    except (KeyError, ImportError):
        return None


@contextmanager
def plain() -> Iterator[None]:
    """Within it no kernel is used: for what is measured or tested beside them."""
    _wanted.append(False)
    try:
        yield
    finally:
        _wanted.pop()


def path_of(z: Tensor) -> ModuleType:
    """What works out a sequence like this one: its device's kernels or `engine`, which have the same `run` and `back`.

    Kernels are for the kinds of number that they say.
    """
    fast = kernels(z.device.type) if _wanted[-1] else None
    return fast if fast and z.dtype in fast.KINDS else engine


def layer(
    variant: Variant, x_TBF: Tensor, w: Tensor, r: Tensor, b: Tensor, peep: Tensor, h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Outputs [T, B, H], and the output and state after the last step, all of the weights' precision.

    Autocast is off within: rounding a state at each step loses what the sequence is for, and a product a step is too
    small to be worth the conversions.

    Args:
        variant: what the gates are.
        x_TBF: inputs.
        w: [G H, F], the inputs' weights.
        r: [G H, H], the recurrent ones.
        b: [G H], biases.
        peep: [3, H] for o, i, f; not looked at without peepholes.
        h: [B, H], the output before.
        c: [B, H], the state before.
    """
    with without_autocast(x_TBF.device):
        x_TBF, h, c = (part.to(w.dtype) for part in (x_TBF, h, c))
        found: tuple[Tensor, Tensor, Tensor] = Sequence.apply(variant, x_TBF, w, r, b, peep, h, c)  # type: ignore[no-untyped-call]
        return found


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Within it numbers keep their precision; a device without autocast, such as `meta`, is left as it is."""
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


class Sequence(torch.autograd.Function):
    """See `layer`: once differentiable."""

    @staticmethod
    def forward(
        ctx: Any, variant: Variant, x_TBF: Tensor, w: Tensor, r: Tensor, b: Tensor, peep: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """As `layer`."""
        steps, batch, width = x_TBF.shape
        z = torch.addmm(b, x_TBF.reshape(steps * batch, width), w.t())
        ctx.variant, ctx.path = variant, path_of(z)
        told: Steps = ctx.path.run(variant, z.view(steps, batch, -1, r.shape[1]), r, peep, h, c)
        ctx.save_for_backward(x_TBF, w, r, peep, *told)
        return told.h_SBH[1:], told.h_SBH[-1].clone(), told.c_SBH[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_TBH: Tensor, dh_BH: Tensor, dc_BH: Tensor) -> tuple[Tensor | None, ...]:
        """Of x, W, R, b, peepholes, and what came before."""
        x_TBF, w, r, peep, *kept = ctx.saved_tensors
        told = Steps(*kept)
        with without_autocast(x_TBF.device):
            dz_TBGH, dpeep, dh, dc = ctx.path.back(ctx.variant, told, r, peep, dy_TBH, dh_BH, dc_BH)
            dz = dz_TBGH.flatten(2).flatten(0, 1)
            dx = (dz @ w).view_as(x_TBF) if ctx.needs_input_grad[1] else None
            dw = (x_TBF.reshape(len(dz), -1).t() @ dz).t()  # three times as fast this way round where F is small
            dr = dz.t() @ told.h_SBH[:-1].flatten(0, 1)
        return None, dx, dw, dr, dz.sum(0), dpeep, dh, dc
