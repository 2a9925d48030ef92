"""The LSTM with layer normalisation (Ba et al. 2016): what comes from the input, from before, and the state."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstm_bench.cells import State


class LayerNormLSTM(nn.Module):
    """Equations 20 to 22 of the paper: LN(W x) + LN(R h) + b to the gates, h' = o tanh(LN(c')).

    A normalisation mixes the units, so it has a loop of its own and is slower than the gated variants.

    Args:
        inputs: F, width of the input.
        hidden: H, units; a single one would be normalised away.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(inputs, 4 * hidden, bias=False)
        self.from_before = nn.Linear(hidden, 4 * hidden, bias=False)
        self.norm_input, self.norm_before = (nn.LayerNorm(4 * hidden, bias=False) for _ in range(2))
        self.norm_state = nn.LayerNorm(hidden)
        self.bias = nn.Parameter(torch.zeros(4 * hidden))

    @property
    def recurrent(self) -> Tensor:
        """[4 H, H]."""
        return self.from_before.weight

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:
        """Start the biases."""
        none_H = torch.zeros_like(forget_H)
        self.bias.copy_(torch.cat([input_H, forget_H, none_H, none_H]))  # in the order i, f, o, g

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H], c [B, H])."""
        hidden = self.norm_state.weight.shape[0]
        h, c = state or (x_BTF.new_zeros(len(x_BTF), hidden) for _ in range(2))
        z_BTH = self.norm_input(self.from_input(x_BTF)) + self.bias
        outputs = []
        for z in z_BTH.unbind(1):
            squashed, g = (z + self.norm_before(self.from_before(h))).split([3 * hidden, hidden], dim=-1)
            i, f, o = squashed.sigmoid().chunk(3, dim=-1)
            c = f * c + i * g.tanh()
            h = o * functional.tanh(self.norm_state(c))
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h, c)
