"""The minimal LSTM (Feng et al. 2024): gates see the input alone, so that all steps are worked out at once."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstm_bench.cells import State


class MinLSTM(nn.Module):
    """h' = f h + i g(W x) with i and f the shares of two gates that sum to 1, and g above zero.

    The recurrence is a scan in log space (appendix B of the paper, after Heinsen 2023): no loop over the steps.

    Args:
        inputs: F, width of the input.
        hidden: H, units.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs, 3 * hidden)

    def remember(self, forget_H: Tensor, input_H: Tensor) -> None:
        """Start the biases."""
        self.gates.bias.copy_(torch.cat([forget_H, input_H, torch.zeros_like(forget_H)]))  # in the order f, i, g

    def forward(self, x_BTF: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Outputs [B, T, H] and the state after the last step: (h [B, H],)."""
        f_BTH, i_BTH, g_BTH = self.gates(x_BTF).chunk(3, dim=-1)
        odds_BTH = functional.softplus(-f_BTH) - functional.softplus(-i_BTH)  # log of i over f, both before sharing
        log_f_BTH, log_i_BTH = -functional.softplus(odds_BTH), -functional.softplus(-odds_BTH)
        kept_BTH = log_f_BTH.cumsum(1)
        written_BTH = (log_i_BTH + log_positive(g_BTH) - kept_BTH).logcumsumexp(1)
        y_BTH = (kept_BTH + written_BTH).exp()
        if state is not None:
            y_BTH = y_BTH + kept_BTH.exp() * state[0][:, None]
        return y_BTH, (y_BTH[:, -1],)


def log_positive(x: Tensor) -> Tensor:
    """The logarithm of g(x): x + 0.5 from zero on, the logistic function below (appendix B)."""
    return torch.where(x >= 0, (functional.relu(x) + 0.5).log(), -functional.softplus(-x))
