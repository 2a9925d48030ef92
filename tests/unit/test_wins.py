from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.wins import exact_interval, higher, lower, paired_wins, wins

calm = settings(deadline=None, max_examples=40)
samples = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=8)


def test_pairs_worked_by_hand() -> None:
    # won, won, lost, tied: 2.5 of 4
    found = paired_wins([3.0, 4.0, 1.0, 5.0], [2.0, 1.0, 2.0, 5.0], higher)
    assert (found.share, found.n) == (2.5 / 4, 4)


def test_three_of_three_worked_by_hand() -> None:
    # Clopper and Pearson: low^3 = 0.025, so low = 0.2924; high = 1
    found = paired_wins([3.0, 4.0, 5.0], [1.0, 1.0, 1.0], higher)
    assert (found.share, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.025 ** (1 / 3))


def test_samples_worked_by_hand() -> None:
    # 2 beats 1 and ties 2; 4 beats 1 and 2 but not 5: 1 + 0.5 + 0 + 1 + 1 + 0 of 6
    assert wins([2.0, 4.0], [1.0, 2.0, 5.0], higher).share == pytest.approx(3.5 / 6)


@calm
@given(samples, samples)
def test_samples_are_mann_and_whitneys_of_scipy(first: list[float], second: list[float]) -> None:
    statistic = stats.mannwhitneyu(first, second, method="asymptotic").statistic if len({*first, *second}) > 1 else None
    found = wins(first, second, higher)
    if statistic is not None:
        assert found.share == pytest.approx(statistic / len(first) / len(second))
    assert found.n == min(len(first), len(second))


@pytest.mark.parametrize(("hits", "n", "confidence"), list(product([0, 1, 3, 5], [5, 9], [0.9, 0.95])))
def test_the_interval_is_the_exact_one_of_scipy(hits: int, n: int, confidence: float) -> None:
    theirs = stats.binomtest(hits, n).proportion_ci(confidence, method="exact")
    assert exact_interval(hits, n, confidence) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@calm
@given(samples, samples)
def test_sides_swapped_is_one_minus_it(first: list[float], second: list[float]) -> None:
    one, other = wins(first, second, higher), wins(second, first, higher)
    assert (one.share, one.low, one.high) == pytest.approx((1 - other.share, 1 - other.high, 1 - other.low))
    assert wins(first, second, lower).share == pytest.approx(other.share)


@calm
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8), st.randoms())
def test_the_order_of_seeds_does_not_matter_and_the_interval_holds_the_share(
    drawn: list[tuple[int, int]], chance: object
) -> None:
    found = paired_wins(*zip(*drawn, strict=True), higher)
    mixed = list(drawn)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert paired_wins(*zip(*mixed, strict=True), higher) == found
    wider = paired_wins(*zip(*drawn, strict=True), higher, 0.99)
    assert 0 <= wider.low <= found.low <= found.share <= found.high <= wider.high <= 1


@calm
@given(st.floats(0, 6), st.floats(0, 0.5))
def test_more_hits_move_the_interval_up_halves_too(hits: float, more: float) -> None:
    one, other = exact_interval(hits, 7), exact_interval(hits + more, 7)
    assert one[0] <= other[0] + 1e-12
    assert one[1] <= other[1] + 1e-12


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        wins([], [1.0], higher)
    with pytest.raises(ValueError, match="no values"):
        paired_wins([], [], higher)
    with pytest.raises(ValueError, match="zip"):
        paired_wins([1.0], [], higher)
