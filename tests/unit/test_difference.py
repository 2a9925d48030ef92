import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.difference import (
    FEWEST_FOR_WELCH,
    FEWEST_OF_UNEQUAL,
    Difference,
    of_pairs,
    paired,
    seeds_to_decide,
    unpaired,
)

calm = settings(deadline=None, max_examples=40)
values = st.floats(-100, 100).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(values, values), min_size=2, max_size=8)
several = st.lists(values, min_size=2, max_size=12)


def test_pairs_worked_by_hand() -> None:
    # differences 1, 2, 3: mean 2, s = 1, error = 1 / sqrt(3) = 0.57735, t = 3.4641 with 2 degrees of freedom.
    # P(|t(2)| > T) = 1 - T / sqrt(T^2 + 2) = 1 - 3.4641 / sqrt(14) = 0.07418
    found = paired([3.0, 5.0, 7.0], [2.0, 3.0, 4.0])
    assert (found.mean, found.freedom, found.n, found.test) == (2.0, 2, 3, "paired t")
    assert found.error == pytest.approx(1 / math.sqrt(3))
    assert found.p_value == pytest.approx(0.07418, abs=1e-5)
    assert found.interval().high == pytest.approx(2 + 4.30265 / math.sqrt(3), abs=1e-5)


def test_unpaired_worked_by_hand() -> None:
    # means 2 and 6; variances 1 and 4, shares 1/3 and 4/3: error = sqrt(5/3)
    # freedom = (5/3)^2 / ((1/3)^2 / 2 + (4/3)^2 / 2) = (25/9) / (17/18) = 50/17
    found = unpaired([1.0, 2.0, 3.0], [4.0, 6.0, 8.0])
    assert (found.mean, found.test) == (-4.0, "Welch t")
    assert found.error == pytest.approx(math.sqrt(5 / 3))
    assert found.freedom == pytest.approx(50 / 17)


def test_few_against_many_have_the_freedom_of_the_few() -> None:
    few, many = [1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]
    assert (unpaired(few, many).freedom, unpaired(few, many).test) == (2, "t with the smaller sample's freedom")
    assert unpaired(few[:2], many[:2]).freedom == FEWEST_FOR_WELCH - 2
    enough = list(np.linspace(0, 1, FEWEST_OF_UNEQUAL))
    assert unpaired(enough, [*enough, 2.0]).test == "Welch t"
    assert unpaired(enough[1:], [*enough, 2.0]).freedom == FEWEST_OF_UNEQUAL - 2


