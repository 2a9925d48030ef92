"""What `compare` prints, from made boards: tables that fit, words, and what is said once for all."""

import random
from collections.abc import Sequence
from io import StringIO
from typing import Any

import pytest
from answers import ACCURACY, MSE, answer
from rich.console import Console

from lstm_bench.analysis.sides import Side, judged
from lstm_bench.cli.comparing import show_verdicts
from lstm_bench.errors import UsageError
from lstm_bench.goal import Goal
from lstm_bench.report.table import brief
from lstm_bench.report.verdicts import apart, pair_table

RACE = Goal("mse", maximize=False, ceiling=0.0, target=0.01)
WORDS = {"better", "worse", "equivalent", "undecided"}


def study(
    name: str, *, times: float = 1.0, seeds: int = 5, hits: int = 5, speed: float = 24_000.0, **more: Any
) -> dict[str, Any]:
    """A study whose runs reach 0.004, times a factor, and their target after about 40,000 sequences."""
    chance = random.Random(name)
    sequences = [40_000.0 * (1 + 0.1 * chance.random()) if k < hits else None for k in range(seeds)]
    figures = {
        "target/sequences": sequences,
        "target/seconds": [at and at / speed for at in sequences],
        "progress/sequences": [64_000.0] * seeds,
        "cost/train_seconds": [64_000 / speed] * seeds,
        "speed/sequences_per_second": [speed * (1 + 0.02 * chance.random()) for _ in range(seeds)],
        "memory/peak_private_mib": [41 + chance.random() for _ in range(seeds)],
        "model/parameters": [4641.0] * seeds,
    }
    scores = [0.004 * times * (1 + 0.05 * chance.random()) for _ in range(seeds)]
    return answer(name, scores, **{"goal": RACE, "figures": figures, "floors": {"constant": 0.17}} | more)


def printed(sides: Sequence[Side], width: int = 120, **how: Any) -> str:
    screen = StringIO()
    show_verdicts(sides, Console(file=screen, width=width, highlight=False, markup=False), **how)
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines())


def flat(text: str) -> str:
    """As it was before the screen folded it."""
    return " ".join(text.split())


def single(*boards: dict[str, Any]) -> list[Side]:
    return [Side(board["study"], [board]) for board in boards]


def suite(name: str, **more: Any) -> Side:
    return Side(name, [study(f"{name}-{task}", task=task, **more) for task in ("adding", "copy", "lag")])


def test_two_studies_have_a_table_with_all_that_sets_them_apart() -> None:
    said = printed(single(study("lstm"), study("gru", times=0.7, hits=4, speed=12_000.0)))
    assert "adding: gru against lstm\n" in said
    for label, word in (("test mse", "better"), ("sequences a second", "worse"), ("weights", "equivalent")):
        assert next(line for line in said.splitlines() if line.startswith(label)).split()[-1] == word
    for words in ("1 of 5 missed", "median", "±1 %", "±5 %", "(MiB)", "4,641", "intervals of 95 %", "log-rank",
                  "paired t of ratios: both had the 5 seeds (test score)", "counted (weights)"):  # fmt: skip
        assert words in flat(said), words
    assert "hold together" not in said  # one pair
    assert "Over tasks" not in said
    assert said.count("paired t") == 1  # which test it was, once and not in each row


def test_of_three_arms_each_is_judged_against_the_first_and_more_surely() -> None:
    said = printed(single(study("lstm"), study("gru"), study("rnn", times=2.0)))
    assert said.index("adding: gru against lstm") < said.index("adding: rnn against lstm")
    assert "intervals of 97.5 %, so that the 2 verdicts by a measure hold together at 95 %" in flat(said)
    assert said.splitlines()[-1].startswith("Over tasks: ranks over 1 task say nothing")


