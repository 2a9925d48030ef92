"""The long short-term memory of today: input, forget and output gates, by the framework's fused kernel."""

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class LSTM(nn.Module):
    """One layer of `nn.LSTM` behind the contract of cells.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
        forget_bias: the forget gate's bias at the start (Gers et al. 2000: above zero, so that it remembers).
    """

    def __init__(self, inputs: int, hidden: int, *, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.LSTM(inputs, hidden, batch_first=True)
        weights = dict(self.layer.named_parameters())
        with torch.no_grad():
            weights["bias_hh_l0"].zero_()  # the two biases are only ever added: one of them suffices
            weights["bias_ih_l0"].zero_()
            weights["bias_ih_l0"][hidden : 2 * hidden] = forget_bias  # gates lie in the order i, f, g, o

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H], c [B, H])."""
        before = None if state is None else (state[0].unsqueeze(0), state[1].unsqueeze(0))
        y_BTH, (h, c) = self.layer(x_BTF, before)
        return y_BTH, (h.squeeze(0), c.squeeze(0))
