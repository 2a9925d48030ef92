"""Encoder, cells, head: sized by the task's signature."""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from lstm_bench import plugins
from lstm_bench.errors import UsageError
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

State = tuple[tuple[Tensor, ...], ...]  # a layer's parts, for each layer


class SequenceModel(nn.Module):
    """Tokens or features in, an output at every step or at the last valid one.

    Draws its weights from torch's global generator.

    Args:
        signature: the task's; gives the outer sizes.
        spec: gives the inner ones.
    """

    def __init__(self, signature: Signature, spec: ModelSpec) -> None:
        super().__init__()
        cell = load_cell(spec.cell)
        self.every_step = signature.every_step
        self.encoder: nn.Module = nn.Identity()
        width = signature.features or spec.embedding
        if signature.vocab is not None:
            self.encoder = nn.Embedding(signature.vocab, spec.embedding)
            width = spec.embedding
        self.layers = nn.ModuleList(
            cell(width if depth == 0 else spec.hidden, spec.hidden, forget_bias=spec.forget_bias)
            for depth in range(spec.layers)
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(spec.hidden, signature.outputs)

    def forward(
        self, inputs: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The output and the recurrent state after the last step.

        Args:
            inputs: [B, T] int64 tokens or [B, T, F] float32.
            state: what an earlier call returned, or None for zeros.
            lengths: [B] valid steps. What comes after them is not looked at: the layers run forward only.

        Returns:
            [B, T, C] or [B, C], and a tuple of [B, H] parts for each layer.
        """
        x = self.encoder(inputs)
        after = []
        for depth, layer in enumerate(self.layers):
            x, layer_state = layer(self.dropout(x), None if state is None else state[depth])
            after.append(layer_state)
        if not self.every_step:
            x = x[:, -1] if lengths is None else x[torch.arange(len(x), device=x.device), lengths - 1]
        return self.head(self.dropout(x)), tuple(after)


def count(signature: Signature, spec: ModelSpec) -> dict[str, int]:
    """How large a model is; nothing is allocated.

    Returns:
        `params`: weights in all. `flops`: floating-point operations of a time step forward, a multiplication and an
        addition for each weight of a matrix; looking up an embedding takes none, and a head that answers but once a
        sequence is left out.
    """
    with torch.device("meta"):
        network = SequenceModel(signature, spec)
    matrices = sum(p.numel() for layer in network.layers for p in layer.parameters() if p.ndim > 1)
    head = network.head.weight.numel() if signature.every_step else 0
    return {"params": sum(p.numel() for p in network.parameters()), "flops": 2 * (matrices + head)}


def load_cell(name: str) -> Callable[..., nn.Module]:
    """The cell that a name stands for: see `lstm_bench.cells` for what it must be.

    Raises:
        UsageError: nothing is called so, or what is called so is no cell.
    """
    cell: Any = plugins.load(plugins.CELLS, name)
    if not (isinstance(cell, type) and issubclass(cell, nn.Module)):
        raise UsageError(f"model.cell = '{name}' is {cell!r}, expected a class derived from torch.nn.Module")
    return cast(Callable[..., nn.Module], cell)


def detached(state: State) -> State:
    """The same state with its history cut off: truncated backpropagation ends here."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)
