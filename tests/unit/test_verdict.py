import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import DOWN, board

from lstm_bench.analysis.margins import DEFAULTS, Margin
from lstm_bench.analysis.measures import SEQUENCES, Measure, measures_of
from lstm_bench.analysis.verdict import Finding, finding

calm = settings(deadline=None, max_examples=40)
ONE_PERCENT = Margin(0.01)
SCORE = Measure("test/accuracy", "accuracy", "", "score", maximize=True, scale="linear", paired=True)
ERROR = Measure("test/mse", "mse", "", "score", paired=True)
SPEED = Measure("speed/sequences_per_second", "speed", "1/s", "speed", maximize=True, timed=True)
SMALLER = "t with the smaller sample's freedom"
TURNED = {"better": "worse", "worse": "better"}
scores = st.lists(st.floats(0.1, 10).map(lambda x: round(x, 3)), min_size=3, max_size=6)


def judged(
    first: Sequence[float], second: Sequence[float], measure: Measure = SCORE, margin: Margin = ONE_PERCENT,
    confidence: float = 0.95, seeds: tuple[Sequence[int] | None, Sequence[int] | None] = (None, None),
) -> Finding:  # fmt: skip
    boards = [board(side, seeds=given) for side, given in zip((first, second), seeds, strict=True)]
    return finding(boards[0], boards[1], measure, margin, confidence)


def run_to(first: Sequence[float | None], second: Sequence[float | None], budgets: tuple[float, float]) -> Finding:
    """By sequences to the target; of None it was missed at the end of the budget."""
    boards = [
        board(
            [0.1] * len(side),
            DOWN,
            figures={"target/sequences": side, "progress/sequences": [budget if x is None else x for x in side]},
        )
        for side, budget in zip((first, second), budgets, strict=True)
    ]
    return finding(boards[0], boards[1], SEQUENCES, Margin(0.1))


def test_pairs_worked_by_hand() -> None:
    # differences 0.10, 0.11, 0.12: mean 0.11, s = 0.01, error 0.0057735, half 4.30265 * error = 0.024842
    found = judged([0.90, 0.91, 0.92], [0.80, 0.80, 0.80])
    assert found.word == "better"
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(0.11)
    assert found.difference.low == pytest.approx(0.11 - 0.024842, abs=1e-6)
    assert found.wins is not None
    assert (found.wins.share, found.wins.low) == (1.0, pytest.approx(0.025 ** (1 / 3)))
    assert found.test == "paired t of differences: both had the 3 seeds"
    assert (found.margin, found.seeds, found.missed) == ("1 %", None, (0, 0))
    assert found.p_equivalent == pytest.approx(0, abs=0.01)


def test_ratios_are_of_geometric_means() -> None:
    found = judged([0.1, 0.2, 0.4], [0.2, 0.4, 0.8], ERROR)
    assert found.first is not None
    assert found.difference is not None
    assert found.first.mean == pytest.approx(0.2)  # the arithmetic one is 0.233
    assert found.difference.mean == pytest.approx(0.5)
    assert found.word == "better"  # less is


@pytest.mark.parametrize(
    ("first", "seeds", "test"),
    [
        ([0.9, 0.8, 0.7], ([1, 2, 3], [1, 2, 3]), "paired t of differences: both had the 3 seeds"),
        ([0.9, 0.8, 0.7, 0.6], ([0, 1, 2, 3], [1, 2, 3]), "paired t of differences: both had the 3 seeds"),
        ([0.9, 0.8, 0.7], ([1, 2, 4], [1, 2, 3]), "Welch t of differences: too few seeds that both had"),
        ([0.9, 0.8], ([1, 2], [1, 2, 3]), f"{SMALLER} of differences: too few seeds that both had"),
    ],
)  # fmt: skip
def test_seeds_are_paired_where_enough_are_common(
    first: list[float], seeds: tuple[list[int], list[int]], test: str
) -> None:
    assert judged(first, [0.8, 0.8, 0.7], seeds=seeds).test == test


