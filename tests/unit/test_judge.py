import math
import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.trial import TrialState
from scipy import stats

from lstm_bench.tuning.curve import Curve
from lstm_bench.tuning.judge import Judge, Rivals
from lstm_bench.tuning.ranges import longest

calm = settings(deadline=None, max_examples=60)
scores = st.floats(-1e6, 1e6)


def median() -> BasePruner:
    return MedianPruner(n_startup_trials=4)


def judge(*, maximize: bool = True, make_pruner: Callable[[], BasePruner] = median, lanes: int = 1) -> Judge:
    return Judge("s", maximize=maximize, make_pruner=make_pruner, lanes=lanes)


def go_through(on: Judge, number: int, values: Sequence[float], objective: float | None = None) -> list[bool]:
    """A trial from its begin to its end; what was said of each of its points."""
    on.begin(number)
    said = [on.heard(number, 10 * at, value) for at, value in enumerate(values, 1)]
    on.end(number, TrialState.COMPLETE, values[-1] if objective is None else objective)
    return said


# Curves


def test_a_point_is_the_mean_over_its_seed_and_those_before_at_the_same_step() -> None:
    curve = Curve(span=40)
    assert [curve.point(0, step, value) for step, value in ((10, 1.0), (20, 2.0))] == [(10, 1.0), (20, 2.0)]
    assert curve.point(1, 10, 3.0) == (50, 2.0)
    assert curve.point(1, 20, 4.0) == (60, 3.0)
    assert curve.point(2, 20, 9.0) == (100, 5.0)


def test_a_run_that_ended_earlier_counts_with_its_last_value() -> None:
    curve = Curve(span=40)
    curve.point(0, 10, 1.0)
    assert curve.point(1, 40, 2.0) == (80, 1.5)
    assert curve.point(2, 5, 4.0) == (85, 4.0)  # the others have nothing there yet


def test_a_point_that_comes_twice_is_the_same() -> None:
    curve = Curve(span=40)
    points = [(0, 10, 1.0), (0, 20, 2.0), (1, 10, 3.0)]
    first = [curve.point(*point) for point in points]
    assert [curve.point(*point) for point in points] == first


@calm
@given(span=st.integers(1, 1000), seed=st.integers(0, 9), data=st.data())
def test_a_counted_step_knows_where_its_seed_starts(span: int, seed: int, data: st.DataObject) -> None:
    step = data.draw(st.integers(1, span))
    curve = Curve(span)
    counted, _ = curve.point(seed, step, 0.5)
    assert curve.start_of(counted) == seed * span < counted <= (seed + 1) * span


# Judging


@pytest.mark.parametrize("maximize", [True, False])
def test_what_is_below_the_median_is_lost(*, maximize: bool) -> None:
    sign = 1 if maximize else -1
    on = judge(maximize=maximize)
    for number in range(4):
        assert not any(go_through(on, number, [sign * 0.8] * 4))
    assert go_through(on, 4, [sign * 0.7] * 4) == [True] * 4
    assert go_through(on, 5, [sign * 0.9] * 4) == [False] * 4


def test_a_point_that_is_heard_again_has_the_verdict_that_it_had() -> None:
    """A successive-halving pruner lets a trial through a rung but once; asked again, it would say otherwise."""
    on = judge(make_pruner=lambda: SuccessiveHalvingPruner(min_resource=10, reduction_factor=2))
    go_through(on, 0, [0.5] * 4)
    on.begin(1)
    first = [on.heard(1, 10 * at, 0.6) for at in range(1, 5)]
    go_through(on, 2, [0.9] * 4)
    on.begin(1)  # taken up again
    assert [on.heard(1, 10 * at, 0.6) for at in range(1, 5)] == first
    on.end(1, TrialState.COMPLETE, 0.6)


def test_points_of_earlier_seeds_are_no_excuse() -> None:
    """The median pruner compares a trial's best point so far; what counts is the best of the seed that goes on."""
    on = judge()
    for number in range(4):
        go_through(on, number, [0.5] * 8)
    on.begin(4)
    assert [on.heard(4, 10 * at, 0.9) for at in range(1, 5)] == [False] * 4
    assert on.heard(4, 50, 0.4, since=40)
    on.begin(5)
    assert [on.heard(5, 10 * at, 0.9) for at in range(1, 5)] == [False] * 4
    assert not on.heard(5, 50, 0.4)


def test_a_failed_trial_teaches_nothing() -> None:
    on = judge()
    for number in range(4):
        on.begin(number)
        on.heard(number, 10, 0.9)
        on.end(number, TrialState.FAIL, None)
    assert go_through(on, 4, [0.1]) == [False]


def history(order: random.Random, lanes: int, values: Sequence[float], make_pruner: Callable[[], BasePruner]):
    """The verdicts on trials of which `lanes` go on at once, in an order of their own; k begins when k - W is done."""
    on, said = judge(make_pruner=make_pruner, lanes=lanes), {}
    going: dict[int, int] = {}
    ended: set[int] = set()
    following = 0
    while len(ended) < len(values):
        while following < len(values) and len(going) < lanes and set(range(following - lanes + 1)) <= ended:
            on.begin(following)
            going[following] = 0
            following += 1
        number = order.choice(sorted(going))
        going[number] += 1
        said[number, going[number]] = on.heard(number, going[number], values[number] * going[number])
        if going[number] == 3:
            del going[number]
            on.end(number, TrialState.COMPLETE, values[number] * 3)
            ended.add(number)
    return said


