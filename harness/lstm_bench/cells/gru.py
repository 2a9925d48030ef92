"""The gated recurrent unit (Cho et al. 2014), by the framework's kernel: no state besides its output."""

import torch
from torch import Tensor, nn

from lstm_bench.cells import State


class GRU(nn.Module):
    """One layer of `nn.GRU` behind the contract of cells.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.GRU(inputs, hidden, batch_first=True)

    @property
    def recurrent(self) -> Tensor:
        """[3 H, H]."""
        return self.layer.get_parameter("weight_hh_l0")

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:  # noqa: ARG002  # one gate for two
        """Start the biases: the update gate keeps what it does not write."""
        self.layer.get_parameter("bias_hh_l0").zero_()
        none_H = torch.zeros_like(forget_H)
        self.layer.get_parameter("bias_ih_l0").copy_(torch.cat([none_H, forget_H, none_H]))  # in the order r, z, n

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H],)."""
        y_BTH, h = self.layer(x_BTF, None if state is None else state[0].unsqueeze(0))
        return y_BTH, (h.squeeze(0),)
