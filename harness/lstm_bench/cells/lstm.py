"""The long short-term memory of today: input, forget and output gates, by the framework's fused kernel."""

import torch
from torch import Tensor, nn

from lstm_bench.cells import State


class LSTM(nn.Module):
    """One layer of `nn.LSTM` behind the contract of cells.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.LSTM(inputs, hidden, batch_first=True)

    @property
    def recurrent(self) -> Tensor:
        """[4 H, H]."""
        return self.layer.get_parameter("weight_hh_l0")

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:
        """Start the biases; the kernel's two are only ever added: one of them suffices."""
        self.layer.get_parameter("bias_hh_l0").zero_()
        none_H = torch.zeros_like(forget_H)
        self.layer.get_parameter("bias_ih_l0").copy_(torch.cat([input_H, forget_H, none_H, none_H]))  # i, f, g, o

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H], c [B, H])."""
        before = None if state is None else (state[0].unsqueeze(0), state[1].unsqueeze(0))
        y_BTH, (h, c) = self.layer(x_BTF, before)
        return y_BTH, (h.squeeze(0), c.squeeze(0))
