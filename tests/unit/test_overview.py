"""Many boards, a line each."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lstm_bench.report.overview import HEADS, MANY, answers
from lstm_bench.report.reference import read

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture
def boards() -> list[dict[str, Any]]:
    """Six of the suites that are committed, one that is at its floor and longer ones known, two without an answer."""
    found = [*read("quick", RESULTS), *read("standard", RESULTS)]
    weak: dict[str, Any] = read("quick", RESULTS)[0]
    weak["confirmed"]["floors"]["logistic regression"]["at_floor"] = 2
    weak["confirmed"]["longer"] = {"2x": {"mean": 0.75}, "4x": {"mean": 0.5}}
    open_ = read("quick", RESULTS)[1] | {"confirmed": None}
    return [*found, weak, open_, open_ | {"best": None}]


def shown(boards: list[dict[str, Any]], width: int) -> list[str]:
    screen = io.StringIO()
    Console(file=screen, width=width, highlight=False, markup=False).print(answers(boards, width))
    return [line.rstrip() for line in screen.getvalue().splitlines()]


def test_many_boards_have_a_line_each(boards: list[dict[str, Any]]) -> None:
    lines = shown(boards, 120)
    assert len(lines) == 2 + len(boards)
    for head in HEADS:
        assert head in lines[0]
    digits, weak, unconfirmed, none = lines[2], lines[-3], lines[-2], lines[-1]
    assert digits.split() == ["digits", "0.9851", "±", "0.02", "accuracy", "0.9628", "logistic", "regression", "2", "s"]
    assert "2 of 3 runs" in weak
    assert "0.75, 0.5" in weak
    assert unconfirmed.split() == ["adding", "not", "confirmed"]
    assert none.split() == ["adding", "no", "complete", "trial"]


def test_of_several_floors_the_strongest_is_shown_whichever_way_is_better(boards: list[dict[str, Any]]) -> None:
    line = shown(boards, 120)[4]
    assert line.split()[:2] == ["asv-chars", "2.091"]
    assert "1.922 n-gram 0-5" in line


def test_they_fit_eighty_columns(boards: list[dict[str, Any]]) -> None:
    assert max(map(len, shown(boards, 80))) <= 80


def test_few_boards_stand_side_by_side(boards: list[dict[str, Any]]) -> None:
    assert len(boards) >= MANY
    assert "best setting" in "\n".join(shown(boards[:3], 80))