def test_suites_begin_with_an_overview_and_end_with_ranks_and_details() -> None:
    said = printed([suite("a"), suite("b", times=0.5), Side("c", suite("c", times=3.0).boards[:2])])
    overview, rest = said.split("over 2 tasks: adding, copy", 1)
    body = overview.split("─\n")[1].split()
    assert body[:2] == ["adding", "better"]
    assert {*body} - WORDS == {"adding", "copy", "lag", "b", "c"}
    assert body.count("better") + body.count("worse") >= 5
    assert [line.split()[:2] for line in rest.splitlines()[3:6]] == [["b", "1.00"], ["a", "2.00"], ["c", "3.00"]]
    assert "0 is the weakest floor, 1 the ceiling" in rest
    assert "Without a counterpart in c: a-lag." in rest
    assert "lag: b-lag of b against a-lag of a" in rest


@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_fits_the_screen_and_no_word_is_cut(width: int) -> None:
    for sides in (
        single(study("lstm", seeds=3), study("peephole", hits=0, seeds=4), study("no-output-activation", times=3.0)),
        [suite("results/reference/quick.json"), suite("../elsewhere/results", times=0.9)],
    ):
        said = printed(sides, width)
        assert max(map(len, said.splitlines())) <= width
        cells = sum(len(one.versus.findings) for one in judged(sides))
        heads = said.count("P(better)")
        assert sum(said.count(word) for word in WORDS) - heads >= cells


def test_what_cannot_be_compared_is_a_line_with_its_reason() -> None:
    sides = single(study("a"), study("b", task="copy"), study("c"))
    said = printed(sides)
    assert "copy: b against a: not comparable: b is of task copy, a of adding\n" in said
    assert "adding: c against a\n" in said
    screen = Console(file=StringIO(), width=80)
    assert show_verdicts(sides, screen)
    assert not show_verdicts(sides[:2], screen)
    with pytest.raises(UsageError, match="a and b: no two studies are of the same task"):
        show_verdicts([suite("a"), Side("b", [study("x", task="x"), study("y", task="y")])], screen)


def test_timings_of_unlike_machines_are_left_out_or_marked() -> None:
    sides = single(study("a"), study("b", cpu="6502"))
    said = printed(sides)
    assert (
        "Timings are left out, since the machines differ: cpu 6502, not Z80. --across-machines takes them in." in said
    )
    assert not any(line.startswith(("seconds to", "sequences a")) for line in said.splitlines())
    marked = printed(sides, across_machines=True)
    assert "Timings are of unlike machines, as asked: cpu 6502, not Z80." in marked
    assert any(line.startswith("sequences a second") for line in marked.splitlines())


def test_what_would_decide_is_a_command_for_each_study_that_has_fewer_seeds() -> None:
    one = answer("one", [0.50, 0.52, 0.54], goal=ACCURACY)
    other = answer("other", [0.53, 0.51, 0.60], goal=ACCURACY)
    (found,) = judged(single(one, other))
    n = found.versus.findings[0].seeds
    assert n is not None
    assert n > 3
    lines = printed(single(one, other)).splitlines()
    assert f"{n} seeds?" in "\n".join(lines)
    assert lines[-2:] == [f"  lstm-bench confirm other --seeds {n}", f"  lstm-bench confirm one --seeds {n}"]
    assert "lstm-bench confirm" not in printed(single(study("a"), study("b", times=3.0)))


@pytest.mark.parametrize(
    ("first", "second", "goal", "said"),
    [
        ([0.5, 0.6, 0.7], [0.4, 0.5, 0.6], ACCURACY, "+0.1"),
        ([0.02, 0.02], [0.04, 0.04], MSE, "-50 %"),
        ([0.5, 0.5], [0.01, 0.01], MSE, "50-fold"),
        ([0.5], [0.4], ACCURACY, ""),
    ],
)
def test_a_difference_is_said_as_people_read_it(first: list[float], second: list[float], goal: Goal, said: str) -> None:
    (one,) = judged(single(answer("b", second, goal=goal), answer("a", first, goal=goal)))
    assert apart(one.versus.findings[0]).split("\n")[0] == said
    assert pair_table(one).row_count == len(one.versus.findings)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "0"),
        (0.0012345, "0.00123"),
        (41.26, "41.3"),
        (4641.4, "4,641"),
        (9_999.7, "10k"),
        (23_632.0, "23.6k"),
        (999_600.0, "1M"),
        (2_500_000.0, "2.5M"),
    ],
)
def test_a_number_has_three_digits_that_matter(value: float, said: str) -> None:
    assert brief(value) == said
