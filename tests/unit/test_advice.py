import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.analysis.advice import borders, parting, rosy, too_few
from lstm_bench.analysis.difference import MOST_SEEDS, of_pairs, seeds_to_decide
from lstm_bench.analysis.interval import mean_interval
from lstm_bench.spec import RunSpec
from lstm_bench.task import Goal

UP = Goal("accuracy", maximize=True)
BITS = Goal("bpc", maximize=False, unit="bits")
calm = settings(deadline=None)


def said(path: str, value: Any, given: Any, **others: Any) -> list[str]:
    asked = {**RunSpec(task="adding").to_dict(), "search": {path: given}}
    return list(borders({path: value, **others}, asked))


@pytest.mark.parametrize(
    ("path", "value", "given", "line"),
    [
        ("train.lr", 0.0246, {"low": 0.003, "high": 0.025, "log": True},
         "train.lr 0.0246 lies at the upper end of its range (0.003 to 0.025): widen it, such as high = 0.075"),
        ("train.lr", 0.0031, {"low": 0.003, "high": 0.03, "log": True},
         "train.lr 0.0031 lies at the lower end of its range (0.003 to 0.03): widen it, such as low = 0.001"),
        ("train.lr", 0.001, {"low": 0.001, "high": 0.1},  # a jump down leads below zero
         "train.lr 0.001 lies at the lower end of its range (0.001 to 0.1): widen it, such as low = 0.000333"),
        ("model.dropout", 0.295, {"low": 0.1, "high": 0.3},
         "model.dropout 0.295 lies at the upper end of its range (0.1 to 0.3): widen it, such as high = 0.4"),
        ("model.forget_bias", 0.0, {"low": 0.0, "high": 3.0},
         "model.forget_bias 0 lies at the lower end of its range (0.0 to 3.0): widen it, such as low = -1.5"),
        ("model.hidden", 128, {"low": 8, "high": 128, "log": True},
         "model.hidden 128 lies at the upper end of its range (8 to 128): widen it, such as high = 384"),
        ("model.hidden", 64, {"low": 16, "high": 64, "step": 16},
         "model.hidden 64 lies at the upper end of its range (16 to 64): widen it, such as high = 96"),
        ("model.hidden", 32, [64, 32, 48],
         "model.hidden 32 is the smallest of its choices (32, 48, 64): add a smaller one, such as 16"),
        ("model.hidden", 64, {"choices": [32, 64], "when": {"model.layers": 1}},
         "model.hidden 64 is the largest of its choices (32, 64): add a larger one, such as 128"),
        ("model.dropout", 0.5, [0.1, 0.3, 0.5],  # twice as much would be 1
         "model.dropout 0.5 is the largest of its choices (0.1, 0.3, 0.5): add a larger one, such as 0.7"),
    ],
)  # fmt: skip
def test_a_best_at_an_end_says_where_to_widen(path: str, value: Any, given: Any, line: str) -> None:
    assert said(path, value, given) == [line.replace("(0.0 to 3.0)", "(0 to 3)")]


@pytest.mark.parametrize(
    ("path", "value", "given"),
    [
        ("train.lr", 0.01, {"low": 0.003, "high": 0.03, "log": True}),  # in the middle
        ("train.lr", 0.0045, {"low": 0.003, "high": 0.03, "log": True}),  # near on a linear scale alone
        ("model.dropout", 0.0, {"low": 0.0, "high": 0.4}),  # nothing below
        ("train.momentum", 0.0, {"low": 0.0, "high": 0.9}),
        ("train.weight_decay", 0.0, {"low": 0.0, "high": 0.1}),
        ("model.dropout", 0.0, [0.0, 0.2]),
        ("model.layers", 1, [1, 2, 3]),
        ("model.layers", 1, {"low": 1, "high": 3}),
        ("model.hidden", 48, [32, 48, 64]),
        ("train.schedule", "cosine", ["constant", "cosine"]),  # no order
    ],
)
def test_a_best_in_the_middle_or_with_nothing_beyond_says_nothing(path: str, value: Any, given: Any) -> None:
    assert said(path, value, given) == []


def test_a_path_that_the_best_does_not_have_says_nothing() -> None:
    asked = {**RunSpec(task="adding").to_dict(), "search": {"train.momentum": {"low": 0.0, "high": 0.9}}}
    assert list(borders({"train.optimizer": "adamw"}, asked)) == []


