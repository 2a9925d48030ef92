from collections.abc import Mapping

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench.model import SequenceModel
from lstm_bench.optimizer import Average, is_matrix, make_optimizer
from lstm_bench.plugins import CELLS, installed
from lstm_bench.spec import ModelSpec, TrainSpec
from lstm_bench.task import Signature

calm = settings(deadline=None, max_examples=25)


def stepped(spec: TrainSpec, gradients: list[float]) -> Tensor:
    """A weight that begins at 1, after these gradients."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = make_optimizer(model, spec)
    for gradient in gradients:
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    return model.weight.detach().flatten()


@calm
@given(
    gradients=st.lists(st.floats(-10, 10, width=32), max_size=6),
    momentum=st.sampled_from([0.0, 0.5, 0.9]),
    decay=st.sampled_from([0.0, 0.1]),
)
def test_rmsprop_by_hand(gradients: list[float], momentum: float, decay: float) -> None:
    weight, square, speed = 1.0, 0.0, 0.0
    for gradient in gradients:
        pull = gradient + decay * weight
        square = 0.99 * square + 0.01 * pull**2
        speed = momentum * speed + pull / (square**0.5 + 1e-8)
        weight -= 0.01 * speed
    spec = TrainSpec(optimizer="rmsprop", lr=0.01, momentum=momentum, weight_decay=decay)
    assert float(stepped(spec, gradients)) == pytest.approx(weight, rel=1e-4, abs=1e-5)


@calm
@given(gradients=st.lists(st.floats(-10, 10, width=32), max_size=6))
def test_adamw_without_decay_is_adam(gradients: list[float]) -> None:
    weight = nn.Parameter(torch.ones(1))
    adam = torch.optim.Adam([weight], lr=0.01)
    for gradient in gradients:
        weight.grad = torch.full((1,), gradient)
        adam.step()
    assert_close(stepped(TrainSpec(lr=0.01), gradients), weight.detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("cell", sorted(installed(CELLS)))
def test_decay_is_on_every_cells_matrices_alone(cell: str) -> None:
    signature = Signature(vocab=5, outputs=5, every_step=True)
    model = SequenceModel(signature, ModelSpec(cell=cell, hidden=4, layers=2))
    free = {name for name, weight in model.named_parameters() if not is_matrix(name, weight)}
    known = ("bias", "norm", "peepholes")  # what our cells call them
    assert free == {name for name, _ in model.named_parameters() if any(word in name for word in known)}


def weights_of(model: nn.Module) -> Mapping[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@calm
@given(decay=st.sampled_from([0.1, 0.9, 0.999]), steps=st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=8))
def test_the_average_is_the_weighted_mean_of_what_was_taken(decay: float, steps: list[float]) -> None:
    model = nn.Linear(2, 1)
    average = Average(model, decay)
    for step, value in enumerate(steps, 1):
        nn.init.constant_(model.weight, value)
        average.take(step)
    shares = [decay ** (len(steps) - 1 - k) for k in range(len(steps))]
    expected = sum(share * value for share, value in zip(shares, steps, strict=True)) / sum(shares)
    average.swap()
    assert_close(model.weight.detach(), torch.full((1, 2), expected), rtol=1e-4, atol=1e-4)


def test_what_is_swapped_twice_is_as_it_was_and_lies_where_it_lay() -> None:
    model = nn.LSTM(2, 3)
    average, places = Average(model, 0.5), [p.data_ptr() for p in model.parameters()]
    with torch.no_grad():
        for p in model.parameters():
            p.add_(1.0)
    before = weights_of(model)
    average.swap()
    assert_close(weights_of(model), {name: value - 1 for name, value in before.items()})
    average.swap()
    assert_close(weights_of(model), before, rtol=0, atol=0)
    assert [p.data_ptr() for p in model.parameters()] == places
