"""The plain recurrent network (Elman 1990), h' = tanh(W x + R h + b), by the framework's kernel."""

import torch
from torch import Tensor, nn

from lstm_bench.cells import State


class RNN(nn.Module):
    """One layer of `nn.RNN` behind the contract of cells.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.RNN(inputs, hidden, batch_first=True)
        with torch.no_grad():
            for name, weight in self.layer.named_parameters():
                if name.startswith("bias"):
                    weight.zero_()

    @property
    def recurrent(self) -> Tensor:
        """[H, H]."""
        return self.layer.get_parameter("weight_hh_l0")

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H],)."""
        y_BTH, h = self.layer(x_BTF, None if state is None else state[0].unsqueeze(0))
        return y_BTH, (h.squeeze(0),)
