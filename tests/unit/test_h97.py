"""The block of 1997: the weights that the paper counts, its equations, and its truncated gradient."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lstm_bench.cells.h97 import H97
from lstm_bench.model import SequenceModel, count
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature


@pytest.mark.parametrize(
    ("weights", "inputs", "outputs", "cells", "options", "head"),
    [
        pytest.param(264, 7, 7, 4, {"block_size": 1, "biases": "gates"}, {"head_bias": False}, id="1, 4 blocks of 1"),
        pytest.param(276, 7, 7, 6, {"block_size": 2, "biases": "gates"}, {"head_bias": False}, id="1, 3 blocks of 2"),
        pytest.param(10_504, 101, 101, 1, {"output_gate": False, "recurrent": False, "biases": "none"},
                     {"head_bias": False, "skip": True}, id="2a"),
        pytest.param(364, 54, 2, 2, {"biases": "none"}, {"head_bias": False}, id="2c, p = 50"),
        pytest.param(6_064, 1_004, 2, 2, {"biases": "none"}, {"head_bias": False}, id="2c, p = 1000"),
        pytest.param(102, 1, 1, 3, {}, {"head_bias": False}, id="3"),
        pytest.param(93, 2, 1, 4, {"block_size": 2}, {}, id="4 and 5"),
        pytest.param(156, 8, 4, 4, {"block_size": 2}, {}, id="6a"),
        pytest.param(308, 8, 8, 6, {"block_size": 2}, {}, id="6b"),
    ],
)  # fmt: skip
def test_a_network_has_as_many_weights_as_the_paper_says(
    weights: int, inputs: int, outputs: int, cells: int, options: Any, head: Any
) -> None:
    spec = ModelSpec(cell="lstm_bench.cells.h97:H97", hidden=cells, **head)
    assert count(Signature(features=inputs, outputs=outputs, every_step=True), spec, options)["params"] == weights


def slow(cell: H97, x_BTF: Tensor, *, truncated: bool) -> Tensor:
    """The equations unit by unit, for blocks of two cells."""
    w, r, b = cell.weight_input, cell.weight_hidden, cell.bias
    hidden, blocks = cell.hidden, cell.hidden // 2
    y = [torch.zeros(len(x_BTF)) for _ in range(hidden + 2 * blocks)]
    s = [torch.zeros(len(x_BTF)) for _ in range(hidden)]
    outputs = []
    for x in x_BTF.unbind(1):
        before = [one.detach() if truncated else one for one in y]
        net = [x @ w[u] + sum(r[u, v] * before[v] for v in range(len(before))) + b[u] for u in range(len(before))]
        opened = [torch.sigmoid(one) for one in net[hidden:]]
        for j in range(hidden):
            s[j] = s[j] + opened[j // 2] * (4 * torch.sigmoid(net[j]) - 2)
        y = [opened[blocks + j // 2] * (2 * torch.sigmoid(s[j]) - 1) for j in range(hidden)] + opened
        outputs.append(torch.stack(y[:hidden], dim=1))
    return torch.stack(outputs, dim=1)


@pytest.mark.parametrize("truncated", [False, True])
def test_it_is_its_equations_and_its_gradient_too(truncated: bool) -> None:
    torch.manual_seed(0)
    cell = H97(3, 4, block_size=2, truncated=truncated)
    x_BTF = torch.randn(2, 6, 3, requires_grad=True)
    weights = torch.randn(2, 6, 4)
    found, right = cell(x_BTF)[0], slow(cell, x_BTF, truncated=truncated)
    assert_close(found, right)
    inputs = [x_BTF, *cell.parameters()]
    for one, other in zip(
        torch.autograd.grad((found * weights).sum(), inputs), torch.autograd.grad((right * weights).sum(), inputs),
        strict=True,
    ):  # fmt: skip
        assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_truncated_errors_go_backward_through_the_states_alone() -> None:
    torch.manual_seed(0)
    x_BTF = torch.randn(1, 5, 3, requires_grad=True)
    for name, gone in (("input gate closed", True), ("open", False)):
        cell = H97(3, 2, truncated=True)
        with torch.no_grad():
            cell.bias[2:4] = -100.0 if gone else 0.0  # nothing enters a state any more
        (slope,) = torch.autograd.grad(cell(x_BTF)[0][:, -1].sum(), x_BTF)
        assert bool(slope[:, :-1].any()) is not gone, name


def test_a_model_of_it_can_be_scored_at_the_end() -> None:
    model = SequenceModel(
        Signature(features=2, outputs=1, every_step=False), ModelSpec(cell="lstm_bench.cells.h97:H97", hidden=4)
    )
    assert model(torch.randn(3, 7, 2), None, torch.tensor([7, 2, 5]))[0].shape == (3, 1)