@calm
@pytest.mark.parametrize(
    "make_pruner",
    [median, lambda: SuccessiveHalvingPruner(1, 2), lambda: HyperbandPruner(1, 3, 2), NopPruner],
    ids=["median", "asha", "hyperband", "none"],
)
@given(
    lanes=st.integers(2, 4),
    values=st.lists(st.floats(0, 1), min_size=8, max_size=12),
    order=st.integers(0, 10**6).map(random.Random),
)
def test_in_lanes_the_verdicts_do_not_depend_on_the_order_in_which_trials_end(
    make_pruner: Callable[[], BasePruner], lanes: int, values: list[float], order: random.Random
) -> None:
    assert history(order, lanes, values, make_pruner) == history(random.Random(0), lanes, values, make_pruner)


def test_in_lanes_a_trial_is_judged_by_all_up_to_w_before_it() -> None:
    on = judge(lanes=2, make_pruner=lambda: MedianPruner(n_startup_trials=1, n_min_trials=1))
    go_through(on, 0, [0.1])
    go_through(on, 1, [0.9])
    assert go_through(on, 2, [0.5]) == [False]  # knows 0
    assert go_through(on, 3, [0.4]) == [True]  # knows 0 and 1, whose median is 0.5
    assert go_through(on, 4, [0.4]) == [True]  # knows 0, 1 and 2


# Rivals


def rivals(*trials: Sequence[float], maximize: bool = True) -> Rivals:
    found = Rivals(maximize)
    for objectives in trials:
        found = found.joined_by(objectives)
    return found


def test_rivals_know_the_best_mean_and_how_seeds_scatter() -> None:
    found = rivals([1.0, 3.0], [5.0, 5.0, 8.0])
    assert (found.best, found.squares, found.freedom) == (6.0, 2.0 + 6.0, 3)
    assert rivals([1.0, 3.0], [5.0, 8.0], maximize=False).best == 2.0


@calm
@given(
    trials=st.lists(st.lists(scores, min_size=2, max_size=5), min_size=1, max_size=5),
    had=st.integers(1, 4),
    maximize=st.booleans(),
)
def test_what_is_as_good_as_the_best_is_never_lost(trials: list[list[float]], had: int, *, maximize: bool) -> None:
    found = rivals(*trials, maximize=maximize)
    assert found.best is not None
    assert not found.beat([found.best] * had, 5)
    better = found.best + 1 if maximize else found.best - 1
    assert not found.beat([better] * had, 5)


@pytest.mark.parametrize("value", [0.1, 0.7, 1.1, 2.3])
@pytest.mark.parametrize("maximize", [True, False])
def test_equal_scores_on_every_seed_are_never_lost(value: float, *, maximize: bool) -> None:
    """Chance level, or a solved task: nothing scatters, so a rounding error would decide."""
    for seeds in range(2, 12):
        found = rivals(*[[value] * seeds] * 3, maximize=maximize)
        lost = [had for had in range(1, seeds) if found.beat([value] * had, seeds)]
        assert lost == [], f"of {seeds} seeds"


@calm
@given(
    trials=st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=4),
    had=st.integers(1, 2),
    maximize=st.booleans(),
)
def test_what_is_far_behind_is_lost(trials: list[list[float]], had: int, *, maximize: bool) -> None:
    far = -100.0 if maximize else 100.0
    assert rivals(*trials, maximize=maximize).beat([far] * had, 3)


@calm
@given(objectives=st.lists(scores, max_size=4))
def test_without_two_degrees_of_freedom_nothing_is_lost(objectives: list[float]) -> None:
    assert not Rivals(maximize=True).beat(objectives, 3)
    assert not rivals([1e9, 1e9 + 1]).beat(objectives, 3)
    assert not rivals([1e9]).beat(objectives, 3)
    assert not rivals([1.0, 2.0], [2.0, 3.0]).beat([], 3)


@calm
@given(
    trials=st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=4),
    own=st.lists(st.floats(0, 1), min_size=1, max_size=2),
)
def test_the_verdict_is_students_one_sided_test_at_one_in_a_hundred(
    trials: list[list[float]], own: list[float]
) -> None:
    pooled = sum((value - sum(trial) / 3) ** 2 for trial in trials for value in trial) / (2 * len(trials))
    behind = max(sum(trial) / 3 for trial in trials) - sum(own) / len(own)
    if pooled < 1e-9:
        return
    chance = stats.t.sf(behind / math.sqrt(pooled * (1 / len(own) + 1 / 3)), 2 * len(trials))
    if abs(chance - 0.01) > 1e-9:
        assert rivals(*trials).beat(own, 3) == (chance < 0.01)


@pytest.mark.parametrize(
    ("distribution", "steps"),
    [
        (None, 40),
        (IntDistribution(10, 90), 90),
        (CategoricalDistribution([10, 120, 50]), 120),
        (FloatDistribution(1, 2), 40),
    ],
    ids=str,
)
def test_the_longest_run_is_the_end_of_its_range(distribution: object, steps: int) -> None:
    assert longest(40, distribution) == steps  # type: ignore[arg-type]