@calm
@given(low=st.floats(1e-4, 1.0), factor=st.floats(1.5, 1000), share=st.floats(0, 1), log=st.booleans())
def test_twentieths_at_both_ends_of_a_range_are_its_border(low: float, factor: float, share: float, log: bool) -> None:
    high = low * factor
    value = low * factor**share if log else low + share * (high - low)
    lines = said("train.lr", min(max(value, low), high), {"low": low, "high": high, "log": log})
    if not math.isclose(share, 0.05, rel_tol=1e-3) and not math.isclose(share, 0.95, rel_tol=1e-3):
        assert len(lines) == (share < 0.05 or share > 0.95)
        assert all(("lower" in line) == (share < 0.5) for line in lines)


@pytest.mark.parametrize(
    ("statuses", "parameters", "lines"),
    [
        ({"finished": 8, "pruned": 4, "crashed": 9}, 3,
         ["12 trials for 3 parameters: too few to say which matters; 30 would be a start"]),
        ({"finished": 8, "solved": 10, "pruned": 2}, 2, []),
        ({"finished": 3}, 1, []),  # one parameter has none to be weighed against
    ],
)  # fmt: skip
def test_few_trials_do_not_say_what_matters(statuses: dict[str, int], parameters: int, lines: list[str]) -> None:
    assert list(too_few(statuses, parameters)) == lines


def test_seeds_worked_by_hand() -> None:
    # d = 0.02, s = 0.01 sqrt(3): n = 5 gives 2.776 * 0.01732 / 2.236 = 0.0215 > d, n = 6 gives 0.0182 < d
    assert seeds_to_decide(of_pairs([0.01, 0.04, 0.01])) == 6


differing = st.lists(st.floats(-1, 1).map(lambda x: round(x, 3)), min_size=2, max_size=8)


@calm
@given(differing)
def test_seeds_are_the_fewest_whose_interval_leaves_zero_out(differences: list[float]) -> None:
    found = seeds_to_decide(of_pairs(differences))
    interval = mean_interval(differences)
    assert interval.low is not None
    assert interval.high is not None
    parted = not interval.low <= 0 <= interval.high
    assert parted == (found is not None and found <= len(differences))
    assert seeds_to_decide(of_pairs([-x for x in differences])) == found
    assert found is None or 2 <= found <= MOST_SEEDS


def test_two_that_are_not_parted_say_how_many_seeds_would_part_them() -> None:
    (line,) = parting([0.01, 0.04, 0.01], BITS, "first")
    assert line == (
        "the first two contenders, 0.02 bits apart: 3 fresh seeds do not part them, about 6 likely would: "
        "`lstm-bench confirm first --seeds 6`"
    )
    unitless = next(parting([0.01, 0.04, 0.01], Goal("mse", maximize=False, ends_run=True), "first"))
    assert unitless.startswith("the first two contenders: 3 fresh seeds")


@pytest.mark.parametrize("differences", [[0.1, -0.1], [0.0, 0.0, 0.0], [1.0, -0.99, 0.5, -0.5]])
def test_two_that_are_equal_for_practical_purposes_say_so(differences: list[float]) -> None:
    (line,) = parting(differences, UP, "first")
    assert "equal for practical purposes" in line


@pytest.mark.parametrize("differences", [[], [0.1], [0.1, 0.1, 0.1], [0.5, 0.51]])
def test_too_little_is_known_or_they_are_parted(differences: list[float]) -> None:
    assert list(parting(differences, UP, "first")) == []


def winner(drop: float | None, half: float | None, seeds: int = 1) -> dict[str, Any]:
    valid = {"mean": 0.8, "low": half and 0.8 - half, "high": half and 0.8 + half, "n": 3}
    return {"seeds": list(range(seeds)), "fresh": {"drop": drop, "valid": valid}}


def test_a_search_that_was_too_rosy_says_by_how_much() -> None:
    (line,) = rosy(winner(0.05, 0.01), UP)
    assert line == (
        "the search's score was 0.05 accuracy too rosy, more than the interval of the fresh seeds (+-0.01) explains: "
        "judge each trial on more seeds, such as seeds = 3"
    )
    (line,) = rosy(winner(0.05, 0.01, seeds=4), BITS)
    assert line.endswith("seeds = 8")
    assert "0.05 bits" in line


@pytest.mark.parametrize(("drop", "half"), [(0.01, 0.05), (-0.5, 0.01), (None, 0.01), (0.5, None)])
def test_luck_that_fresh_seeds_explain_is_not_told(drop: float | None, half: float | None) -> None:
    assert list(rosy(winner(drop, half), UP)) == []
