"""Floating-point operations of a model, told from the shapes of its weights; nothing is allocated.

Matrix products alone are counted. Forward, a matrix takes a multiplication and an addition for each of its weights;
backward as many again for the gradient of what came into it, and as many for its own. The gradient of the model's input
is not computed, and not counted. Elementwise work (gates, normalisation, loss, optimiser) is left out, as are the steps
of padding: what is counted is what the model needs, not what a machine happens to do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from lstm_bench.model import NONE, SequenceModel
from lstm_bench.optimizer import is_matrix
from lstm_bench.spec import ModelSpec, Value
from lstm_bench.task import Signature


@dataclass(frozen=True, slots=True)
class Flops:
    """What a model takes.

    Attributes:
        timestep: for each time step.
        sequence: besides, for each sequence: a head that answers but once, and what narrows its input.
    """

    timestep: int
    sequence: int

    def of(self, timesteps: float, sequences: float) -> float:
        """For so many, or a second where so many are done in one."""
        return self.timestep * timesteps + self.sequence * sequences


def forward(signature: Signature, spec: ModelSpec, options: Mapping[str, Value] = NONE) -> Flops:
    """Of a model's outputs alone. Looking up an embedding takes none."""
    return _forward(_shapes(signature, spec, options))


def training(signature: Signature, spec: ModelSpec, options: Mapping[str, Value] = NONE) -> Flops:
    """Forward, and backward for the gradients of all weights: three times forward, less the input's own gradient.

    A gradient that a cell truncates is counted as a whole one.
    """
    network = _shapes(signature, spec, options)
    there = _forward(network)
    return Flops(3 * there.timestep - _of_input(network, signature, spec, options), 3 * there.sequence)


def count(signature: Signature, spec: ModelSpec, options: Mapping[str, Value] = NONE) -> dict[str, int]:
    """How large a model is.

    Returns:
        `params`: weights in all. `flops`: of a time step forward, a head that answers but once left out.
    """
    network = _shapes(signature, spec, options)
    return {"params": sum(p.numel() for p in network.parameters()), "flops": _forward(network).timestep}


def _forward(network: SequenceModel) -> Flops:
    layers, answer = 2 * _weights(network.layers), 2 * (_weights(network.narrow) + _weights(network.head))
    return Flops(layers + answer, 0) if network.every_step else Flops(layers, answer)


def _shapes(signature: Signature, spec: ModelSpec, options: Mapping[str, Value]) -> SequenceModel:
    with torch.device("meta"):
        return SequenceModel(signature, spec, options)


def _weights(module: nn.Module) -> int:
    """Of its matrices."""
    return sum(p.numel() for name, p in module.named_parameters() if is_matrix(name, p))


def _of_input(network: SequenceModel, signature: Signature, spec: ModelSpec, options: Mapping[str, Value]) -> int:
    """The layers' products with the model's input, which needs no gradient: what one more input adds, times the inputs.

    An embedding's vectors do need theirs, which are its weights'.
    """
    if signature.features is not None:
        width, wider = signature.features, replace(signature, features=signature.features + 1)
    elif signature.vocab is not None and not spec.embedding:
        width, wider = signature.vocab, replace(signature, vocab=signature.vocab + 1)
    else:
        return 0
    return 2 * width * (_weights(_shapes(wider, spec, options).layers) - _weights(network.layers))
