import functools
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.task import Goal


class Outcome(NamedTuple):
    score: float
    sequences: float | None  # to the target; None: unsolved


# Multiples of 1/1024, so that scores which differ do so by more than the objective's rounding
scores = st.integers(-(2**20), 2**20).map(lambda n: n / 1024)
outcomes = st.builds(Outcome, scores, st.none() | st.integers(1, 10**9))
calm = settings(deadline=None)
directions = pytest.mark.parametrize("maximize", [False, True])


def ranked_before(one: Outcome, other: Outcome, *, maximize: bool) -> bool:
    """The rule in words: solved first, fewer sequences first; the unsolved by score."""
    if one.sequences is not None and other.sequences is not None:
        return one.sequences < other.sequences
    if one.sequences is None and other.sequences is None:
        return one.score > other.score if maximize else one.score < other.score
    return one.sequences is not None


@directions
@calm
@given(one=outcomes, other=outcomes)
def test_solved_come_first_by_sequences_and_unsolved_by_score(maximize: bool, one: Outcome, other: Outcome) -> None:
    goal = Goal("score", maximize=maximize, target=0.0, ends_run=True)
    assert not goal.search_maximizes
    ordered = goal.objective(*one) < goal.objective(*other)
    assert ordered == ranked_before(one, other, maximize=maximize)


@directions
@calm
@given(found=st.lists(outcomes, min_size=1))
def test_the_best_objective_is_the_best_result(maximize: bool, found: list[Outcome]) -> None:
    goal = Goal("score", maximize=maximize, target=0.0, ends_run=True)
    best = functools.reduce(lambda a, b: b if ranked_before(b, a, maximize=maximize) else a, found)
    assert min(found, key=lambda outcome: goal.objective(*outcome)) == best


@directions
@calm
@given(outcome=outcomes)
def test_a_goal_that_ends_no_run_is_searched_by_score(maximize: bool, outcome: Outcome) -> None:
    goal = Goal("score", maximize=maximize, target=0.0)
    assert goal.objective(*outcome) == outcome.score
    assert goal.search_maximizes is maximize


@calm
@given(one=scores, other=scores)
def test_better_is_strict_and_turns_round_with_the_direction(one: float, other: float) -> None:
    up, down = Goal("score", maximize=True), Goal("score", maximize=False)
    assert up.better(one, other) == down.better(other, one) == (one > other)


@calm
@given(score=scores, target=scores)
def test_a_target_is_reached_at_it_and_past_it(score: float, target: float) -> None:
    assert Goal("score", maximize=True, target=target).reached(score) == (score >= target)
    assert Goal("score", maximize=False, target=target).reached(score) == (score <= target)


@directions
@calm
@given(score=scores)
def test_without_a_target_none_is_reached(maximize: bool, score: float) -> None:
    assert not Goal("score", maximize=maximize).reached(score)


@directions
def test_a_target_of_zero_is_a_target(maximize: bool) -> None:
    assert Goal("score", maximize=maximize, target=0.0).reached(0.0)
