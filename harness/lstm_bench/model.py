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
        width = signature.features or spec.embedding or signature.vocab or 0
        if signature.vocab is not None:
            self.encoder = nn.Embedding(signature.vocab, spec.embedding) if spec.embedding else OneHot(signature.vocab)
        self.both_ways = spec.bidirectional
        ways = 2 if spec.bidirectional else 1
        self.layers = nn.ModuleList(
            cell(width if depth < ways else ways * spec.hidden, spec.hidden, forget_bias=spec.forget_bias)
            for depth in range(ways * spec.layers)
        )
        self.dropout = nn.Dropout(spec.dropout)
        self.head = nn.Linear(ways * spec.hidden, signature.outputs)

    def forward(
        self, inputs: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The output and the recurrent state after the last step.

        Args:
            inputs: [B, T] int64 tokens or [B, T, F] float32.
            state: what an earlier call returned, or None for zeros.
            lengths: [B] valid steps; at least 1. What comes after them changes no output at a valid step.

        Returns:
            [B, T, C] or [B, C], and a tuple of [B, H] parts for each layer, each of its directions apart.

        Raises:
            UsageError: a state is carried on in a model that reads both ways.
        """
        if self.both_ways:
            if state is not None:
                raise UsageError(
                    "model.bidirectional = true reads what comes next: expected false where batches are carried on"
                )
            return self._both_ways(inputs, lengths)
        x = self.encoder(inputs)
        after = []
        for depth, layer in enumerate(self.layers):
            x, layer_state = layer(self.dropout(x), None if state is None else state[depth])
            after.append(layer_state)
        if not self.every_step:
            x = x[:, -1] if lengths is None else at_end(x, lengths)
        return self.head(self.dropout(x)), tuple(after)

    def _both_ways(self, inputs: Tensor, lengths: Tensor | None) -> tuple[Tensor, State]:
        """Each layer once forward and once over the reversed valid steps, side by side.

        A packed sequence would leave the fused kernel; here what lies behind a sequence's end stays behind it.
        """
        x = self.encoder(inputs)
        after: list[tuple[Tensor, ...]] = []
        forward = backward = x
        for ahead, back in zip(self.layers[::2], self.layers[1::2], strict=True):
            x = self.dropout(x)
            forward, state = ahead(x)
            backward, state_back = back(turned(x, lengths))
            x = torch.cat([forward, turned(backward, lengths)], dim=-1)
            after += [state, state_back]
        if not self.every_step:  # each direction's last valid step
            ends = (y[:, -1] if lengths is None else at_end(y, lengths) for y in (forward, backward))
            x = torch.cat(list(ends), dim=-1)
        return self.head(self.dropout(x)), tuple(after)


class OneHot(nn.Module):
    """Tokens as unit vectors: an encoder without weights."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.vocab = vocab

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """[B, T, vocab] float32."""
        return nn.functional.one_hot(tokens_BT, self.vocab).float()


def at_end(x_BTH: Tensor, lengths_B: Tensor) -> Tensor:
    """The last valid step of each sequence, [B, H]."""
    return x_BTH[torch.arange(len(x_BTH), device=x_BTH.device), lengths_B - 1]


def turned(x_BTH: Tensor, lengths_B: Tensor | None) -> Tensor:
    """The valid steps of each sequence in reverse order; padding stays where it is."""
    if lengths_B is None:
        return x_BTH.flip(1)
    steps = torch.arange(x_BTH.shape[1], device=x_BTH.device)
    mirrored_BT = lengths_B[:, None] - 1 - steps
    at_BT = torch.where(mirrored_BT >= 0, mirrored_BT, steps)
    return x_BTH.gather(1, at_BT[..., None].expand_as(x_BTH))


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
