"""The online learner of 1997: its kernels against the plain cell and autograd, and its runs."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

pytest.importorskip("numba")
from lstm_bench.online import kernels
from lstm_bench.online.learner import OnlineModel, _data, network
from lstm_bench.online.net import Bounds

EXACT: Any = {"rtol": 0, "atol": 1e-10}
NETS = [
    pytest.param({"block_size": 2}, {}, id="experiments 4 to 6"),
    pytest.param({"biases": "none"}, {"head_bias": False}, id="2c"),
    pytest.param({"biases": "gates"}, {"head_bias": False}, id="1"),
    pytest.param({"output_gate": False, "recurrent": False, "biases": "none"}, {"skip": True}, id="2a"),
]
NO_END = Bounds(0.0, 1, 0.0)


def nets(signature: Signature, options: Any, head: Any) -> tuple[OnlineModel, SequenceModel]:
    """The same network twice, far from small: for the kernel, and for autograd."""
    spec = ModelSpec(cell="h97", hidden=4, embedding=0, output_activation="logistic", head_range=1.0, **head)
    cell = {**options, "truncated": True, "init_range": 1.0}
    fast, plain = network(signature, spec, cell), SequenceModel(signature, spec, cell).double()
    plain.load_state_dict(fast.state_dict())
    return fast, plain


def sequences(signature: Signature, count: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, lengths and aims."""
    lengths_B = torch.randint(1, steps + 1, (count,))
    if signature.vocab:
        inputs = torch.randint(0, signature.vocab, (count, steps))
    else:
        inputs = torch.randn(count, steps, signature.features or 0, dtype=torch.float64)
    shape = (count, steps) if signature.every_step else (count, 1)
    return inputs, lengths_B, torch.rand(*shape, signature.outputs, dtype=torch.float64)


def dense(inputs: Tensor, signature: Signature) -> Tensor:
    return torch.nn.functional.one_hot(inputs, signature.vocab).double() if signature.vocab else inputs


def as_plain(plain: SequenceModel, inputs: Tensor, lengths_B: Tensor, signature: Signature) -> Tensor:
    """The outputs by torch, [B, T or 1, C]; it takes float64, which the model's own one-hot is not."""
    plain.encoder = torch.nn.Identity()
    output, _ = plain(dense(inputs, signature), None, lengths_B)
    return output if signature.every_step else output[:, None]


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize(("options", "head"), NETS)
def test_it_answers_and_learns_as_the_plain_cell_under_autograd(
    options: Any, head: Any, tokens: bool, every_step: bool
) -> None:
    """Sequence by sequence: the same outputs, and after a step of plain SGD the same weights."""
    kind: Any = {"vocab": 5} if tokens else {"features": 3}
    signature = Signature(outputs=2, every_step=every_step, **kind)
    fast, plain = nets(signature, options, head)
    inputs, lengths_B, aims = sequences(signature, 6, 9)
    valid_BT = (torch.arange(aims.shape[1]) < lengths_B[:, None])[..., None] if every_step else torch.ones(6, 1, 1)

    answered, _ = fast(inputs, None, lengths_B)
    expected = as_plain(plain, inputs, lengths_B, signature) * valid_BT
    assert_close(answered.view_as(expected), expected.detach(), **EXACT)

    losses, norms = [], []
    for b in range(len(inputs)):
        output = as_plain(plain, inputs[b : b + 1], lengths_B[b : b + 1], signature)
        loss = 0.5 * ((output - aims[b : b + 1]) ** 2 * valid_BT[b : b + 1]).sum()
        plain.zero_grad()
        loss.backward()
        parts = [p for p in plain.parameters() if p.grad is not None]
        norms.append(math.sqrt(sum(float((p.grad**2).sum()) for p in parts if p.grad is not None)))
        losses.append(loss.item())
        torch.optim.SGD(parts, lr=0.5).step()
    sums = np.zeros(3)
    data = _data(inputs, lengths_B, every_step=every_step)
    done = kernels.learn(fast.net(), data, aims.numpy(), 0.5, np.zeros((0, 2)), 0, NO_END, sums)
    assert done == len(inputs)
    for (name, found), wanted in zip(fast.named_parameters(), plain.parameters(), strict=True):
        assert_close(found.detach(), wanted.detach(), **EXACT, msg=lambda text, name=name: f"{name}: {text}")
    assert sums.tolist() == pytest.approx([sum(losses), sum(norms), max(norms)], abs=1e-10)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(1, 12), st.integers(0, 3))
def test_who_is_met_is_all_below_the_bounds(room: int, count: int, allowed_more: int) -> None:
    """The ring has the latest errors alone, and it stops at the first sequence after which the criterion holds."""
    torch.manual_seed(100 * room + count)
    signature = Signature(features=1, outputs=1, every_step=False)
    fast, plain = nets(signature, {}, {})
    inputs, lengths_B, aims = sequences(signature, count, 3)
    bounds = Bounds(0.4, 1 + allowed_more, 0.3)
    errors = (as_plain(plain, inputs, lengths_B, signature) - aims).abs().flatten().tolist()

    def holds(after: int) -> bool:
        last = [1.0] * room + errors[:after]
        return sum(e >= 0.4 for e in last[-room:]) < bounds.allowed and np.mean(last[-room:]) < bounds.mean

    first = next((k for k in range(1, count + 1) if errors[k - 1] < 0.4 and holds(k)), None)
    latest = np.ones((room, 2))
    data = _data(inputs, lengths_B, every_step=False)
    done = kernels.learn(fast.net(), data, aims.numpy(), 1e-300, latest, 0, bounds, np.zeros(3))
    assert done == (-first if first else count)
    kept = ([1.0] * room + errors[: abs(done)])[-room:]
    assert sorted(latest[:, 0]) == pytest.approx(sorted(kept), abs=1e-12)
