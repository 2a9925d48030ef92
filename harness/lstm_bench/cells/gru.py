"""The gated recurrent unit (Cho et al. 2014), by the framework's kernel: no state besides its output."""

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]


class GRU(nn.Module):
    """One layer of `nn.GRU` behind the contract of cells.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
        forget_bias: of the update gate at the start: above zero, so that it keeps what it has.
    """

    def __init__(self, inputs: int, hidden: int, *, forget_bias: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.GRU(inputs, hidden, batch_first=True)
        weights = dict(self.layer.named_parameters())
        with torch.no_grad():
            weights["bias_hh_l0"].zero_()
            weights["bias_ih_l0"].zero_()
            weights["bias_ih_l0"][hidden : 2 * hidden] = forget_bias  # gates lie in the order r, z, n

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H],)."""
        y_BTH, h = self.layer(x_BTF, None if state is None else state[0].unsqueeze(0))
        return y_BTH, (h.squeeze(0),)