def test_a_few_common_seeds_do_not_throw_many_others_away() -> None:
    ours, theirs = list(range(10)), list(range(7, 17))
    found = judged([0.9 + 0.001 * n for n in ours], [0.8 + 0.001 * n for n in ours], seeds=(ours, theirs))
    assert found.test.startswith("Welch t")
    assert found.word == "better"


def test_clocks_are_not_paired() -> None:
    boards = [board([0.1] * 3, figures={SPEED.name: [base, base + 1, base + 2]}) for base in (100.0, 200.0)]
    found = finding(boards[0], boards[1], SPEED, ONE_PERCENT)
    assert found.test == "Welch t of ratios: a seed says nothing of a clock or of memory"
    assert found.word == "worse"


@calm
@given(scores, scores, st.sampled_from([SCORE, ERROR, replace(SCORE, paired=False)]), st.floats(0, 0.5))
def test_sides_swapped_turn_the_word_and_p(
    first: list[float], second: list[float], measure: Measure, width: float
) -> None:
    margin = Margin(width, relative=measure.scale == "log")  # else it hangs on who is judged against
    one, other = judged(first, second, measure, margin), judged(second, first, measure, margin)
    assert other.word == TURNED.get(one.word, one.word)
    assert one.seeds == other.seeds
    assert one.wins is not None
    assert other.wins is not None
    assert (one.wins.share, one.wins.low) == pytest.approx((1 - other.wins.share, 1 - other.wins.high))
    assert one.p_equivalent == pytest.approx(other.p_equivalent, abs=1e-9)


@calm
@given(scores, scores, st.randoms())
def test_the_order_of_seeds_does_not_matter(first: list[float], second: list[float], chance: object) -> None:
    boards = board(first), board(second)
    seeds = list(range(len(first)))
    chance.shuffle(seeds)  # type: ignore[attr-defined]
    mixed = board([first[seed] for seed in seeds], seeds=seeds)
    found, again = finding(*boards, SCORE, ONE_PERCENT), finding(mixed, boards[1], SCORE, ONE_PERCENT)
    assert (found.word, found.p_value, found.wins) == (again.word, again.p_value, again.wins)


@calm
@given(scores, scores, st.sampled_from([0.01, 100.0]))
def test_another_unit_changes_no_verdict(first: list[float], second: list[float], scale: float) -> None:
    found = judged(first, second, ERROR)
    moved = judged([scale * x for x in first], [scale * x for x in second], ERROR)
    assert moved.p_value == pytest.approx(found.p_value, abs=1e-6)
    assert moved.p_equivalent == pytest.approx(found.p_equivalent, abs=1e-6)


@calm
@given(scores, scores)
def test_undecided_wants_more_seeds_and_decided_none(first: list[float], second: list[float]) -> None:
    found = judged(first, second)
    assert found.seeds is None or (found.word == "undecided" and found.seeds > min(len(first), len(second)))


@pytest.mark.parametrize(
    ("first", "second", "word"),
    [
        ([0.9, 0.9, 0.9], [0.9, 0.9, 0.9], "equivalent"),
        ([0.9, 0.9, 0.9], [0.8, 0.8, 0.8], "better"),
        ([0.90, 0.91, 0.90], [0.901, 0.909, 0.9], "equivalent"),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0], "equivalent"),
        ([-1.0, -1.1, -1.2], [-2.0, -2.2, -2.4], "better"),
        ([0.9, 0.5, 0.7], [0.8, 0.6, 0.7], "undecided"),
    ],
)
def test_words(first: list[float], second: list[float], word: str) -> None:
    assert judged(first, second).word == word


def test_what_surely_differs_by_less_than_matters_is_equivalent() -> None:
    found = judged([0.9001, 0.9002, 0.9003], [0.9, 0.9001, 0.9002])
    assert found.p_value == pytest.approx(0, abs=1e-9)
    assert found.word == "equivalent"


def test_one_seed_decides_nothing() -> None:
    found = judged([0.9], [0.1, 0.2, 0.1])
    assert (found.word, found.seeds, found.difference) == ("undecided", 3, None)
    assert found.test == "none: one seed says nothing of the spread"
    assert found.wins is not None
    assert found.wins.share == 1.0


