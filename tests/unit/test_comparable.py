from dataclasses import replace
from typing import Any

import pytest
from judged import DOWN, UP, board

from lstm_bench.analysis.comparable import unlike_machines, why_not

ONE = board([0.9, 0.8])


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (board([], study="two"), "two is not confirmed on fresh seeds: `lstm-bench confirm two`"),
        (board([0.9], study="two", task="digits"), "one is of task adding, two of digits"),
        (board([0.9], options={"length": 9}), "options.length unknown, not 9"),
        (board([0.9], DOWN), "goal metric accuracy, not mse"),
        (board([0.9], replace(UP, target=0.5)), "goal target 0.9, not 0.5"),
        (board([0.9], replace(UP, ends_run=True)), "goal ends_run False, not True"),
        (board([0.9], facts={"data": "xyz"}), "their data differ: digest or generator abc, not xyz"),
    ],
)
def test_nonsense_is_refused_with_the_reason(other: dict[str, Any], reason: str) -> None:
    assert why_not(ONE, other) == reason
    assert why_not(other, ONE)


@pytest.mark.parametrize("key", ["options", "facts"])
def test_what_an_older_board_does_not_say_is_not_held_against_it(key: str) -> None:
    old = board([0.9])
    del old[key]
    assert why_not(ONE, old) is None
    assert why_not(old, ONE) is None


def test_ceiling_and_chance_make_no_other_score() -> None:
    assert why_not(ONE, board([0.9], replace(UP, ceiling=1.0, chance=0.1))) is None


@pytest.mark.parametrize(
    ("machine", "how"),
    [
        ({}, None),
        ({"hostname": "other", "python": "3.12"}, None),
        ({"cpu": "8086"}, "cpu Z80, not 8086"),
        ({"cores": 4}, "cores 2, not 4"),
        ({"versions": {"torch": "3"}}, "torch 2, not 3"),
        ({"allocator": None}, "allocator tuned, not unknown"),
    ],
)
def test_a_timing_hangs_on_the_machine(machine: dict[str, Any], how: str | None) -> None:
    assert unlike_machines(ONE, board([0.9], machine=machine)) == how
