"""The loop of `engine` on a card: a step is cuBLAS's product and one kernel for its gates, and all are one CUDA graph.

To start the kernels of a step from Python takes some ten times longer than they run. It needs Triton, which torch
brings along where it is built for CUDA.
"""

from typing import Any

import torch
import triton
from torch import Tensor

from lstm_bench.cells import gates
from lstm_bench.cells.engine import Steps, Variant, begun, seen_gradient
from lstm_bench.cells.graphs import Found, played

NAME = f"triton {triton.__version__}"
KINDS = (torch.float32,)
ROWS, UNITS = 16, 64  # of a step's gates that a program works on


def run(variant: Variant, z_TBGH: Tensor, r: Tensor, peep: Tensor, h_BH: Tensor, c_BH: Tensor) -> Steps:
    """As `engine.run`."""
    return Steps(*played(forth, z_TBGH, r, peep, h_BH, c_BH, variant=variant))


def back(
    variant: Variant, steps: Steps, r: Tensor, peep: Tensor, dy_TBH: Tensor, dh_BH: Tensor, dc_BH: Tensor
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """As `engine.back`."""
    told = (steps.gates_TBGH, steps.c_SBH, steps.squashed_TBH, r, peep, dy_TBH.contiguous(), dh_BH, dc_BH)
    dz_TBGH, dh, dc = played(back_again, *told, variant=variant)
    dpeep = seen_gradient(variant, dz_TBGH, steps) if variant.peepholes else None
    return dz_TBGH, dpeep, dh, dc


def forth(z_TBGH: Tensor, r: Tensor, peep: Tensor, h_BH: Tensor, c_BH: Tensor, *, variant: Variant) -> Found:
    """From the first step to the last: the product, then the gates."""
    told = begun(variant, z_TBGH, h_BH, c_BH)
    _, c_SBH, squashed_TBH, h_SBH = told
    flat_TBG, recurrent = z_TBGH.flatten(2), r.t()
    for t in range(len(z_TBGH)):
        torch.addmm(flat_TBG[t], h_SBH[t], recurrent, out=flat_TBG[t])
        start(gates.forward, variant, z_TBGH[t], peep, c_SBH[t], c_SBH[t + 1], squashed_TBH[t], h_SBH[t + 1])
    return told


def back_again(
    z_TBGH: Tensor,
    c_SBH: Tensor,
    squashed_TBH: Tensor,
    r: Tensor,
    peep: Tensor,
    dy_TBH: Tensor,
    dh_BH: Tensor,
    dc_BH: Tensor,
    *,
    variant: Variant,
) -> Found:
    """From the last step to the first: the gates, then the product."""
    dz_TBGH = torch.empty_like(z_TBGH)
    dh, dc = (d_BH.clone(memory_format=torch.contiguous_format) for d_BH in (dh_BH, dc_BH))
    for t in range(len(z_TBGH) - 1, -1, -1):
        start(gates.backward, variant, z_TBGH[t], peep, c_SBH[t], squashed_TBH[t], dy_TBH[t], dh, dc, dz_TBGH[t])
        torch.mm(dz_TBGH[t].flatten(1), r, out=dh)
    return dz_TBGH, dh, dc


def start(kernel: Any, variant: Variant, z_BGH: Tensor, *others: Tensor) -> None:
    """Start a kernel on the gates of a step; all that it is given is contiguous."""
    batch, count, hidden = z_BGH.shape
    grid = (triton.cdiv(batch, ROWS), triton.cdiv(hidden, UNITS))
    places = {f"NTH_{name.upper()}": variant.gates.find(name) for name in "ifog"}  # -1 where there is none
    kernel[grid](
        z_BGH,
        *others,
        batch,
        hidden,
        COUNT=count,
        **places,
        COUPLED=variant.forget_gate == "coupled",
        PEEPHOLES=variant.peepholes,
        SQUASHES_G=variant.input_activation,
        SQUASHES_C=variant.output_activation,
        ROWS=ROWS,
        UNITS=UNITS,
    )
