"""The online learner of 1997: its kernels against the plain cell and autograd, and its runs."""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from keeping import Kept
from torch import Tensor
from torch.func import functional_call
from torch.testing import assert_close

from lstm_bench.errors import UsageError
from lstm_bench.execute import execute, spec_of
from lstm_bench.model import SequenceModel
from lstm_bench.result import Status
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

pytest.importorskip("numba")
from lstm_bench.learners import kernels
from lstm_bench.learners.net import LATE, Bounds, data_of
from lstm_bench.learners.online import OnlineModel, network

EXACT: Any = {"rtol": 0, "atol": 1e-10}
NETS = [
    pytest.param(({"block_size": 2}, {}), id="experiments 4 to 6"),
    pytest.param(({"biases": "none"}, {"head_bias": False}), id="2c"),
    pytest.param(({"biases": "gates"}, {"head_bias": False}), id="1"),
    pytest.param(({"output_gate": False, "recurrent": False, "biases": "none"}, {"skip": True}), id="2a"),
    pytest.param(({"block_size": 2}, {"output_activation": "none"}), id="outputs that are not squashed"),
]
NO_END = Bounds(0.0, 1, 0.0)


def nets(signature: Signature, options: Any, head: Any) -> tuple[OnlineModel, SequenceModel]:
    """The same network twice, far from small: for the kernel, and for autograd."""
    head = {"output_activation": "logistic", **head}
    spec = ModelSpec(cell="h97", hidden=4, embedding=0, head_range=1.0, **head)
    cell = {**options, "truncated": True, "init_range": 1.0}
    fast, plain = network(signature, spec, cell), SequenceModel(signature, spec, cell).double()
    plain.load_state_dict(fast.state_dict())
    return fast, plain


def sequences(signature: Signature, lengths_B: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, lengths and aims."""
    count, steps = len(lengths_B), max(lengths_B)
    if signature.vocab:
        inputs = torch.randint(0, signature.vocab, (count, steps))
    else:
        inputs = torch.randn(count, steps, signature.features or 0, dtype=torch.float64)
    shape = (count, steps) if signature.every_step else (count, 1)
    return inputs, torch.tensor(lengths_B), torch.rand(*shape, signature.outputs, dtype=torch.float64)


def dense(inputs: Tensor, signature: Signature) -> Tensor:
    return torch.nn.functional.one_hot(inputs, signature.vocab).double() if signature.vocab else inputs


def as_plain(plain: SequenceModel, inputs: Tensor, lengths_B: Tensor, signature: Signature) -> Tensor:
    """The outputs by torch, [B, T or 1, C]; it takes float64, which the model's own one-hot is not."""
    plain.encoder = torch.nn.Identity()
    output, _ = plain(dense(inputs, signature), None, lengths_B)
    return output if signature.every_step else output[:, None]


def learnt(plain: SequenceModel, inputs: Tensor, aims: Tensor, *, every_step: bool) -> Iterator[tuple[float, float]]:
    """A step of plain SGD at each answer of a sequence, by autograd: the loss, and the gradient's norm.

    At each step the weights are leaves that begin at zero on top of what they are by then, so that the states have
    come about by the weights of their own time, and the gradient is still that of one and the same leaf.
    """
    begun = {name: part.detach().clone() for name, part in plain.named_parameters()}
    leaves = {name: torch.zeros_like(part, requires_grad=True) for name, part in begun.items()}
    state: Any = None
    for t, x in enumerate(inputs):
        by_now = {name: begun[name] + leaves[name] for name in begun}
        output, state = functional_call(plain, by_now, (x[None, None], state))
        if not every_step and t < len(inputs) - 1:
            continue
        loss = 0.5 * ((output.flatten() - aims[t if every_step else 0]) ** 2).sum()
        found = torch.autograd.grad(loss, list(leaves.values()), retain_graph=True, allow_unused=True)
        grads = {name: grad for name, grad in zip(leaves, found, strict=True) if grad is not None}
        yield loss.item(), math.sqrt(sum(float((grad**2).sum()) for grad in grads.values()))
        for name, grad in grads.items():
            begun[name] = begun[name] - 0.5 * grad
    plain.load_state_dict(begun)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


def compare(signature: Signature, nets_of: Any, lengths_B: list[int]) -> None:
    """The same outputs, and after a step of plain SGD at each answer of some sequences the same weights."""
    fast, plain = nets(signature, *nets_of)
    inputs, lengths, aims = sequences(signature, lengths_B)
    answers = torch.arange(aims.shape[1]) < lengths[:, None] if signature.every_step else torch.ones(len(inputs), 1)

    answered, _ = fast(inputs, None, lengths)
    expected = as_plain(plain, inputs, lengths, signature) * answers[..., None]
    assert_close(answered.view_as(expected), expected.detach(), **EXACT)

    losses, norms = [], []
    for b, length in enumerate(lengths_B):
        sequence = dense(inputs[b, :length], signature)
        for loss, norm in learnt(plain, sequence, aims[b], every_step=signature.every_step):
            losses.append(loss)
            norms.append(norm)
    sums = np.zeros(3)
    data = data_of(inputs, lengths, every_step=signature.every_step)
    packed = fast.packed()
    done = kernels.learn(packed.net, *packed.room, data, aims.numpy(), 0.5, np.zeros((0, 2)), 0, NO_END, sums)
    packed.unpack()
    assert done == len(inputs)
    for (name, found), wanted in zip(fast.named_parameters(), plain.parameters(), strict=True):
        assert_close(found.detach(), wanted.detach(), **EXACT, msg=lambda text, name=name: f"{name}: {text}")
    assert sums.tolist() == pytest.approx([sum(losses), sum(norms), max(norms)], abs=1e-10)


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("nets_of", NETS)
def test_it_answers_and_learns_as_the_plain_cell_under_autograd(nets_of: Any, tokens: bool, every_step: bool) -> None:
    kind: Any = {"vocab": 5} if tokens else {"features": 3}
    compare(Signature(outputs=2, every_step=every_step, **kind), nets_of, [3, 9, 1, 5, 2, 8])


@pytest.mark.parametrize("tokens", [False, True])
def test_it_learns_likewise_from_more_steps_than_are_remembered_at_once(tokens: bool) -> None:
    kind: Any = {"vocab": 5} if tokens else {"features": 3}
    signature = Signature(outputs=2, every_step=False, **kind)
    compare(signature, ({"block_size": 2}, {}), [LATE + 1, LATE - 1, 2 * LATE + 5, LATE])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(1, 12), st.integers(0, 3))
