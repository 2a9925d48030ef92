"""Anyone's module, called as the trainer calls a model."""

import inspect
from typing import Any

from torch import Tensor, nn
from torch.utils import _pytree as pytree

from lstm_bench.errors import UsageError
from lstm_bench.task import Signature

OFFERED = ("state", "lengths")  # what a forward may take besides its inputs, by these names


class Adapter(nn.Module):
    """A module that is called as `model(inputs, state, lengths) -> (output, state)`, whatever its own forward takes.

    Its forward takes the inputs first, and may take `state` and `lengths` by these names (see `SequenceModel.forward`).
    One that takes a state returns `(output, state)`: tensors in any nesting, such as the `(h, c)` of `nn.LSTM`. Any
    other returns the output alone.

    Args:
        module: the module; it is trained in place.
        signature: the task's: an output is [B, C], or [B, T, C] where one is due at every step.

    Raises:
        UsageError: its forward takes other things; later, when it returns other things.
    """

    def __init__(self, module: nn.Module, signature: Signature) -> None:
        super().__init__()
        self.module = module
        self.takes = taken(module)
        self.outputs, self.axes = signature.outputs, 2 if signature.every_step else 1
        self._nesting = pytree.tree_structure(())  # of its own state, as it was last seen

    def forward(
        self, inputs: Tensor, state: tuple[tuple[Tensor, ...], ...] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[tuple[Tensor, ...], ...]]:
        """See `SequenceModel.forward`; what the trainer carries is one layer that holds all parts of the state."""
        offered = {"state": state and pytree.tree_unflatten(list(state[0]), self._nesting), "lengths": lengths}
        found = self.module(inputs, **{name: offered[name] for name in self.takes})
        if "state" not in self.takes:
            return self._checked(found, inputs), ()
        if not (isinstance(found, tuple) and len(found) == 2):
            raise UsageError(f"{_named(self.module)} takes `state`, returned {_told(found)}: expected (output, state)")
        parts, self._nesting = pytree.tree_flatten(found[1])
        if not all(isinstance(part, Tensor) for part in parts):
            raise UsageError(f"{_named(self.module)} returned {_told(found[1])} as its state: expected tensors alone")
        return self._checked(found[0], inputs), (tuple(parts),)

    def _checked(self, output: Any, inputs: Tensor) -> Tensor:
        """The output, if its shape is the one that losses and tallies expect: broadcasting would hide another."""
        shape = [*inputs.shape[: self.axes], self.outputs]
        if not isinstance(output, Tensor) or list(output.shape) != shape:
            raise UsageError(
                f"{_named(self.module)} returned {_told(output)}: expected a tensor {shape} for inputs "
                f"{list(inputs.shape)}"
            )
        return output


def taken(module: nn.Module) -> list[str]:
    """Which of the things offered a module's forward takes besides its inputs.

    Raises:
        UsageError: it takes no inputs, or needs something that is not offered.
    """
    forward = getattr(module, "_orig_mod", module).forward  # what torch.compile wraps says nothing by itself
    parameters = list(inspect.signature(forward).parameters.values())
    by_position = [p for p in parameters[:1] if p.kind not in (p.KEYWORD_ONLY, p.VAR_KEYWORD)]
    named = [p for p in parameters[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if not by_position or any(p.default is p.empty and p.name not in OFFERED for p in named):
        raise UsageError(
            f"{_named(module)}.forward({', '.join(p.name for p in parameters)}): expected forward(inputs), which may "
            "take `state` and `lengths` too, by these names"
        )
    return [p.name for p in named if p.name in OFFERED]


def _named(module: nn.Module) -> str:
    return type(module).__name__


def _told(found: Any) -> str:
    """What something is, in a few words."""
    return f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
