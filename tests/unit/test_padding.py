"""Sequences of unequal length: what lies behind an end changes nothing, both directions, and the kernel stays fused."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.profiler import ProfilerActivity, profile
from torch.testing import assert_close

from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

B, T, F, C = 4, 9, 3, 5
calm = settings(deadline=None, max_examples=30)
ways = st.sampled_from([False, True])
some_lengths = st.lists(st.integers(1, T), min_size=B, max_size=B)


def network(*, every_step: bool, layers: int = 1, bidirectional: bool = False, **sizes: Any) -> SequenceModel:
    torch.manual_seed(0)
    spec = ModelSpec(hidden=6, layers=layers, bidirectional=bidirectional, embedding=sizes.pop("embedding", 4))
    signature = Signature(outputs=C, every_step=every_step, **(sizes or {"features": F}))
    return SequenceModel(signature, spec).eval()


def drawn(seed: int = 1) -> Tensor:
    return torch.randn(B, T, F, generator=torch.Generator().manual_seed(seed))


@calm
@given(lengths=some_lengths, rubbish=st.floats(width=32), both=ways, layers=st.integers(1, 3), every_step=ways)
def test_a_sequence_in_a_padded_batch_is_the_sequence_alone(
    lengths: list[int], rubbish: float, both: bool, layers: int, every_step: bool
) -> None:
    x_BTF = drawn()
    model = network(every_step=every_step, layers=layers, bidirectional=both)
    alone = [model(x[None, :length])[0][0] for x, length in zip(x_BTF, lengths, strict=True)]
    for x, length in zip(x_BTF, lengths, strict=True):
        x[length:] = rubbish  # infinities and what is no number among it
    output, _ = model(x_BTF, None, torch.tensor(lengths))
    for found, right, length in zip(output, alone, lengths, strict=True):
        assert_close(found[:length] if every_step else found, right)


@calm
@given(lengths=some_lengths, both=ways)
def test_no_gradient_flows_into_padding(lengths: list[int], both: bool) -> None:
    x_BTF = drawn().requires_grad_()
    output, _ = network(every_step=False, layers=2, bidirectional=both)(x_BTF, None, torch.tensor(lengths))
    output.sum().backward()
    assert x_BTF.grad is not None
    padding = torch.arange(T) >= torch.tensor(lengths)[:, None]
    assert not x_BTF.grad[padding].any()
    assert x_BTF.grad[~padding].any()


@calm
@given(lengths=some_lengths, layers=st.integers(1, 2))
def test_both_directions_are_those_of_a_packed_lstm(lengths: list[int], layers: int) -> None:
    x_BTF = drawn()
    model = network(every_step=True, layers=layers, bidirectional=True)
    reference = nn.LSTM(F, 6, num_layers=layers, bidirectional=True, batch_first=True)
    with torch.no_grad():
        for depth in range(layers):
            for way, suffix in enumerate(("", "_reverse")):
                own = dict(model.layers[2 * depth + way].named_parameters())
                for name, value in own.items():
                    stem = next(stem for stem in ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if stem in name)
                    getattr(reference, f"{stem}_l{depth}{suffix}").copy_(value)
        packed = pack_padded_sequence(x_BTF, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        right, _ = pad_packed_sequence(reference(packed)[0], batch_first=True, total_length=T)
        output, _ = model(x_BTF, None, torch.tensor(lengths))
        expected = model.head(right)
    for found, wanted, length in zip(output, expected, lengths, strict=True):
        assert_close(found[:length], wanted[:length])


@pytest.mark.parametrize("both", [False, True])
def test_unequal_lengths_stay_in_the_fused_kernel(both: bool) -> None:
    """On a CPU that is oneDNN's; a packed sequence would leave it for a loop over the steps."""
    model, lengths = network(every_step=False, bidirectional=both), torch.tensor([9, 4, 7, 1])

    def kernels(lengths_B: Tensor | None) -> tuple[int, int]:
        with profile(activities=[ProfilerActivity.CPU]) as watched, torch.no_grad():
            model(drawn(), None, lengths_B)
        names = [event.name for event in watched.events()]
        return sum(name == "aten::mkldnn_rnn_layer" for name in names), sum("lstm_cell" in name for name in names)

    if not kernels(None)[0]:
        pytest.skip("this torch has no fused LSTM for CPUs")
    assert kernels(lengths) == kernels(None) == (2 if both else 1, 0)


@calm
@given(lengths=some_lengths, tokens=st.lists(st.integers(0, 6), min_size=B * T, max_size=B * T), both=ways)
def test_one_hot_tokens_are_features(lengths: list[int], tokens: list[int], both: bool) -> None:
    tokens_BT = torch.tensor(tokens).reshape(B, T)
    by_token = network(every_step=False, bidirectional=both, vocab=7, embedding=0)
    by_feature = network(every_step=False, bidirectional=both, features=7)
    output, _ = by_token(tokens_BT, None, torch.tensor(lengths))
    other, _ = by_feature(nn.functional.one_hot(tokens_BT, 7).float(), None, torch.tensor(lengths))
    assert torch.equal(output, other)
