"""One loop over a sequence for every LSTM whose gates act unit by unit; a variant is what its gates are.

Forward, the gates are worked out in place; backward, what each gate's input does to the state is worked out for all
steps at once, so that a step back is one product and a few multiplications, whatever the variant. It is right on every
device and for every kind of number; on a CPU `kernels` does the same faster, where there is numba.

Shape suffixes besides those of `task.py`: G gates a unit has of its own, the cell's input among them; S states, T + 1.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Variant:
    """What the gates of an LSTM are; the names are those of Greff et al. 2017.

    The state is c' = f c + i g and the output h' = o tanh(c'), with i, f, o the logistic function and g the hyperbolic
    tangent of W x + R h + b.

    Attributes:
        input_gate: else i = 1 (NIG).
        forget_gate: `own`; `coupled`: f = 1 - i (CIFG); `none`: f = 1 (NFG).
        output_gate: else o = 1 (NOG).
        peepholes: i and f see c, o sees c', each unit its own (Gers and Schmidhuber 2000).
        input_activation: else g is not squashed (NIAF).
        output_activation: else h' = o c' (NOAF).
    """

    input_gate: bool = True
    forget_gate: Literal["own", "coupled", "none"] = "own"
    output_gate: bool = True
    peepholes: bool = False
    input_activation: bool = True
    output_activation: bool = True

    @property
    def gates(self) -> str:
        """Those with weights, in the order of the columns: o, i, f, and g last."""
        own = {"o": self.output_gate, "i": self.input_gate, "f": self.forget_gate == "own"}
        return "".join(name for name, there in own.items() if there) + "g"


class Steps(NamedTuple):
    """What a sequence was, step by step, as the way back needs it.

    Attributes:
        gates_TBGH: after squashing.
        c_SBH: states, the first before the first step.
        squashed_TBH: tanh(c'), or c' itself where it is not squashed.
        h_SBH: outputs, the first before the first step.
    """

    gates_TBGH: Tensor
    c_SBH: Tensor
    squashed_TBH: Tensor
    h_SBH: Tensor


def run(variant: Variant, z_TBGH: Tensor, r: Tensor, peep: Tensor, h_BH: Tensor, c_BH: Tensor) -> Steps:
    """A sequence from what its inputs give the gates; `z_TBGH` is worked on in place.

    Args:
        variant: what the gates are.
        z_TBGH: W x + b.
        r: [G H, H], R.
        peep: [3, H] for o, i, f; not looked at without peepholes.
        h_BH: the output before.
        c_BH: the state before.
    """
    steps, batch, count, hidden = z_TBGH.shape
    recurrent = r.t()
    told = begun(variant, z_TBGH, h_BH, c_BH)
    states, outputs, squashed = told.c_SBH.unbind(0), told.h_SBH.unbind(0), told.squashed_TBH.unbind(0)
    z = z_TBGH.view(steps, batch, count * hidden).unbind(0)
    late = variant.output_gate and variant.peepholes  # o waits for c'
    early = z_TBGH[:, :, int(late) : count - 1].unbind(0)  # the gates that are squashed together
    gate = dict(zip(variant.gates, (z_TBGH[:, :, at].unbind(0) for at in range(count)), strict=True))
    seeing = [at for at, name in enumerate(variant.gates) if name in "if"]
    looks = z_TBGH[:, :, seeing[0] : seeing[-1] + 1].unbind(0) if variant.peepholes and seeing else None
    peep_if = peep[["oif".index(variant.gates[at]) for at in seeing]] if looks else peep
    for t in range(steps):
        c, new, g = states[t], states[t + 1], gate["g"][t]
        torch.addmm(z[t], outputs[t], recurrent, out=z[t])
        if looks:
            looks[t].addcmul_(peep_if, c[:, None])
        early[t].sigmoid_()
        if variant.input_activation:
            g.tanh_()
        if variant.forget_gate == "coupled":
            torch.lerp(c, g, gate["i"][t], out=new)
        else:
            inner = torch.mul(gate["i"][t], g, out=new) if variant.input_gate else new.copy_(g)
            inner.addcmul_(gate["f"][t], c) if variant.forget_gate == "own" else inner.add_(c)
        if late:
            gate["o"][t].addcmul_(peep[0], new).sigmoid_()
        if variant.output_activation:
            torch.tanh(new, out=squashed[t])
        if variant.output_gate:
            torch.mul(gate["o"][t], squashed[t], out=outputs[t + 1])
        else:
            outputs[t + 1].copy_(squashed[t])
    return told


def begun(variant: Variant, z_TBGH: Tensor, h_BH: Tensor, c_BH: Tensor) -> Steps:
    """Room for what a sequence will be, with what was before it."""
    steps, batch, _, hidden = z_TBGH.shape
    c_SBH, h_SBH = (z_TBGH.new_empty(steps + 1, batch, hidden) for _ in range(2))
    c_SBH[0], h_SBH[0] = c_BH, h_BH
    squashed_TBH = z_TBGH.new_empty(steps, batch, hidden) if variant.output_activation else c_SBH[1:]
    return Steps(z_TBGH, c_SBH, squashed_TBH, h_SBH)


class Local(NamedTuple):
    """How a step changes with what comes into it, for all steps at once; each is elementwise.

    Attributes:
        z_by_c_TBGH: c' by each gate's input; of o, h' by its input instead.
        c_by_h_TBH: h' by c'.
        carry_TBH: c' by c.
    """

    z_by_c_TBGH: Tensor
    c_by_h_TBH: Tensor
    carry_TBH: Tensor


def local(variant: Variant, steps: Steps, peep: Tensor) -> Local:
    """The derivatives of every step; see `Variant` for the equations."""
    gate = dict(zip(variant.gates, steps.gates_TBGH.unbind(2), strict=True))
    before, squashed = steps.c_SBH[:-1], steps.squashed_TBH
    one = torch.ones((), dtype=before.dtype, device=before.device)
    i, f, o, g = (gate.get(name, one) for name in "ifog")
    if variant.forget_gate == "coupled":
        f = 1 - i
    towards = g - before if variant.forget_gate == "coupled" else g  # c' by i
    found = torch.empty_like(steps.gates_TBGH)
    by = dict(zip(variant.gates, found.unbind(2), strict=True))
    if variant.input_gate:
        torch.mul(i - i * i, towards, out=by["i"])
    if variant.forget_gate == "own":
        torch.mul(f - f * f, before, out=by["f"])
    by["g"].copy_(i * (1 - g * g) if variant.input_activation else i)
    c_by_h = o * (1 - squashed * squashed) if variant.output_activation else o.expand_as(before).clone()
    carry = f.expand_as(before).clone()
    if variant.output_gate:
        torch.mul(o - o * o, squashed, out=by["o"])
    if variant.peepholes:
        c_by_h = c_by_h + by["o"] * peep[0] if variant.output_gate else c_by_h
        carry = sum((by[name] * peep["oif".index(name)] for name in "if" if name in by), carry)
    return Local(found, c_by_h, carry)


def back(
    variant: Variant, steps: Steps, r: Tensor, peep: Tensor, dy_TBH: Tensor, dh_BH: Tensor, dc_BH: Tensor
) -> tuple[Tensor, Tensor | None, Tensor, Tensor]:
    """The gradients of every gate's input [T, B, G, H], of the peepholes, and of the output and state before the first.

    Args:
        variant: what the gates are.
        steps: of `run`.
        r: [G H, H], R.
        peep: [3, H], as `run` had it.
        dy_TBH: of the outputs.
        dh_BH: of the last output, as the state.
        dc_BH: of the last state.
    """
    at = local(variant, steps, peep)
    length, batch, count, hidden = at.z_by_c_TBGH.shape
    first = int(variant.output_gate)
    by_c = at.z_by_c_TBGH[:, :, first:].unbind(0)
    by_h = at.z_by_c_TBGH[:, :, 0].unbind(0)
    flat = at.z_by_c_TBGH.view(length, batch, count * hidden).unbind(0)
    outer, seen, carry = dy_TBH.unbind(0), at.c_by_h_TBH.unbind(0), at.carry_TBH.unbind(0)
    dh, dc = dh_BH + outer[-1], dc_BH.clone()
    for t in range(length - 1, -1, -1):
        dc.addcmul_(dh, seen[t])
        by_c[t].mul_(dc[:, None])
        if variant.output_gate:
            by_h[t].mul_(dh)
        dc.mul_(carry[t])
        dh = torch.addmm(outer[t - 1], flat[t], r) if t else flat[t] @ r
    dpeep = seen_gradient(variant, at.z_by_c_TBGH, steps) if variant.peepholes else None
    return at.z_by_c_TBGH, dpeep, dh, dc


def seen_gradient(variant: Variant, dz_TBGH: Tensor, steps: Steps) -> Tensor:
    """Of the peepholes, [3, H]: o sees the state after a step, i and f the one before."""
    found = dz_TBGH.new_zeros(3, dz_TBGH.shape[-1])
    for name, dz_TBH in zip(variant.gates, dz_TBGH.unbind(2), strict=True):
        if name in "oif":
            state = steps.c_SBH[1:] if name == "o" else steps.c_SBH[:-1]
            torch.sum(dz_TBH * state, (0, 1), out=found["oif".index(name)])
    return found
