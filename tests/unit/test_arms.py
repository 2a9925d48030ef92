from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.analysis.arms import paired_differences
from lstm_bench.analysis.interval import mean_interval
from lstm_bench.report.arms import arm_lines
from lstm_bench.task import Goal

UP = Goal("accuracy", maximize=True)
DOWN = Goal("bpc", maximize=False, unit="bits")
calm = settings(deadline=None)


def board(scores: Mapping[int, float] | None, goal: Goal = UP) -> dict[str, Any]:
    confirmed = scores and {"seeds": list(scores), "scores": list(scores.values())}
    return {"goal": asdict(goal), "confirmed": confirmed or None}


def test_arms_are_paired_by_seed() -> None:
    first = board({1000: 0.5, 1001: 0.9, 1002: 0.7})
    other = board({1002: 0.81, 1000: 0.6, 1003: 0.1, 1001: 1.0})  # another order, and a seed more
    (found,) = paired_differences({"lstm": first, "gru": other})
    assert (found.arm, found.against) == ("gru", "lstm")
    assert found.interval is not None
    assert found.interval.n == 3
    assert found.interval.mean == pytest.approx(0.31 / 3)
    assert found.verdict == "better"  # though the scores of each scatter more than the two differ


@pytest.mark.parametrize(
    ("goal", "higher", "lower"), [(UP, "better", "worse"), (DOWN, "worse", "better")], ids=["more", "less"]
)
def test_better_is_as_the_goal_has_it(goal: Goal, higher: str, lower: str) -> None:
    first = board({0: 0.50, 1: 0.60}, goal)
    arms = {"first": first, "up": board({0: 0.600, 1: 0.701}, goal), "down": board({0: 0.40, 1: 0.499}, goal)}
    assert [found.verdict for found in paired_differences(arms)] == [higher, lower]


scores = st.lists(st.floats(0, 1).map(lambda x: round(x, 3)), min_size=3, max_size=3)


@calm
@given(st.lists(scores, min_size=2, max_size=5))
def test_each_arm_more_widens_all_intervals(arms: list[list[float]]) -> None:
    boards = {str(n): board(dict(enumerate(one))) for n, one in enumerate(arms)}
    found = paired_differences(boards)
    assert [difference.arm for difference in found] == list(boards)[1:]
    for difference, one in zip(found, arms[1:], strict=True):
        own = [a - b for a, b in zip(one, arms[0], strict=True)]
        assert difference.interval == mean_interval(own, 1 - 0.05 / (len(arms) - 1))
        interval = difference.interval
        assert interval.low is not None
        assert interval.high is not None
        outside = interval.low > 0 or interval.high < 0
        assert difference.verdict == (("better" if interval.mean > 0 else "worse") if outside else "undecided")


def test_an_arm_that_shares_no_seed_is_undecided() -> None:
    arms = {"lstm": board({0: 0.5}), "gru": board({1: 0.9}), "none": board(None), "one": board({0: 0.9})}
    found = paired_differences(arms)
    assert [difference.verdict for difference in found] == ["undecided"] * 3
    assert [difference.interval and difference.interval.n for difference in found] == [None, None, 1]
    assert list(arm_lines(arms))[:3] == [
        "gru against lstm: no fresh seed that both were confirmed on: undecided",
        "none against lstm: no fresh seed that both were confirmed on: undecided",
        "one against lstm: +0.4 accuracy no interval, paired on 1 fresh seed: undecided",
    ]


def test_an_arm_is_a_line() -> None:
    arms = {"lstm": board({0: 2.0, 1: 2.1, 2: 2.2}, DOWN), "gru": board({0: 1.9, 1: 2.01, 2: 2.1}, DOWN)}
    assert list(arm_lines(arms)) == [
        "gru against lstm: -0.0967 bits [-0.111, -0.0823], paired on 3 fresh seeds: better"
    ]
    more = list(arm_lines({**arms, "rnn": board({0: 3.0}, DOWN)}))
    assert len(more) == 3
    assert more[2] == "Each interval is of 97.5 % confidence, so that all 2 hold at 95 %."