def test_no_values_decide_nothing() -> None:
    empty = board([0.1], figures={SPEED.name: [None]})
    found = finding(empty, empty, SPEED, ONE_PERCENT)
    assert (found.word, found.test, found.first, found.wins) == ("undecided", "no values", None, None)


def test_more_confidence_decides_less() -> None:
    first, second = [0.90, 0.91, 0.93], [0.80, 0.84, 0.80]
    assert judged(first, second).word == "better"
    found = judged(first, second, confidence=1 - 0.05 / 50)
    assert found.word == "undecided"
    assert found.seeds is not None


def test_an_interval_wider_than_numbers_go_ends_with_the_largest() -> None:
    found = judged([1e-8, 1.0], [1e-9, 10.0], ERROR, confidence=1 - 0.05 / 1000)
    assert found.difference is not None
    assert found.difference.high is not None
    assert math.isfinite(found.difference.high)


@pytest.mark.parametrize(("sizes", "word"), [((10, 10), "equivalent"), ((10, 20), "better"), ((20, 10), "worse")])
def test_sizes_are_counted(sizes: tuple[int, int], word: str) -> None:
    boards = [board([0.1], figures={"model/parameters": [float(size)]}) for size in sizes]
    size = next(measure for measure in measures_of(boards[0]) if measure.kind == "size")
    found = finding(boards[0], boards[1], size, DEFAULTS["size"])
    assert (found.word, found.test, found.wins) == (word, "counted", None)


def test_missed_targets_are_ranked_worked_by_hand() -> None:
    # four hit before four missed: the rarest of (8 over 4) = 70 permutations, both ways: 2 / 70
    found = run_to([10, 11, 12, 13], [None, None, None, None], (100, 100))
    assert (found.word, found.missed) == ("better", (0, 4))
    assert found.p_value == pytest.approx(2 / 70)
    assert (found.first and found.first.mean, found.second) == (11, None)
    assert (found.difference, found.p_equivalent) == (None, None)
    assert found.wins is not None
    assert found.wins.share == 1.0


def test_three_of_each_cannot_be_ranked_and_four_could() -> None:
    found = run_to([10, 11, 12], [None, None, None], (100, 100))
    assert (found.word, found.seeds) == ("undecided", 4)


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("budgets", [(100, 100), (100, 900)])
def test_all_missed_say_nothing_nor_would_more_of_them(budgets: tuple[float, float], n: int) -> None:
    found = run_to([None] * n, [None] * n, budgets)
    assert (found.word, found.p_value, found.missed, found.seeds) == ("undecided", 1.0, (n, n), None)
    assert found.wins is not None
    assert found.wins.share == 0.5


def test_one_run_that_missed_is_no_error() -> None:
    found = run_to([None], [10, 11, 12], (100, 100))
    assert (found.word, found.p_value, found.seeds) == ("undecided", 1.0, 4)


@calm
@given(
    st.lists(st.integers(1, 20).map(float) | st.none(), min_size=2, max_size=6),
    st.lists(st.integers(1, 20).map(float) | st.none(), min_size=2, max_size=6),
)
def test_a_race_swapped_turns_the_word(first: list[float | None], second: list[float | None]) -> None:
    one, other = run_to(first, [*second, None], (30, 25)), run_to([*second, None], first, (25, 30))
    assert other.word == TURNED.get(one.word, one.word)
    assert one.p_value == other.p_value
    assert one.missed == other.missed[::-1]


def test_all_hit_are_compared_by_their_times() -> None:
    found = run_to([10, 11, 12], [20, 23, 24], (100, 100))
    assert found.test == "paired t of ratios: both had the 3 seeds"
    assert found.word == "better"


def test_the_word_follows_the_excess_of_hits_not_the_comparisons_won() -> None:
    """Curves that cross: the second has the first hits, and wins half of the comparisons; the first has the more."""
    first, second = [50.0 + n for n in range(30)], [*[1.0 + n for n in range(15)], *[None] * 15]
    found = run_to(first, second, (100, 100))
    assert found.wins is not None
    assert found.wins.share == 0.5
    assert found.p_value is not None
    assert found.p_value < 0.05
    assert found.word == "better"
