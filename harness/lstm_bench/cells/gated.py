"""The module behind every variant of `engine`: weights, their start, and the contract of cells."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lstm_bench.cells import State, sequence
from lstm_bench.cells.engine import Variant


class Gated(nn.Module):
    """One layer of an LSTM whose gates are those of `variant`.

    Weights are drawn as `nn.LSTM` draws its own, uniformly within 1 / sqrt(H), peepholes too; biases are zero.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    variant: ClassVar[Variant] = Variant()

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        gates, bound = self.variant.gates, hidden**-0.5
        self.weight_input = nn.Parameter(torch.empty(len(gates) * hidden, inputs).uniform_(-bound, bound))
        self.weight_hidden = nn.Parameter(torch.empty(len(gates) * hidden, hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(len(gates), hidden))
        if self.variant.peepholes:
            self.peepholes = nn.Parameter(torch.empty(3, hidden).uniform_(-bound, bound))
        else:
            self.register_buffer("peepholes", torch.empty(0), persistent=False)

    @property
    def recurrent(self) -> Tensor:
        """[G H, H]."""
        return self.weight_hidden

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:
        """Start the biases of the gates that there are; of coupled ones, the input gate is as far closed."""
        start = {"f": forget_H, "i": -forget_H if self.variant.forget_gate == "coupled" else input_H}
        for gate, bias_H in zip(self.variant.gates, self.bias, strict=True):
            bias_H.copy_(start.get(gate, torch.zeros_like(forget_H)))

    @classmethod
    def kernels(cls, device: str) -> str:
        """By numba or Triton where there is such, else by PyTorch."""
        fast = sequence.kernels(device)
        return fast.NAME if fast else sequence.PLAIN

    @classmethod
    def warm(cls) -> None:
        """In float32, which runs are in."""
        if fast := sequence.kernels():
            fast.compiled(cls.variant, torch.float32)

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H], c [B, H])."""
        h, c = state or (x_BTF.new_zeros(len(x_BTF), self.weight_hidden.shape[1]) for _ in range(2))
        y_TBH, h, c = sequence.layer(
            self.variant,
            x_BTF.transpose(0, 1),
            self.weight_input,
            self.weight_hidden,
            self.bias.flatten(),
            self.peepholes,
            h,
            c,
        )
        return y_TBH.transpose(0, 1), (h, c)
