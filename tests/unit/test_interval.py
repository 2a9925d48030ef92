import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.interval import Interval, mean_interval, rate_interval


def test_three_values_worked_by_hand() -> None:
    # mean 2, s = 1, t(2 degrees of freedom, 95 %) = 4.3027
    found = mean_interval([1.0, 2.0, 3.0])
    half = 4.3027 / math.sqrt(3)
    assert found.mean == 2.0
    assert found.n == 3
    assert found.half == pytest.approx(half, abs=1e-4)
    assert (found.low, found.high) == (pytest.approx(2 - half, abs=1e-4), pytest.approx(2 + half, abs=1e-4))


def test_another_confidence_is_another_quantile() -> None:
    half = mean_interval([1.0, 2.0, 3.0], confidence=0.9).half
    assert half == pytest.approx(2.9200 / math.sqrt(3), abs=1e-4)


def test_one_value_has_no_interval() -> None:
    found = mean_interval([0.7])
    assert found == Interval(0.7, None, None, 1)
    assert found.half is None


def test_equal_values_leave_no_doubt() -> None:
    assert mean_interval([0.5, 0.5, 0.5]) == Interval(0.5, 0.5, 0.5, 3)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_interval([])


@pytest.mark.parametrize("n", [3, 10])
def test_the_true_mean_lies_inside_95_times_in_100(n: int) -> None:
    samples = np.random.default_rng(7).normal(3.0, 2.0, size=(4000, n))
    found = [mean_interval(sample.tolist()) for sample in samples]
    assert all(f.low is not None and f.high is not None for f in found)
    inside = sum(f.low <= 3.0 <= f.high for f in found)  # type: ignore[operator]
    assert inside / len(found) == pytest.approx(0.95, abs=0.015)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_at_the_ends_of_a_rates_interval_the_normal_test_just_refuses(
    counts: tuple[int, int], confidence: float
) -> None:
    """Wilson's defining equation: |rate - end| = z sqrt(end (1 - end) / n)."""
    successes, n = counts
    found, z = rate_interval(successes, n, confidence), stats.norm.ppf((1 + confidence) / 2)
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.mean <= found.high <= 1
    for end in (found.low, found.high):
        assert abs(found.mean - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), abs=1e-7)
    assert (found.low == 0, found.high == 1) == (successes == 0, successes == n)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (7, 10), (29, 30), (30, 30)])
def test_a_rates_interval_is_scipys(successes: int, n: int) -> None:
    found, theirs = rate_interval(successes, n), stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(theirs.low), pytest.approx(theirs.high))
    assert (found.mean, found.n) == (successes / n, n)


def test_ten_of_ten_worked_by_hand() -> None:
    assert rate_interval(10, 10).low == pytest.approx(10 / (10 + 1.959964**2), abs=1e-6)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 2)])
def test_no_rate_is_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="at least one trial"):
        rate_interval(successes, n)
