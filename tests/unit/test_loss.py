import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.censored import Time, log_rank_p
from lstm_bench.analysis.difference import Difference, paired, seeds_to_judge
from lstm_bench.analysis.loss import loss_of_times, loss_of_values
from lstm_bench.analysis.margins import Margin
from lstm_bench.analysis.measures import SEQUENCES, Measure

calm = settings(deadline=None)
ERROR = Measure("test/mse", "test mse", "", "score", scale="linear", paired=True)
SHARE = Measure("test/accuracy", "test accuracy", "", "score", maximize=True, scale="linear", paired=True)
SIZE = Measure("model/parameters", "weights", "", "size")


def test_a_loss_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, spread 1, error 1 / sqrt(3), t = 2 sqrt(3) with 2 degrees of freedom. There
    # P(T > t) = 1/2 - t / (2 sqrt(2 + t^2)) = 1/2 - 2 sqrt(3) / (2 sqrt(14)); at the margin of 1 t is half of that.
    found = loss_of_values(paired([1, 2, 3], [0, 0, 0]), 1.0, ERROR)
    assert found.p_none == pytest.approx(0.5 - math.sqrt(3 / 14))
    assert found.p_beyond == pytest.approx(0.5 + math.sqrt(3) / (2 * math.sqrt(5)))
    better = loss_of_values(paired([1, 2, 3], [0, 0, 0]), 1.0, SHARE)  # more is better there
    assert better.by is not None
    assert better.by.mean == -2
    assert better.p_none == pytest.approx(0.5 + math.sqrt(3 / 14))


@calm
@given(
    st.lists(st.integers(-50, 50), min_size=3, max_size=8).filter(lambda drawn: len({*drawn}) > 1), st.integers(0, 30)
)
def test_one_sided_tests_are_scipys(apart: list[int], bound: int) -> None:
    found = paired(apart, [0] * len(apart))
    for p_value, alternative in ((found.p_at_most(bound), "greater"), (found.p_above(bound), "less")):
        assert p_value == pytest.approx(stats.ttest_1samp(apart, bound, alternative=alternative).pvalue)


def test_equal_steps_are_no_proof_but_sizes_are() -> None:
    steps = loss_of_values(paired([0.3, 0.4, 0.5], [0.2, 0.3, 0.4]), 0.01, ERROR)  # equal, but for rounding
    assert steps.p_none == 1 / 8
    assert steps.p_beyond > 0.5
    equal = loss_of_values(paired([0.3, 0.4], [0.3, 0.4]), 0.0, ERROR)
    assert (equal.p_none, equal.p_beyond) == (1.0, 0.0)
    larger = loss_of_values(Difference(0.1, 0.0, 1, 3, "paired t"), 0.0, SIZE)
    assert (larger.p_none, larger.p_beyond) == (0.0, 1.0)


def times(*values: float, missed: int = 0) -> list[Time]:
    return [*(Time(value, hit=True) for value in values), *[Time(100, hit=False)] * missed]


def test_times_to_a_target_by_hand() -> None:
    # All three are later than all three others: one of the 20 ways to part six, and all 20 are no later than that.
    late, early = times(30, 40, 50), times(10, 11, 12)
    assert log_rank_p(late, early, "later") == 1 / 20
    assert log_rank_p(late, early, "sooner") == 1
    assert log_rank_p(early, late, "sooner") == 1 / 20
    found = loss_of_times(late, early, SEQUENCES, Margin(0.10), None)
    assert (found.p_none, found.p_beyond) == (1 / 20, 1)
    wide = loss_of_times(late, early, SEQUENCES, Margin(9.0), None)  # ten times as late does not matter
    assert wide.p_beyond == 1 / 20


some_times = st.lists(st.builds(Time, st.integers(1, 9), st.booleans()), min_size=2, max_size=5)


@calm
@given(some_times, some_times)
def test_who_is_later_has_the_other_sooner(one: list[Time], other: list[Time]) -> None:
    assert log_rank_p(one, other, "later") == pytest.approx(log_rank_p(other, one, "sooner"))
    assert log_rank_p(one, other, "later") + log_rank_p(one, other, "sooner") >= 1  # both hold what is as rare


def test_who_missed_is_later() -> None:
    found = loss_of_times(times(missed=4), times(20, 22, 24, 26), SEQUENCES, Margin(0.10), None)
    assert (found.p_none, found.p_beyond) == (1 / 70, 1)
    found = loss_of_times(times(20, 30, missed=2), times(20, 22, 24, 26), SEQUENCES, Margin(0.10), None)
    assert 1 / 70 < found.p_none < 0.5 < found.p_beyond


def test_nothing_is_lost_where_all_is_as_it_was_or_few_had_reached_it() -> None:
    for present, before in (
        (times(20, 30, missed=2), times(20, 30, missed=2)),
        (times(missed=4), times(20, missed=3)),
        (times(missed=4), times(missed=4)),
    ):
        found = loss_of_times(present, before, SEQUENCES, Margin(0.10), None)
        assert (found.p_none, found.p_beyond) == (1, 0)


@calm
@given(st.floats(-3, 3), st.floats(0.1, 3), st.integers(2, 12), st.floats(0, 1))
def test_as_many_seeds_as_are_said_would_decide_and_no_fewer(mean: float, error: float, n: int, margin: float) -> None:
    alarm, passing = 0.01, 0.05
    loss = Difference(mean, error, n - 1, n, "paired t")

    def decided(seeds: int) -> bool:
        then = Difference(mean, error * math.sqrt(n / seeds), seeds - 1, seeds, "paired t")
        return then.p_above(margin) < passing or (mean > margin and then.p_at_most(0) < alarm)

    found = seeds_to_judge(loss, margin, alarm, passing)
    if found is None:
        assert not decided(1000)
    else:
        assert found > n
        assert decided(found)
        assert found == n + 1 or not decided(found - 1)
