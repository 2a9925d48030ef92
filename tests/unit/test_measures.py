import math
from dataclasses import replace

import pytest
from judged import DOWN, UP, board

from lstm_bench.analysis.censored import Time
from lstm_bench.analysis.measures import as_scaled, common, measures_of, times_of, values_of

FIGURES = {
    "target/sequences": [100.0, None],
    "target/seconds": [1.0, None],
    "progress/sequences": [120.0, 400.0],
    "cost/train_seconds": [1.5, 4.0],
    "speed/sequences_per_second": [90.0, 110.0],
    "memory/peak_private_mib": [20.0, 22.0],
    "model/parameters": [1000.0, 1000.0],
}
ALL = ["test/mse", "target/sequences", "target/seconds", "speed/sequences_per_second", "memory/peak_private_mib"]
ALL += ["model/parameters"]


def test_a_study_is_compared_by_all_that_it_has_its_score_first() -> None:
    found = list(measures_of(board([0.1, 0.2], DOWN, figures=FIGURES)))
    assert [measure.name for measure in found] == ALL
    assert [measure.kind for measure in found] == ["score", "target", "target", "speed", "memory", "size"]
    assert [measure.name for measure in found if measure.timed] == [ALL[2], ALL[3]]
    assert [measure.name for measure in found if measure.paired] == [ALL[0], ALL[1]]


def test_a_goal_without_a_target_has_no_way_to_it() -> None:
    found = measures_of(board([0.1, 0.2], replace(DOWN, target=None), figures=FIGURES))
    assert not any(measure.kind == "target" for measure in found)


def test_an_older_board_without_figures_has_its_score() -> None:
    old = board([0.1, 0.2], DOWN)
    del old["confirmed"]["figures"]
    (measure,) = measures_of(old)
    assert values_of(old, measure) == {0: 0.1, 1: 0.2}


@pytest.mark.parametrize(
    ("scores", "goal", "scale"),
    [([0.1, 0.2], DOWN, "log"), ([0.1, 0.0], DOWN, "linear"), ([0.1, -0.2], DOWN, "linear"), ([0.8], UP, "linear")],
)
def test_what_is_at_best_zero_goes_by_ratios_while_it_is_above(scores: list[float], goal: object, scale: str) -> None:
    (measure,) = measures_of(board(scores, goal))  # type: ignore[arg-type]
    assert measure.scale == scale
    assert as_scaled(0.5, measure) == (math.log(0.5) if scale == "log" else 0.5)


def test_what_is_compared_both_have_and_by_ratios_only_where_both_can() -> None:
    one, other = board([0.1, 0.2], DOWN, figures=FIGURES), board([0.1, 0.0], DOWN, figures=FIGURES)
    assert [measure.scale for measure in common(one, other)] == ["linear", *["log"] * 5]
    assert [measure.scale for measure in common(other, one)] == ["linear", *["log"] * 5]
    del other["confirmed"]["figures"]["speed/sequences_per_second"]
    assert [measure.name for measure in common(one, other)] == [name for name in ALL if not name.startswith("speed")]


def test_a_missed_target_is_where_the_run_ended() -> None:
    found = board([0.1, 0.2], DOWN, figures=FIGURES, seeds=[7, 9])
    sequences, seconds = list(measures_of(found))[1:3]
    assert times_of(found, sequences) == {7: Time(100.0, hit=True), 9: Time(400.0, hit=False)}
    assert times_of(found, seconds) == {7: Time(1.0, hit=True), 9: Time(4.0, hit=False)}
    assert values_of(found, sequences) == {7: 100.0}
    del found["confirmed"]["figures"]["target/sequences"]  # nobody reached it
    assert not any(time.hit for time in times_of(found, sequences).values())
