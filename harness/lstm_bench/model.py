"""Encoder, cells, head: sized by the task's signature."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from lstm_bench.cells.make import make_cell
from lstm_bench.errors import UsageError
from lstm_bench.spec import ModelSpec, Value
from lstm_bench.task import Signature

NONE: Mapping[str, Any] = MappingProxyType({})
State = tuple[tuple[Tensor, ...], ...]  # a layer's parts, for each layer


class SequenceModel(nn.Module):
    """Tokens or features in, an output at every step or at the last valid one.

    Draws its weights from torch's global generator.

    Args:
        signature: the task's; gives the outer sizes.
        spec: gives the inner ones.
        options: the cell's own.

    Raises:
        UsageError: the spec asks for what the cell or the signature does not have.
    """

    def __init__(self, signature: Signature, spec: ModelSpec, options: Mapping[str, Value] = NONE) -> None:
        super().__init__()
        self.every_step, self.residual, self.skip = signature.every_step, spec.residual, spec.skip
        self.encoder: nn.Module = nn.Identity()
        width = signature.features or spec.embedding or signature.vocab or 0
        if signature.vocab is not None:
            self.encoder = nn.Embedding(signature.vocab, spec.embedding) if spec.embedding else OneHot(signature.vocab)
        self.ways = 2 if spec.bidirectional else 1
        widths = [width] + [self.ways * spec.hidden] * spec.layers
        self.layers = nn.ModuleList(make_cell(read, spec, options) for read in widths[:-1] for _ in range(self.ways))
        self.dropout = VariationalDropout(spec.dropout) if spec.variational else nn.Dropout(spec.dropout)
        seen = widths[-1] + (width if spec.skip else 0)
        # Press and Wolf 2017: a projection, then the embedding's own weights.
        self.narrow = nn.Linear(seen, width, bias=False) if spec.tied and seen != width else nn.Identity()
        self.head = nn.Linear(width if spec.tied else seen, signature.outputs, bias=spec.head_bias)
        if spec.head_range:
            for part in self.head.parameters():
                nn.init.uniform_(part, -spec.head_range, spec.head_range)
        self.squash: nn.Module = nn.Sigmoid() if spec.output_activation == "logistic" else nn.Identity()
        if spec.tied:
            if signature.vocab != signature.outputs:
                raise UsageError(
                    f"model.tied = true: expected false where {signature.vocab or 'no'} tokens are read and "
                    f"{signature.outputs} predicted"
                )
            self.encoder.weight = self.head.weight

    def forward(
        self, inputs: Tensor, state: State | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """The output and the recurrent state after the last step.

        Args:
            inputs: [B, T] int64 tokens or [B, T, F] float32.
            state: what an earlier call returned, or None for zeros.
            lengths: [B] valid steps; at least 1. What comes after them changes no output at a valid step.

        Returns:
            [B, T, C] or [B, C], and a tuple of [B, ...] parts for each layer, each of its directions apart.

        Raises:
            UsageError: a state is carried on in a model that reads both ways.
        """
        if self.ways == 2 and state is not None:
            raise UsageError(
                "model.bidirectional = true reads what comes next: expected false where batches are carried on"
            )
        x = encoded = self.encoder(inputs)
        after: list[tuple[Tensor, ...]] = []
        for depth in range(len(self.layers) // self.ways):
            y, found = self._read(depth, self.dropout(x), state, lengths)
            x = x + y if self.residual and x.shape == y.shape else y
            after += found
        if not self.every_step:
            x, encoded = self._at_end(x, lengths), at_end(encoded, lengths)
        if self.skip:
            x = torch.cat([x, encoded], dim=-1)
        return self.squash(self.head(self.narrow(self.dropout(x)))), tuple(after)

    def _read(
        self, depth: int, x: Tensor, state: State | None, lengths: Tensor | None
    ) -> tuple[Tensor, list[tuple[Tensor, ...]]]:
        """A layer over a whole sequence: outputs, and the state after it, of each direction.

        Both ways are once forward and once over the reversed valid steps, side by side: a packed sequence would leave
        the fused kernel, and here what lies behind a sequence's end stays behind it.
        """
        if self.ways == 1:
            y, found = self.layers[depth](x, None if state is None else state[depth])
            return y, [found]
        ahead, back = self.layers[2 * depth : 2 * depth + 2]
        (forward, found), (backward, found_back) = ahead(x), back(turned(x, lengths))
        return torch.cat([forward, turned(backward, lengths)], dim=-1), [found, found_back]

    def _at_end(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """Each direction's last valid step, [B, H] or [B, 2 H]: of the one that reads backward, the first."""
        if self.ways == 1:
            return at_end(x, lengths)
        forward, backward = x.chunk(2, dim=-1)
        return torch.cat([at_end(forward, lengths), backward[:, 0]], dim=-1)


class VariationalDropout(nn.Dropout):
    """One mask for all steps of a sequence (Gal and Ghahramani 2016)."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, H], or [B, H] where there is but one step."""
        if not self.training or not self.p:
            return x
        return x * nn.functional.dropout(torch.ones_like(x if x.dim() == 2 else x[:, :1]), self.p)


class OneHot(nn.Module):
    """Tokens as unit vectors: an encoder without weights."""

    def __init__(self, vocab: int) -> None:
        super().__init__()
        self.vocab = vocab

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """[B, T, vocab] float32."""
        return nn.functional.one_hot(tokens_BT, self.vocab).float()


def at_end(x_BTH: Tensor, lengths_B: Tensor | None) -> Tensor:
    """The last valid step of each sequence, [B, H]."""
    if lengths_B is None:
        return x_BTH[:, -1]
    return x_BTH[torch.arange(len(x_BTH), device=x_BTH.device), lengths_B - 1]


def turned(x_BTH: Tensor, lengths_B: Tensor | None) -> Tensor:
    """The valid steps of each sequence in reverse order; padding stays where it is."""
    if lengths_B is None:
        return x_BTH.flip(1)
    steps = torch.arange(x_BTH.shape[1], device=x_BTH.device)
    mirrored_BT = lengths_B[:, None] - 1 - steps
    at_BT = torch.where(mirrored_BT >= 0, mirrored_BT, steps)
    return x_BTH.gather(1, at_BT[..., None].expand_as(x_BTH))


def detached(state: State) -> State:
    """The same state with its history cut off: truncated backpropagation ends here."""
    return tuple(tuple(part.detach() for part in layer) for layer in state)