def test_who_is_met_is_all_below_the_bounds(room: int, count: int, allowed_more: int) -> None:
    """The ring has the latest errors alone, and it stops at the first sequence after which the criterion holds."""
    torch.manual_seed(100 * room + count)
    signature = Signature(features=1, outputs=1, every_step=False)
    fast, plain = nets(signature, {}, {})
    inputs, lengths_B, aims = sequences(signature, torch.randint(1, 4, (count,)).tolist())
    bounds = Bounds(0.4, 1 + allowed_more, 0.3)
    errors = (as_plain(plain, inputs, lengths_B, signature) - aims).abs().flatten().tolist()

    def holds(after: int) -> bool:
        last = [1.0] * room + errors[:after]
        return sum(e >= 0.4 for e in last[-room:]) < bounds.allowed and np.mean(last[-room:]) < bounds.mean

    first = next((k for k in range(1, count + 1) if errors[k - 1] < 0.4 and holds(k)), None)
    latest = np.ones((room, 2))
    data = data_of(inputs, lengths_B, every_step=False)
    packed = fast.packed()
    done = kernels.learn(packed.net, *packed.room, data, aims.numpy(), 1e-300, latest, 0, bounds, np.zeros(3))
    assert done == (-first if first else count)
    kept = ([1.0] * room + errors[: abs(done)])[-room:]
    assert sorted(latest[:, 0]) == pytest.approx(sorted(kept), abs=1e-12)


FAITHFUL: dict[str, Any] = {
    "model.cell": "h97",
    "model.hidden": 4,
    "model.embedding": 0,
    "model.head_range": 0.1,
    "model.output_activation": "logistic",
    "cell.block_size": 2,
    "cell.truncated": True,
    "train.learner": "online",
    "train.optimizer": "sgd",
    "train.momentum": 0.0,
    "train.schedule": "constant",
    "train.warmup": 0,
    "train.clip": 0.0,
    "train.lr": 0.5,
    "train.batch_size": 32,
    "train.steps": 100,
    "train.eval_every": 10,
}
EASY = {"task": "h97-order", "options": {"experiment": "6a", "length": 20}}


def test_a_run_learns_the_order_and_ends_at_the_sequence_after_which_the_criterion_holds() -> None:
    spec, _ = spec_of(EASY, {**FAITHFUL, "train.steps": 4000})
    kept = Kept()
    result = execute(spec, kept, test=True)
    assert result.status is Status.SOLVED
    *before, last = kept.readings
    assert all(reading.metrics["valid/criterion"] >= 1 for reading in before)
    assert last.metrics["valid/criterion"] < 1
    assert last.metrics["valid/wrong"] == 0
    assert result.metrics["target/sequences"] == last.sequences > 2000
    assert last.sequences % 320  # before the next reading was due
    assert result.metrics["test/wrong"] < 0.01
    assert result.metrics["model/parameters"] == 156


def test_a_run_taken_up_again_ends_as_it_would_have() -> None:
    spec, _ = spec_of(EASY, FAITHFUL)
    whole = Kept()
    execute(spec, whole)
    again = Kept(whole.states[4], whole.readings[:5])
    execute(spec, again)
    timeless = [
        [(r.step, r.sequences, r.timesteps, r.metrics["train/loss"]) for r in k.readings] for k in (whole, again)
    ]
    assert timeless[0] == timeless[1]
    for one, other in zip(whole.states[-1]["model"].values(), again.states[-1]["model"].values(), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(whole.states[-1]["latest"], again.states[-1]["latest"])


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"train.momentum": 0.9}, "train.learner = 'online' with train.momentum = 0.9: expected 0.0"),
        ({"cell.truncated": False}, "with cell.truncated = False: expected True"),
        ({"model.embedding": 8}, "with model.embedding = 8: expected 0"),
    ],
)
def test_what_it_is_not_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=re.escape(told)):
        spec_of(EASY, FAITHFUL | values)


def test_a_task_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="the task 'adding': expected one of 1997's, such as h97-adding"):
        spec_of({"task": "adding"}, FAITHFUL)
