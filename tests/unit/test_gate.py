"""What a gate says, and how often it is wrong: through the same code as the command, on boards that are drawn."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from drawn import MACHINE, board_of, drawn_board
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.analysis.gate import Gate, gate_of_studies
from lstm_bench.analysis.margins import margins
from lstm_bench.errors import UsageError
from lstm_bench.report.gating import gate_lines

TASKS = ("adding", "copy", "digits")
calm = settings(deadline=None)


def gate(pairs: list[tuple[dict[str, Any], dict[str, Any]]], *given_margins: str, **options: Any) -> Gate:
    return gate_of_studies(pairs, [], margins(given_margins), **options)


def drawn_gate(
    rng: np.random.Generator,
    seeds: int,
    before: int | None = None,
    *,
    target: str = "",
    skewed: bool = False,
    **times: float,
) -> Gate:
    """Three tasks held against themselves, one of them with a target; `times`: what the present is made worse by."""
    return gate(
        [
            (
                drawn_board(task, seeds, rng, skewed=skewed, target=task == target, **times),
                drawn_board(task, before or seeds, rng, skewed=skewed, target=task == target),
            )
            for task in TASKS
        ]
    )


def words(gates: int, seeds: int, **options: Any) -> "Counter[str]":
    rng = np.random.default_rng(seeds)
    return Counter(drawn_gate(rng, seeds, **options).word for _ in range(gates))


def speeds(*values: float) -> dict[str, Any]:
    """A board whose scores and weights tell nothing."""
    figures = {"speed/sequences_per_second": list(values), "model/parameters": [10.0] * len(values)}
    return board_of("adding", [0.01] * len(values), figures)


def word_of(found: Gate, name: str) -> str:
    return next(look.word for look in found.looks if look.finding.measure.name == name)


SPEED = "speed/sequences_per_second"


@pytest.mark.parametrize(
    ("present", "word"),
    [
        ((100, 101, 102, 101, 100), "passed"),
        ((110, 111, 112, 111, 110), "passed"),  # better
        ((97, 98, 99, 98, 97), "passed"),  # surely slower, by less than 5 %
        ((89, 90, 91, 90, 89), "fell"),
        ((70, 80, 90, 100, 110), "undecided"),
    ],
)
def test_fell_is_beyond_the_margin_and_sure_passed_is_a_loss_excluded(present: tuple[float, ...], word: str) -> None:
    found = gate([(speeds(*present), speeds(100, 101, 102, 101, 100))])
    assert word_of(found, SPEED) == word
    assert found.word == word


def test_one_seed_decides_nothing_and_one_measure_that_fell_decides_all() -> None:
    found = gate([(speeds(50), speeds(100))])
    assert word_of(found, SPEED) == "undecided"
    assert found.word == "undecided"
    present = speeds(100, 101, 102)
    present["confirmed"]["figures"]["model/parameters"] = [11.0] * 3
    found = gate([(present, speeds(100, 101, 102))])
    assert word_of(found, "model/parameters") == "fell"
    assert found.word == "fell"
    assert word_of(gate([(present, speeds(100, 101, 102))], "size=10%"), "model/parameters") == "passed"


def test_weights_are_held_against_the_same_model_alone() -> None:
    present = speeds(100, 101, 102)
    present["confirmed"]["figures"]["model/parameters"] = [99.0] * 3
    present["best"] = {"settings": {"model.hidden": 64, "train.lr": 0.1}}
    found = gate([(present, speeds(100, 101, 102))])
    assert found.word == "passed"
    (note,) = found.notes
    assert "another model was chosen (model.hidden 64, not 32)" in note


@calm
@given(st.integers(0, 10**6), st.sampled_from([3, 5, 10]), st.floats(0.5, 2))
def test_what_fell_passes_the_other_way_round(seed: int, seeds: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    pair = (
        drawn_board("adding", seeds, rng, target=False, speed=factor),
        drawn_board("adding", seeds, rng, target=False),
    )
    for one, other in zip(gate([pair]).looks, gate([pair[::-1]]).looks, strict=True):
        assert one.word != "fell" or other.word == "passed"
        assert other.word != "fell" or one.word == "passed"


def test_clocks_of_unlike_machines_are_left_out_unless_asked_for() -> None:
    slow = speeds(50, 51, 52)
    slow["confirmed"]["machine"] = MACHINE | {"cpu": "Another"}
    found = gate([(slow, speeds(100, 101, 102))])
    assert found.word == "passed"
    assert SPEED not in [look.finding.measure.name for look in found.looks]
    assert any("Another" in note and "--across-machines" in note for note in found.notes)
    found = gate([(slow, speeds(100, 101, 102))], across_machines=True)
    assert word_of(found, SPEED) == "fell"


def test_like_is_held_against_like_alone() -> None:
    other = speeds(1, 2, 3)
    other["facts"] = {"data": "other"}
    with pytest.raises(UsageError, match="data differ"):
        gate([(speeds(1, 2, 3), other)])


def test_the_lines_name_what_fell_then_count_then_say_what_would_decide() -> None:
    present = [speeds(89, 90, 91, 90, 89), speeds(70, 80, 90, 100, 110)]
    before = [speeds(100, 101, 102, 101, 100), speeds(100, 101, 102, 101, 100)]
    for boards in (present, before):
        boards[1]["task"] = "copy"
    fell, passed, undecided, *_ = gate_lines(gate(list(zip(present, before, strict=True))))
    assert fell.startswith("FELL       adding  sequences a second  89.8, was 100.8: -10.9 % [-12")
    assert fell.endswith("margin 5 %")
    assert passed == "passed     4 of 6"
    assert undecided.startswith("undecided  copy  sequences a second")
    assert undecided.endswith("of each would likely decide")


def test_three_seeds_of_three_tasks_are_sure_together_of_what_each_alone_is_not() -> None:
    rng = np.random.default_rng(4)
    found = drawn_gate(rng, 3, speed=1 / 1.1)
    assert not found.having("fell")
    assert found.word == "fell"
    (line,) = [line for line in gate_lines(found) if line.startswith("FELL")]
    assert "all 3 together  sequences a second  adding -" in line


@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
def test_of_equals_few_are_said_to_have_fallen(skewed: bool) -> None:
    found = words(150, 3, skewed=skewed)
    assert found["fell"] <= 15  # of at most 5 %, more than these are rarer than 1 in 100


@pytest.mark.slow
@pytest.mark.parametrize("skewed", [False, True], ids=["normal", "skewed"])
@pytest.mark.parametrize(("seeds", "before"), [(3, 3), (5, 5), (10, 10), (3, 10)])
def test_of_500_equals_at_most_5_in_100_are_said_to_have_fallen(seeds: int, before: int, skewed: bool) -> None:
    found = words(500, seeds, before=before, skewed=skewed, target="adding")
    print(f"{seeds} seeds against {before}, {'skewed' if skewed else 'normal'}: {dict(found)}")
    assert found["fell"] <= 25


@pytest.mark.parametrize(
    ("seeds", "times", "least"),
    [(3, {"speed": 1 / 1.1}, 80), (5, {"speed": 1 / 1.1}, 97), (3, {"score": 2.0}, 60), (5, {"score": 2.0}, 92),
     (5, {"memory": 1.1}, 97)],
)  # fmt: skip
def test_a_slowdown_of_a_tenth_and_a_loss_of_quality_are_caught(
    seeds: int, times: dict[str, float], least: int
) -> None:
    assert words(100, seeds, **times)["fell"] >= least


def test_two_studies_of_one_baseline_are_named_apart_and_not_looked_at_together() -> None:
    before, now = speeds(100, 101, 102), [speeds(96, 94, 97), speeds(95, 93, 98)]
    for study, board in zip(("one", "two"), now, strict=True):
        board["study"] = study
    found = gate([(board, before) for board in now])
    assert found.together == []
    assert [look.what for look in found.looks if look.finding.measure.name == SPEED] == ["one", "two"]
