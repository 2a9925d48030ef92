import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.analysis.progress import Progress, progress_of, value_of
from lstm_bench.goal import Goal
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import Status

UP, RACE = Goal("accuracy", maximize=True), Goal("mse", maximize=False, target=0.01, ends_run=True)
scores = st.lists(st.integers(-20, 20).map(lambda k: k / 4), min_size=1, max_size=12)


def progress(values: list[float | None], *, maximize: bool = True) -> Progress:
    return Progress("first", values, [2.0 * (k + 1) for k in range(len(values))], maximize)


def test_of_three_trials_the_expected_best_is_worked_by_hand() -> None:
    """Of two draws from 1, 2 and 4: five of nine pairs hold the 4, three of the others a 2, one neither."""
    found = progress([2.0, 4.0, 1.0])
    assert found.expected_best([1, 2]) == pytest.approx([7 / 3, (5 * 4 + 3 * 2 + 1 * 1) / 9])
    less = progress([2.0, 4.0, 1.0], maximize=False)
    assert less.expected_best([1, 2]) == pytest.approx([7 / 3, (5 * 1 + 3 * 2 + 1 * 4) / 9])
    assert [found.best_at(quantile, 2) for quantile in (1 / 9, 1 / 9 + 0.01, 4 / 9, 4 / 9 + 0.01)] == [1, 2, 2, 4]
    assert [less.best_at(quantile, 2) for quantile in (1 / 9, 4 / 9, 1.0)] == [4, 2, 1]


@pytest.mark.parametrize("maximize", [True, False])
def test_what_brought_nothing_counts_as_the_worst(maximize: bool) -> None:
    found = progress([None, 2.0, None, 3.0], maximize=maximize)
    worst = 2.0 if maximize else 3.0
    assert found.expected_best(1) == pytest.approx((2 + 3 + 2 * worst) / 4)
    assert found.best_so_far == [None, 2.0, 2.0, 3.0 if maximize else 2.0]
    assert not progress([None, None]).counted.size


@given(scores, st.booleans())
def test_one_trial_brings_the_mean_and_endless_ones_the_best(values: list[float], maximize: bool) -> None:
    found = progress(values, maximize=maximize)
    assert found.expected_best(1) == pytest.approx(statistics.fmean(values))
    assert found.expected_best(1e5) == pytest.approx((max if maximize else min)(values))


@given(scores, st.booleans(), st.sampled_from([0.05, 0.5, 0.95]))
def test_more_trials_are_never_expected_to_bring_less(values: list[float], maximize: bool, quantile: float) -> None:
    found, n = progress(values, maximize=maximize), np.linspace(1, 20, 39)
    for curve in (found.expected_best(n), found.best_at(quantile, n)):
        steps = np.diff(curve) * (1 if maximize else -1)
        assert (steps >= -1e-9).all()


@given(scores, st.integers(1, 3))
def test_it_is_the_mean_over_all_draws(values: list[float], n: int) -> None:
    values = values[:5]
    every = [max(draw) for draw in itertools.product(values, repeat=n)]
    assert progress(values).expected_best(n) == pytest.approx(statistics.fmean(every))


def test_simulated_searches_end_where_it_says() -> None:
    chance = np.random.default_rng(0)
    values = chance.lognormal(size=40)
    found, best = progress(list(values), maximize=False), chance.choice(values, (20_000, 7)).min(axis=1)
    assert found.expected_best(7) == pytest.approx(best.mean(), abs=4 * best.std() / math.sqrt(20_000))
    low, high = found.best_at(0.05, 7), found.best_at(0.95, 7)
    assert (best > low).mean() < 0.06  # the worst searches
    assert (best >= low).mean() >= 0.04
    assert (best >= high).mean() > 0.94


def trial(number: int, *objectives: float | None, clock: float = 0.0, status: Status = Status.FINISHED) -> Trial:
    ends = {"status": status, "trial_status": status, "settings": {}, "purpose": "search", "clock": clock}
    return Trial(tuple(RunLine(run="r", number=number, seed=seed, objective=objective, score=0.5, **ends)
                       for seed, objective in enumerate(objectives)))  # fmt: skip


def test_a_trial_that_every_seed_solved_is_worth_its_sequences() -> None:
    assert value_of(trial(0, RACE.objective(0.0, 3e5), RACE.objective(0.0, 1e5)), RACE) == pytest.approx(2e5)
    assert value_of(trial(0, RACE.objective(0.0, 3e5), RACE.objective(0.5)), RACE) is None
    assert value_of(trial(0, 0.7, 0.8), UP) == 0.5
    assert value_of(trial(0, None, status=Status.PRUNED), UP) is None


class Files:
    name = "first"

    def __init__(self, **asked) -> None:
        self.asked = {"goal": {"metric": "accuracy", "maximize": True}, **asked}


def test_trials_stand_in_the_order_in_which_they_ended_and_only_those_that_did() -> None:
    trials = [trial(0, 0.1, clock=9.0), trial(1, None, clock=4.0, status=Status.PRUNED), trial(2, 0.2, clock=6.0)]
    trials.append(trial(3, None, clock=7.0, status=Status.KILLED))
    found = progress_of(Files(), trials)
    assert (found.values, found.seconds) == ([None, 0.5, 0.5], [4.0, 6.0, 9.0])
    assert found.seconds_a_trial == 3.0


@pytest.mark.parametrize(
    ("asked", "independent"),
    [({}, False), ({"sampler": "random"}, True), ({"sampler": {"name": "random"}}, True), ({"sampler": "qmc"}, False),
     ({"sampler": "random", "enqueue": [{"train.lr": 0.1}]}, False)],
)  # fmt: skip
def test_trials_are_independent_where_they_are_drawn_at_random(asked: dict, independent: bool) -> None:
    assert progress_of(Files(**asked), [trial(0, 0.1)]).independent is independent
