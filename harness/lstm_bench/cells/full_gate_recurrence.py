"""The LSTM whose gates see all gates of the step before (FGR of Greff et al. 2017)."""

import torch
from torch import Tensor, nn

from lstm_bench.cells import State


class FullGateRecurrence(nn.Module):
    """As the plain LSTM, but i, f and o see i, f and o of the step before through nine more matrices [H, H].

    What a gate does to a later one goes through a product, not unit by unit, so it has a loop of its own and is slower
    than the gated variants.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        bound = hidden**-0.5
        self.weight_input = nn.Parameter(torch.empty(4 * hidden, inputs).uniform_(-bound, bound))
        self.weight_hidden = nn.Parameter(torch.empty(4 * hidden, hidden).uniform_(-bound, bound))
        self.weight_gates = nn.Parameter(torch.empty(3 * hidden, 3 * hidden).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))

    @property
    def recurrent(self) -> Tensor:
        """[4 H, H]."""
        return self.weight_hidden

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:
        """Start the biases."""
        none_H = torch.zeros_like(forget_H)
        self.bias.copy_(torch.cat([input_H, forget_H, none_H, none_H]))  # in the order i, f, o, g

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H], c [B, H], gates [B, 3 H])."""
        hidden = self.weight_hidden.shape[1]
        h, c, gates = state or (x_BTF.new_zeros(len(x_BTF), n * hidden) for n in (1, 1, 3))
        # one product a step: g sees no gates
        seen = torch.cat([self.weight_hidden, nn.functional.pad(self.weight_gates, (0, 0, 0, hidden))], dim=1).t()
        outputs = []
        for z in nn.functional.linear(x_BTF, self.weight_input, self.bias).unbind(1):
            squashed, g = torch.addmm(z, torch.cat([h, gates], dim=1), seen).split([3 * hidden, hidden], dim=1)
            gates = squashed.sigmoid()
            i, f, o = gates.chunk(3, dim=1)
            c = f * c + i * g.tanh()
            h = o * c.tanh()
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h, c, gates)
