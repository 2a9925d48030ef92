import pytest
from judged import DOWN, board

from lstm_bench.analysis.margins import DEFAULTS, Margin
from lstm_bench.analysis.versus import versus

SPEED = {"speed/sequences_per_second": [100.0, 101.0, 102.0], "model/parameters": [10.0] * 3}
FAST = {"speed/sequences_per_second": [200.0, 201.0, 202.0], "model/parameters": [10.0] * 3}
ONE = board([0.10, 0.11, 0.12], DOWN, figures=SPEED)
TWO = board([0.20, 0.22, 0.24], DOWN, study="two", figures=FAST)


def test_each_measure_is_judged_the_score_first() -> None:
    (found,) = versus([(ONE, TWO)])
    assert (found.task, found.first, found.against, found.refused, found.unlike) == ("adding", "one", "two", None, None)
    assert [(one.measure.kind, one.word) for one in found.findings] == [
        ("score", "better"), ("speed", "worse"), ("size", "equivalent"),
    ]  # fmt: skip


def test_sides_swapped_turn_each_word() -> None:
    (one,), (other,) = versus([(ONE, TWO)]), versus([(TWO, ONE)])
    turned = {"better": "worse", "worse": "better"}
    assert [turned.get(found.word, found.word) for found in one.findings] == [found.word for found in other.findings]


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_more_pairs_want_more_confidence_and_refused_ones_do_not_count(pairs: int) -> None:
    refused = (ONE, board([], study="three"))
    found = versus([*[(ONE, TWO)] * pairs, refused])
    assert found[-1].refused
    assert not found[-1].findings
    for one in found[:-1]:
        assert all(each.confidence == pytest.approx(1 - 0.05 / pairs) for each in one.findings)


def test_all_refused_is_no_error() -> None:
    assert [one.refused is None for one in versus([(ONE, board([]))])] == [False]
    assert versus([]) == []


def test_clocks_of_unlike_machines_are_compared_only_where_that_is_asked() -> None:
    away = board([0.20, 0.22, 0.24], DOWN, study="two", figures=FAST, machine={"cpu": "8086"})
    (found,), (across,) = versus([(ONE, away)]), versus([(ONE, away)], across_machines=True)
    assert found.unlike == across.unlike == "cpu Z80, not 8086"
    assert [one.measure.kind for one in found.findings] == ["score", "size"]
    assert [one.measure.kind for one in across.findings] == ["score", "speed", "size"]


def test_margins_are_by_kind() -> None:
    (found,) = versus([(ONE, TWO)], {**DEFAULTS, "score": Margin(5.0)})
    assert [one.word for one in found.findings] == ["equivalent", "worse", "equivalent"]
    assert [one.margin for one in found.findings] == ["500 %", "5 %", "0 %"]
