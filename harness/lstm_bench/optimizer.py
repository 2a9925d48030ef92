"""What changes the weights: the optimiser with its groups, and the moving average of what it leaves."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from lstm_bench.spec import TrainSpec


def make_optimizer(model: nn.Module, spec: TrainSpec) -> Optimizer:
    """The optimiser of a model, in the quickest form that torch has of it: there is no fused RMSprop.

    `adamw` reads no `momentum`; without `weight_decay` it is Adam. `rmsprop` is Hinton's, with the momentum of
    Graves 2013, where that is above 0.
    """
    groups = [
        {
            "params": [p for name, p in model.named_parameters() if is_matrix(name, p)],
            "weight_decay": spec.weight_decay,
        },
        {"params": [p for name, p in model.named_parameters() if not is_matrix(name, p)], "weight_decay": 0.0},
    ]
    match spec.optimizer:
        case "adamw":
            return AdamW(groups, lr=spec.lr, fused=True)
        case "sgd":
            return SGD(groups, lr=spec.lr, momentum=spec.momentum, fused=True)
        case "rmsprop":
            return RMSprop(groups, lr=spec.lr, momentum=spec.momentum, foreach=True)


def is_matrix(name: str, weight: Tensor) -> bool:
    """Whether a parameter is a matrix, which weight decay is on: no bias, gain or peephole.

    Cells hold a bias as [G, H] and peepholes as [3, H], so that the name says what the shape does not.
    """
    last = name.rpartition(".")[-1]
    return weight.ndim > 1 and "bias" not in last and last != "peepholes"


class Average:
    """An exponential moving average of a model's weights, which is what is evaluated (Polyak's idea, decaying).

    The start is corrected as Adam's is: after one step the average is that step's weights, not those drawn before it.

    Args:
        model: on its device already.
        decay: of what was before, at each step.

    Attributes:
        others: the weights that the model does not hold now: the average while a window is trained, else what training
            goes on with.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._own: list[Tensor] = list(model.parameters())
        self._decay = decay
        self.others = [p.detach().clone() for p in self._own]

    @torch.no_grad()
    def take(self, step: int) -> None:
        """Let the weights after step `step` (from 1) count. While a window is trained."""
        share = (1 - self._decay) / (1 - self._decay**step)
        torch._foreach_lerp_(self.others, self._own, share)  # as torch.optim.swa_utils does

    @torch.no_grad()
    def swap(self) -> None:
        """Have the model hold the others. Copied, since the framework's kernels know where its weights lie."""
        held = [p.clone() for p in self._own]
        torch._foreach_copy_(self._own, self.others)
        torch._foreach_copy_(self.others, held)

    def load(self, others: Iterable[Tensor]) -> None:
        """Go on with what `others` were."""
        self.others = list(others)