@calm
@given(pairs)
def test_pairs_are_those_of_scipy(drawn: list[tuple[float, float]]) -> None:
    first, second = zip(*drawn, strict=True)
    found = paired(first, second)
    assume(found.error > 1e-3)
    theirs = stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-12)
    low, high = theirs.confidence_interval(0.9)
    assert (found.interval(0.9).low, found.interval(0.9).high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


@calm
@given(st.integers(3, 9).flatmap(lambda n: st.lists(st.lists(values, min_size=n, max_size=n), min_size=2, max_size=2)))
def test_samples_of_equal_size_are_welchs_of_scipy(drawn: list[list[float]]) -> None:
    found = unpaired(*drawn)
    assume(found.error > 1e-3)
    theirs = stats.ttest_ind(*drawn, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-5, abs=1e-12)
    assert found.freedom == pytest.approx(theirs.df, rel=1e-6)


@calm
@given(pairs, st.floats(0.01, 50))
def test_equivalence_is_two_one_sided_tests_of_scipy(drawn: list[tuple[float, float]], margin: float) -> None:
    apart = [one - other for one, other in drawn]
    found = of_pairs(apart)
    assume(found.error > 1e-3)
    above = stats.ttest_1samp(apart, -margin, alternative="greater").pvalue
    below = stats.ttest_1samp(apart, margin, alternative="less").pvalue
    assert found.tost(margin) == pytest.approx(max(above, below), rel=1e-5, abs=1e-12)
    within = found.interval(0.9)
    assert within.low is not None
    assert within.high is not None
    assert (found.tost(margin) < 0.05) == (-margin < within.low and within.high < margin) or math.isclose(
        found.tost(margin), 0.05, rel_tol=1e-6
    )


@calm
@given(several, several)
def test_sides_swapped_is_the_difference_turned(first: list[float], second: list[float]) -> None:
    one, other = unpaired(first, second), unpaired(second, first)
    assert (one.mean, one.error, one.freedom) == pytest.approx((-other.mean, other.error, other.freedom))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_equivalent(3.0) == pytest.approx(other.p_equivalent(3.0))


@calm
@given(several, several, st.floats(0.01, 100), values)
def test_another_unit_or_zero_changes_no_p(first: list[float], second: list[float], scale: float, shift: float) -> None:
    found = unpaired(first, second)
    assume(found.error > 1e-3)
    moved = unpaired([scale * x + shift for x in first], [scale * x + shift for x in second])
    assert (moved.mean, moved.error) == pytest.approx((scale * found.mean, scale * found.error), rel=1e-5, abs=1e-6)
    assert moved.p_value == pytest.approx(found.p_value, rel=1e-4, abs=1e-9)
    assert moved.tost(scale * 2.0) == pytest.approx(found.tost(2.0), rel=1e-4, abs=1e-9)


@calm
@given(several, several, st.randoms())
def test_the_order_of_runs_does_not_matter(first: list[float], second: list[float], chance: object) -> None:
    mixed = list(first)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert unpaired(mixed, second) == unpaired(first, second)


@calm
@given(pairs)
def test_more_confidence_is_wider_and_p_says_which_interval_touches_zero(drawn: list[tuple[float, float]]) -> None:
    found = paired(*zip(*drawn, strict=True))
    assume(found.error > 1e-3)
    narrow, wide = found.interval(0.8), found.interval(0.95)
    assert (narrow.half or 0) < (wide.half or 0)
    assume(1e-6 < found.p_value < 1)
    touching = found.interval(1 - found.p_value)
    assert min(abs(touching.low or 0), abs(touching.high or 0)) == pytest.approx(0, abs=1e-6 * (1 + abs(found.mean)))


@pytest.mark.parametrize(("first", "p_value", "equivalent"), [([1.0, 1.0], 0.0, 0.0), ([0.5, 0.5], 1.0, 1.0)])
def test_equal_values_leave_no_doubt(first: list[float], p_value: float, equivalent: float) -> None:
    for found in (paired(first, [0.5, 0.5]), unpaired(first, [0.5, 0.5])):
        assert found.error == 0
        assert found.p_value == p_value
        assert found.p_equivalent(0.1) == equivalent
        assert found.interval() == found.interval(0.5)


def test_spreads_so_small_that_their_squares_vanish_have_a_freedom() -> None:
    found = unpaired([0.0, 1e-90, 2e-90], [0.0, 1e-90, 2e-90])
    assert found.freedom == pytest.approx(4)


def test_too_few_are_refused() -> None:
    with pytest.raises(ValueError, match="1 pairs"):
        paired([1.0], [2.0])
    with pytest.raises(ValueError, match="samples of 1 and 2"):
        unpaired([1.0], [2.0, 3.0])
    with pytest.raises(ValueError, match="zip"):
        paired([1.0, 2.0], [1.0])


@calm
@given(several, several, st.floats(0, 50), st.sampled_from([0.9, 0.95, 0.995]))
def test_what_is_undecided_wants_more_seeds_than_it_had(
    first: list[float], second: list[float], margin: float, confidence: float
) -> None:
    found = unpaired(first, second)
    assume(found.error > 0)
    wanted = seeds_to_decide(found, margin, confidence)
    decided = min(found.p_value, found.tost(margin)) < 1 - confidence
    assert decided == (wanted is not None and wanted <= found.n)
    if wanted is not None and not decided:  # and one fewer would not do
        assert seeds_to_decide(grown(found, wanted), margin, confidence) == wanted
        assert min(grown(found, wanted).p_value, grown(found, wanted).tost(margin)) < 1 - confidence
        assert min(grown(found, wanted - 1).p_value, grown(found, wanted - 1).tost(margin)) >= 1 - confidence


def grown(found: Difference, n: int) -> Difference:
    """The same difference and spread from n seeds of each."""
    freedom = found.freedom * (n - 1) / (found.n - 1)
    return Difference(found.mean, found.error * math.sqrt(found.n / n), freedom, n, found.test)
