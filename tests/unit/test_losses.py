import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from lstm_bench.losses import accuracy, bits, cross_entropy, mean_squared_error, squared_error
from lstm_bench.task import UNSCORED, Tally

calm = settings(deadline=None)  # the first example warms torch up
LOGITS = torch.tensor([[0.0, 0.0], [math.log(3), 0.0], [5.0, -5.0]])
TARGETS = torch.tensor([0, 1, UNSCORED])  # probabilities 1/2 and 1/4; the third is not scored


@st.composite
def cases(draw: st.DrawFn) -> tuple[Tensor, Tensor, list[int]]:
    """Logits [B, T, C], targets [B, T] of which some are not scored, and where to cut B."""
    size, steps, classes = draw(st.integers(1, 6)), draw(st.integers(1, 4)), draw(st.integers(2, 4))
    random = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    output = torch.randn(size, steps, classes, generator=random)
    codes = st.just(UNSCORED) | st.integers(0, classes - 1)
    targets = torch.tensor(draw(st.lists(codes, min_size=size * steps, max_size=size * steps)))
    cuts = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    return output, targets.reshape(size, steps), cuts


def total(tally: Tally) -> tuple[float, float]:
    return float(tally.total), float(tally.count)


@pytest.mark.parametrize("tally", [accuracy, bits])
@calm
@given(case=cases())
def test_tallies_of_pieces_add_up_to_that_of_the_whole(tally, case: tuple[Tensor, Tensor, list[int]]) -> None:
    output, targets, cuts = case
    pieces = [tally(o, t) for o, t in zip(output.tensor_split(cuts), targets.tensor_split(cuts), strict=True)]
    added = pieces[0]
    for piece in pieces[1:]:
        added += piece
    assert total(added) == pytest.approx(total(tally(output, targets)), rel=1e-5, abs=1e-6)


@calm
@given(case=cases())
def test_squared_errors_of_pieces_add_up_to_those_of_the_whole(case: tuple[Tensor, Tensor, list[int]]) -> None:
    output, targets, cuts = case
    output, values = output[:, 0, :1], targets[:, :1].float()
    pieces = [squared_error(o, v) for o, v in zip(output.tensor_split(cuts), values.tensor_split(cuts), strict=True)]
    added = pieces[0]
    for piece in pieces[1:]:
        added += piece
    assert total(added) == pytest.approx(total(squared_error(output, values)))


@calm
@given(case=cases())
def test_what_is_not_scored_changes_nothing(case: tuple[Tensor, Tensor, list[int]]) -> None:
    output, targets, _ = case
    scored = targets != UNSCORED
    for tally in (accuracy, bits):
        expected = total(tally(output[scored], targets[scored])) if scored.any() else (0.0, 0.0)
        assert total(tally(output, targets)) == pytest.approx(expected, rel=1e-5)
    if scored.any():
        assert_close(cross_entropy(output, targets), cross_entropy(output[scored], targets[scored]))


def test_bits_by_hand() -> None:
    assert total(bits(LOGITS, TARGETS)) == pytest.approx((1 + 2, 2))


def test_cross_entropy_by_hand() -> None:
    assert cross_entropy(LOGITS, TARGETS).item() == pytest.approx(1.5 * math.log(2))


def test_accuracy_by_hand() -> None:
    output = torch.tensor([[[2.0, 1.0], [1.0, 2.0]], [[0.0, 3.0], [0.0, 3.0]]])
    assert total(accuracy(output, torch.tensor([[0, 0], [1, UNSCORED]]))) == (2, 3)


def test_squared_errors_by_hand() -> None:
    output, targets = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[1.0, 0.0], [0.0, 4.0]])
    assert total(squared_error(output, targets)) == (13, 4)
    assert mean_squared_error(output, targets).item() == squared_error(output, targets).value == 3.25


def test_a_tally_sums_more_finely_than_float32() -> None:
    many = torch.full((2**20, 1), 0.1)
    assert squared_error(many, torch.zeros_like(many)).value == pytest.approx(float(many[0, 0]) ** 2, rel=1e-12)
