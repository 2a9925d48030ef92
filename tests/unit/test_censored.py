import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.censored import (
    Time,
    excess_hits,
    fewest_to_rank,
    log_rank_p,
    log_rank_scores,
    median_time,
    quantile_time,
    sooner,
)

calm = settings(deadline=None, max_examples=40)
times = st.builds(Time, st.integers(1, 9).map(float), st.booleans())
samples = st.lists(times, min_size=1, max_size=6)


def hit(*values: float) -> list[Time]:
    return [Time(value, hit=True) for value in values]


def missed(*values: float) -> list[Time]:
    return [Time(value, hit=False) for value in values]


def censored(sample: list[Time]) -> stats.CensoredData:
    return stats.CensoredData(
        uncensored=[one.value for one in sample if one.hit], right=[one.value for one in sample if not one.hit]
    )


@pytest.mark.parametrize(
    ("one", "other", "points"),
    [
        (hit(1), hit(2), 1.0),
        (hit(2), hit(2), 0.5),
        (hit(1), missed(2), 1.0),
        (hit(2), missed(2), 1.0),  # a missed target lies beyond the end
        (hit(3), missed(2), 0.5),  # perhaps before, perhaps after
        (missed(5), missed(2), 0.5),  # a longer budget is no merit
    ],
)
def test_who_was_sooner_worked_by_hand(one: list[Time], other: list[Time], points: float) -> None:
    assert sooner(*one, *other) == points
    assert sooner(*other, *one) == 1 - points


@calm
@given(st.floats(1, 9), times)
def test_a_missed_target_is_never_better_than_the_same_time_hit(value: float, other: Time) -> None:
    assert sooner(Time(value, hit=False), other) <= sooner(Time(value, hit=True), other)


def test_the_median_worked_by_hand() -> None:
    # at 1: 4/5 left; 2 is censored; at 3: 4/5 * 2/3 = 8/15; at 4: 8/15 * 1/2 = 4/15 <= 1/2
    assert median_time([*hit(1, 3, 4), *missed(2, 5)]) == 4
    assert median_time(hit(4, 1, 3, 2)) == 2  # by then half of them
    assert median_time([*hit(1), *missed(9, 9)]) is None
    assert median_time(missed(1, 2)) is None
    with pytest.raises(ValueError, match="at least one"):
        median_time([])


@pytest.mark.parametrize(("share", "at"), [(0.2, 1), (0.21, 3), (0.4, 3), (0.5, 4), (0.73, 4), (0.75, None)])
def test_a_quantile_worked_by_hand(share: float, at: float | None) -> None:
    # as above: 4/5 left at 1, 8/15 at 3, 4/15 at 4, and nobody knows of more
    assert quantile_time([*hit(1, 3, 4), *missed(2, 5)], share) == at


@calm
@given(samples, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_a_larger_share_is_never_sooner(sample: list[Time], one: float, other: float) -> None:
    first, second = (quantile_time(sample, share) or math.inf for share in sorted((one, other)))
    assert first <= second


@calm
@given(samples)
def test_the_median_is_where_scipys_curve_falls_to_half(sample: list[Time]) -> None:
    found, curve = median_time(sample), stats.ecdf(censored(sample)).sf
    if found is None:
        assert curve.evaluate(1e9) > 0.5 - 1e-9
    else:
        assert curve.evaluate(found) <= 0.5 + 1e-9
        assert curve.evaluate(found - 0.5) > 0.5
    if all(one.hit for one in sample):
        assert found == np.quantile([one.value for one in sample], 0.5, method="inverted_cdf")


def test_the_scores_worked_by_hand() -> None:
    # first 1, 3 hit; second 2 hit, 4 missed. Hazards 1/4 at 1, 1/3 at 2, 1/2 at 3.
    # first: 1 - 1/4 = 3/4 and 1 - 13/12 = -1/12; second: 1 - 7/12 = 5/12 and 0 - 13/12
    scores = log_rank_scores([*hit(1, 3), *hit(2), *missed(4)])
    assert scores.tolist() == pytest.approx([3 / 4, -1 / 12, 5 / 12, -13 / 12])
    assert excess_hits(hit(1, 3), [*hit(2), *missed(4)]) == pytest.approx(2 / 3)


@calm
@given(samples, samples)
def test_the_statistic_is_that_of_scipy(first: list[Time], second: list[Time]) -> None:
    scores = log_rank_scores([*first, *second])
    assert scores.sum() == pytest.approx(0, abs=1e-9)  # as many hits as were expected
    # the variance, by hand: at each time the hypergeometric one of the first's hits among all
    variance = 0.0
    for at in {one.value for one in (*first, *second) if one.hit}:
        n, k = (sum(one.value >= at for one in some) for some in ([*first, *second], first))
        d = sum(one.hit and one.value == at for one in (*first, *second))
        variance += d * (k / n) * (1 - k / n) * (n - d) / (n - 1) if n > 1 else 0
    if variance > 0:
        theirs = stats.logrank(censored(first), censored(second)).statistic
        assert excess_hits(first, second) / math.sqrt(variance) == pytest.approx(theirs)


def test_all_hit_before_all_missed_is_the_rarest_of_all_permutations() -> None:
    # 2 of (6 over 3) = 20, 2 of (8 over 4) = 70
    assert log_rank_p(hit(1, 2, 3), missed(4, 4, 4)) == pytest.approx(2 / 20)
    assert log_rank_p(hit(1, 2, 3, 3), missed(4, 4, 4, 4)) == pytest.approx(2 / 70)


@pytest.mark.parametrize(
    ("alpha", "fewest"),
    [(0.1, 3), (0.05, 4), (2 / 70, 4), (0.0285, 5), (0.05 / 50, 7)],  # 2 / 3432 at 7, 2 / 924 at 6
)
def test_the_fewest_that_can_be_told_apart(alpha: float, fewest: int) -> None:
    assert fewest_to_rank(alpha) == fewest
    assert log_rank_p(hit(*[1.0] * fewest), missed(*[2.0] * fewest)) <= alpha * (1 + 1e-9)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (missed(3, 3), missed(3, 3)),  # nothing happened
        (missed(3, 3), missed(9, 9, 9)),  # nor within unequal budgets
        (hit(2, 2, 2), hit(2, 2, 2)),
        (hit(1), missed(*[9] * 20)),  # one run says nothing of the spread
    ],
)
def test_where_nothing_can_be_said_p_is_one(first: list[Time], second: list[Time]) -> None:
    assert log_rank_p(first, second) == 1.0


@calm
@given(samples, samples, st.randoms())
def test_neither_sides_nor_order_change_p(first: list[Time], second: list[Time], chance: object) -> None:
    mixed = list(first)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert log_rank_p(second, mixed) == log_rank_p(first, second)
    assert excess_hits(second, first) == pytest.approx(-excess_hits(first, second), abs=1e-9)


def test_drawn_permutations_depend_on_neither_sides_nor_order() -> None:
    rng = np.random.default_rng(3)
    first, second = hit(*rng.exponential(1, 12)), [*hit(*rng.exponential(2, 9)), *missed(4, 4)]
    p_value = log_rank_p(first, second)
    assert log_rank_p(second[::-1], first[::-1]) == p_value
    # and are near the normal approximation, which is right for so many
    assert p_value == pytest.approx(stats.logrank(censored(first), censored(second)).pvalue, abs=0.03)


def test_empty_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="a time in each"):
        log_rank_p([], hit(1))
