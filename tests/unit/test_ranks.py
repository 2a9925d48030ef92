"""Ranks over tasks, against Demsar's own example and scipy; interquartile means, by hand."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from answers import ACCURACY, MSE, answer
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lstm_bench.analysis.interval import mean_interval
from lstm_bench.analysis.ranks import Ranks, critical_difference, ranks_of, tasks_of
from lstm_bench.analysis.sides import Side, judged
from lstm_bench.goal import Goal
from lstm_bench.report.figures.critical import critical_ranks

calm = settings(deadline=None)
# Areas under the curve with the ranks of Demsar (2006), table 6: C4.5 with its parameters m, cf, both or neither tuned.
DEMSAR = {
    "adult": (0.763, 0.768, 0.771, 0.798),
    "breast cancer": (0.599, 0.591, 0.590, 0.569),
    "breast cancer wisconsin": (0.954, 0.971, 0.968, 0.967),
    "cmc": (0.628, 0.661, 0.654, 0.657),
    "ionosphere": (0.882, 0.888, 0.886, 0.898),
    "iris": (0.936, 0.931, 0.916, 0.931),
    "liver disorders": (0.661, 0.668, 0.609, 0.685),
    "lung cancer": (0.583, 0.583, 0.563, 0.625),
    "lymphography": (0.775, 0.838, 0.866, 0.875),
    "mushroom": (1.000, 1.000, 1.000, 1.000),
    "primary tumor": (0.940, 0.962, 0.965, 0.962),
    "rheum": (0.619, 0.666, 0.614, 0.669),
    "voting": (0.972, 0.981, 0.975, 0.974),
    "wine": (0.957, 0.978, 0.946, 0.970),
}
C45 = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def ranked(tasks: Mapping[str, Sequence[float]], goal: Goal = ACCURACY, sides: Sequence[str] = C45) -> Ranks:
    return ranks_of(sides, {name: [answer(name, [x], goal=goal) for x in row] for name, row in tasks.items()})


def test_demsars_example() -> None:
    """His mean ranks, and his critical difference of 1.25 at 0.05, with which no two are told apart.

    At 0.10 it is 1.12, and C4.5 as it is differs from the two whose m is tuned.
    """
    found = ranked(DEMSAR)
    assert found.means == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.critical == pytest.approx(1.25, abs=5e-3)
    assert found.p_value is not None
    assert found.p_value < 0.05
    assert [C45[side] for side in found.order] == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert found.groups == [found.order]
    assert critical_difference(4, 14, 0.10) == pytest.approx(1.12, abs=5e-3)
    assert replace(found, critical=1.12).groups == [[3, 1, 2], [2, 0]]


@pytest.mark.parametrize(("sides", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_values_are_those_of_demsars_table(sides: int, q: float) -> None:
    assert critical_difference(sides, 6) == pytest.approx(q * math.sqrt(sides * (sides + 1) / 36), rel=5e-4)


tables = st.integers(3, 5).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 6), min_size=k, max_size=k), min_size=2, max_size=8)
)


@calm
@given(tables)
def test_ranks_are_as_scipy_has_them_whichever_way_is_better(rows: list[list[int]]) -> None:
    k, sides = len(rows[0]), [str(n) for n in range(len(rows[0]))]
    more = ranked({str(n): [x / 10 for x in row] for n, row in enumerate(rows)}, ACCURACY, sides)
    less = ranked({str(n): [-x / 10 for x in row] for n, row in enumerate(rows)}, MSE, sides)
    assert more.means == less.means
    assert sum(more.means) == pytest.approx(k * (k + 1) / 2)
    assert sorted({side for group in more.groups for side in group}) == list(range(k))
    if more.silent:
        assert all(len({*row}) == 1 for row in rows)
    else:
        assert more.p_value == pytest.approx(stats.friedmanchisquare(*zip(*rows, strict=True)).pvalue)


@calm
@given(st.lists(st.floats(1, 6), min_size=3, max_size=8), st.floats(0.1, 3))
def test_a_group_is_as_large_as_the_critical_difference_lets_it(means: list[float], critical: float) -> None:
    sides = [str(n) for n in range(len(means))]
    found = Ranks(sides, [], means, 0.01, critical, None, None, [], [])
    for one in range(len(means)):
        for other in range(len(means)):
            together = any({one, other} <= {*group} for group in found.groups)
            assert together == (abs(means[one] - means[other]) <= critical)
    assert not any({*one} < {*other} for one in found.groups for other in found.groups)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({}, "0 tasks say nothing"),
        ({"adding": (0.1, 0.2, 0.3)}, "1 task say nothing"),
        ({"adding": (0.1, 0.2), "copy": (0.1, 0.2)}, "of two sides"),
        ({"adding": (0.1, 0.1, 0.1), "copy": (0.2, 0.2, 0.2)}, "equal on each task"),
    ],
)
def test_where_nothing_can_be_said_it_is_said(tasks: dict[str, tuple[float, ...]], said: str) -> None:
    sides = ["a", "b", "c"][: len(next(iter(tasks.values()), (0, 0)))]
    found = ranked(tasks, sides=sides)
    assert said in found.words()
    assert (found.p_value, found.critical, critical_ranks("mine", found)) == (None, None, None)


def test_where_the_target_ends_the_runs_the_way_to_it_ranks() -> None:
    """All stop at the target, so that their scores say little."""
    race = Goal("mse", maximize=False, target=0.01, ends_run=True)
    quick, slow, missed = ([64_000.0] * 2, [96_000.0] * 2, [32_000.0, None])
    boards = [
        answer("one", scores, goal=race, figures={"target/sequences": way})
        for scores, way in (([0.009, 0.009], quick), ([0.001, 0.001], slow), ([0.009, 0.02], missed))
    ]
    assert ranks_of(["quick", "slow", "missed"], {"adding": boards}).means == [1, 2, 3]


def test_what_has_a_long_tail_is_ranked_by_the_mean_that_verdicts_show() -> None:
    tail, even = answer("tail", [0.001, 0.001, 0.1]), answer("even", [0.01, 0.01, 0.01])
    assert statistics.fmean(tail["confirmed"]["scores"]) > 0.01
    assert ranks_of(["tail", "even"], {"adding": [tail, even]}).means == [1, 2]  # geometric: 0.0046


def test_the_interquartile_mean_is_of_the_middle_tasks_of_each_seed() -> None:
    """Four tasks, floor 0.5 and ceiling 1: of each seed the best and the worst task are left out.

    Scaled, the first seed has 0, 0.2, 0.4, 1 and so 0.3; the second 0.2, 0.4, 0.6, 0.8 and so 0.5.
    """
    scores = {"a": (0.5, 0.9), "b": (0.6, 0.8), "c": (0.7, 0.6), "d": (1.0, 0.7)}
    tasks = {
        name: [answer(name, row, goal=ACCURACY, floors={"none": 0.5, "some": 0.6})] * 2 for name, row in scores.items()
    }
    found = ranks_of(["one", "other"], tasks).scores
    assert found is not None
    assert found[0] == found[1]
    expected = mean_interval([0.3, 0.5])
    assert [found[0].mean, found[0].low, found[0].high] == pytest.approx([0.4, expected.low, expected.high])


def test_without_a_ceiling_the_best_seen_counts_as_one_and_without_a_floor_a_task_is_left_out() -> None:
    bits = Goal("bpc", maximize=False)
    tasks = {
        "text": [answer("text", [x] * 2, task="text", goal=bits, floors={"n-gram": 4.0}) for x in (3.0, 2.0)],
        "bare": [answer("bare", [x] * 2, task="bare", goal=bits) for x in (3.0, 2.0)],
        "poor": [answer("poor", [x] * 2, task="poor", goal=bits, floors={"n-gram": 1.0}) for x in (3.0, 2.0)],
    }
    found = ranks_of(["one", "other"], tasks)
    assert found.scores is not None
    assert [score.mean for score in found.scores] == [0.5, 1.0]
    assert (found.best_seen, found.unscaled) == (["text"], ["bare", "poor"])


def test_only_tasks_that_all_sides_can_be_compared_on_count() -> None:
    first, second, third = (
        Side(name, [answer(f"{name}-{task}", [0.1, 0.2], task=task) for task in tasks])
        for name, tasks in (("a", ("adding", "copy", "digits")), ("b", ("adding", "copy")), ("c", ("copy", "adding")))
    )
    third.boards[0]["goal"]["metric"] = "accuracy"
    tasks = tasks_of(first, judged([first, second, third]), 3)
    assert {task: [board["study"] for board in boards] for task, boards in tasks.items()} == {
        "adding": ["a-adding", "b-adding", "c-adding"]
    }


def test_the_figure_shows_each_rank_and_a_bar_for_each_group() -> None:
    found = replace(ranked(DEMSAR), critical=1.12, p_value=0.01)
    drawing = critical_ranks("C4.5 $tuned$", found)
    assert drawing is not None
    (axes,) = drawing.figure.axes
    dots, bars = ([line for line in axes.lines if len(line.get_xdata()) == n] for n in (1, 2))
    assert [line.get_xdata()[0] for line in dots] == sorted(found.means)
    assert [tuple(line.get_xdata()) for line in bars] == [
        (found.means[group[0]], found.means[group[-1]]) for group in found.groups
    ]
    assert [text.get_text().split("  ")[0] for text in axes.texts] == [C45[side] for side in found.order]
    for words in ("C4.5 $tuned$", "C4.5+m 2.00", "Friedman", "1.12", "Not told apart: C4.5+cf, C4.5."):
        assert words in drawing.text
