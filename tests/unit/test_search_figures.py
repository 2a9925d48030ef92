"""Drawings of studies as searches: the best so far and to be expected, slices, the front of three measures."""

import functools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from handmade import DOWN, LR, RACE, UP, Study, begin_study, words
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from lstm_bench.analysis.progress import progress_of
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.report.figures import Drawing, comparison_figures
from lstm_bench.report.figures.search import search_progress
from lstm_bench.report.figures.slices import Dimension, slices
from lstm_bench.result import Status

HIDDEN = {"model.hidden": [64, 32]}


@pytest.fixture
def begin(results: Results):
    return functools.partial(begin_study, results)


def said(figure: Figure) -> str:
    return " ".join(words(figure).split())


def dots(axes: Any) -> list[np.ndarray]:
    return [one.get_offsets() for one in axes.collections if isinstance(one, PathCollection)]


def progressed(study: Study, **more: Any) -> Drawing | None:
    return search_progress(study.files.name, [progress_of(study.files)], study.goal, **more)


def sliced(study: Study, importances: list[str]) -> Drawing | None:
    return slices("first", study.complete, study.files.asked["search"], study.goal, importances)


def test_a_search_is_its_trials_its_best_so_far_and_its_expected_best(begin) -> None:
    study = begin(sampler="random")
    for number, score in enumerate((0.6, 0.5, 0.8)):
        study.searched(number, score, clock=10.0 * (number + 1))
    study.searched(3, 0.9, status=Status.PRUNED, clock=40.0)
    drawing = progressed(study)
    axes = drawing.figure.axes[0]
    expected, best = axes.get_lines()
    assert list(best.get_ydata()) == [0.6, 0.6, 0.8, 0.8]
    assert expected.get_xydata()[0] == pytest.approx([1, (0.6 + 0.5 + 0.8 + 0.5) / 4])
    assert expected.get_xdata()[-1] == 4
    assert [list(point) for point in dots(axes)[0][:3]] == [[1, 0.6], [2, 0.5], [3, 0.8]]
    assert "random order" not in said(drawing.figure)  # it was one
    assert f"first: expected best {expected.get_ydata()[-1]:.4g} after 4 trials; found 0.8." in drawing.text
    seconds = progressed(study, by="seconds").figure.axes[0].get_lines()
    assert [list(line.get_xdata())[-1] for line in seconds] == [40, 40]


def test_a_sampler_that_learns_is_said_to_be_described_as_if_it_did_not(begin) -> None:
    study = begin()
    study.searched(0, 0.5)
    assert "as if they came in random order" in said(progressed(study).figure)


def test_a_search_without_a_complete_trial_or_without_a_clock_is_not_drawn(begin) -> None:
    study = begin()
    study.searched(0, 0.5, status=Status.PRUNED, clock=1.0)
    assert progressed(study) is None
    study.searched(1, 0.5)
    assert progress_of(study.files).seconds_a_trial > 0
    old = begin(name="old")
    old.searched(0, 0.5)
    assert progressed(old) is not None
    assert progressed(old, by="seconds") is None


def test_searches_are_told_apart_at_equal_trials_and_at_equal_seconds(begin) -> None:
    slow, fast = begin(DOWN, name="slow"), begin(DOWN, name="fast")
    for number in range(4):
        slow.searched(number, 0.1 * (number + 1), clock=20.0 * (number + 1))
        fast.searched(number, 0.2, clock=5.0 * (number + 1))
        fast.searched(number + 4, 0.2, clock=5.0 * (number + 5))
    drawn = comparison_figures("adding", [slow.files, fast.files])
    assert list(drawn) == ["search_by_trials", "search_by_seconds"]
    by_trials, by_seconds = (one.figure for one in drawn.values())
    assert [text.get_text() for text in by_trials.legends[0].get_texts()] == ["slow", "fast"]
    assert [line.get_xdata()[-1] for line in by_trials.axes[0].get_lines()] == [4, 4, 8, 8]
    assert [line.get_xdata()[-1] for line in by_seconds.axes[0].get_lines()] == [80, 80, 40, 40]
    assert not dots(by_trials.axes[0])
    assert "slow: expected best 0.1383 after 4 trials; found 0.1." in drawn["search_by_trials"].text
    assert "fast: expected best 0.2 after 4 trials, 0.2 after 8 trials; found 0.2." in drawn["search_by_trials"].text
    assert "slow: expected best 0.1875 after 40 seconds, " in drawn["search_by_seconds"].text


def test_studies_of_different_goals_have_no_axis_in_common(begin) -> None:
    studies = [begin(UP, name="up").files, begin(DOWN, name="down").files]
    with pytest.raises(UsageError, match="up accuracy, down mse"):
        comparison_figures("both", studies)


def test_the_two_that_matter_most_are_set_against_the_score_and_each_other(begin) -> None:
    study = begin(search={**HIDDEN, "model.dropout": {"low": 0.0, "high": 0.5}, **LR})
    for number, (hidden, lr, score) in enumerate([(32, 1e-3, 0.6), (64, 1e-1, 0.8), (32, 1e-4, 0.7)]):
        study.searched(number, score, settings={"model.hidden": hidden, "model.dropout": 0.1, "train.lr": lr})
    drawing = sliced(study, ["train.lr", "model.hidden", "model.dropout"])
    lr, hidden, both = drawing.figure.axes
    assert [tuple(point) for point in dots(lr)[0]] == [(1e-3, 0.6), (1e-1, 0.8), (1e-4, 0.7)]
    assert lr.get_xscale() == both.get_xscale() == "log"
    assert [text.get_text() for text in hidden.get_xticklabels()] == ["32", "64"]
    assert list(np.round(dots(hidden)[0][:, 0])) == [0, 1, 0]
    assert np.array_equal(dots(both)[0], np.column_stack([dots(lr)[0][:, 0], dots(hidden)[0][:, 0]]))
    shades = dots_colours(both).sum(1)
    assert list(np.argsort(shades)) == [1, 2, 0]  # the best is the darkest
    assert "train.lr and model.hidden, which matter most" in said(drawing.figure)
    assert drawing.text.endswith("The best, trial 1: lr 0.1, hidden 64; 0.8.")


def dots_colours(axes: Any) -> np.ndarray:
    (cloud,) = (one for one in axes.collections if isinstance(one, PathCollection))
    cloud.update_scalarmappable()
    return cloud.get_facecolors()[:, :3]


def test_less_is_better_and_the_least_is_the_darkest(begin) -> None:
    study = begin(RACE)
    for number, sequences in enumerate((9e5, 1e5, None, 5e5)):
        hit = {"target/sequences": sequences} if sequences else {}
        study.searched(number, 0.005, status=Status.SOLVED if hit else Status.FINISHED, metrics=hit)
    drawing = sliced(study, [])
    (axes,) = drawing.figure.axes
    assert list(dots(axes)[0][:, 1]) == pytest.approx([9e5, 1e5, 5e5])
    assert list(np.argsort(dots_colours(axes).sum(1))) == [1, 2, 0]
    assert "3 of 4 complete trials; the others lack a value" in said(drawing.figure)


def test_a_parameter_with_a_condition_is_shown_where_it_was_searched(begin) -> None:
    when = {"low": 0.5, "high": 0.9, "when": {"train.optimizer": "sgd"}}
    study = begin(search={"train.optimizer": ["sgd", "adamw"], "train.momentum": when})
    for number in range(4):
        sgd = {"train.optimizer": "sgd", "train.momentum": 0.5 + number / 10}
        study.searched(number, 0.5 + number / 10, settings=sgd if number % 2 else {"train.optimizer": "adamw"})
    drawing = sliced(study, ["train.momentum"])
    assert list(dots(drawing.figure.axes[0])[0][:, 0]) == pytest.approx([0.6, 0.8])
    assert sliced(study, ["train.optimizer", "train.momentum"]) is not None


def test_nothing_is_sliced_of_one_trial(begin) -> None:
    study = begin()
    study.searched(0, 0.5)
    assert sliced(study, []) is None


def test_trials_of_one_choice_lie_beside_each_other() -> None:
    study_trials = [type("T", (), {"settings": {"train.optimizer": "sgd"}})() for _ in range(3)]
    found = Dimension.of("train.optimizer", {"choices": ["adamw", "sgd"]}, study_trials)
    assert found.places == pytest.approx([0.7, 1.0, 1.3])
    assert found.choices == ["adamw", "sgd"]


def test_memory_is_the_size_of_a_dot_and_makes_a_front_of_three(begin) -> None:
    study = begin()
    for number, (score, seconds, mib) in enumerate(
        [(0.9, 9.0, 80.0), (0.8, 3.0, 90.0), (0.7, 5.0, 20.0), (0.6, 9.0, 80.0)]
    ):
        study.searched(number, score, metrics={"cost/train_seconds": seconds, "memory/peak_private_mib": mib})
    study.confirmed(0, 0, 0.85, metrics={"cost/train_seconds": 8.0, "memory/peak_private_mib": 60.0})
    study.confirmed(0, 1, 0.75, metrics={"cost/train_seconds": 6.0, "memory/peak_private_mib": 40.0})
    drawing = study.front()
    dominated, front, fresh = (one for one in drawing.figure.axes[0].collections if isinstance(one, PathCollection))
    assert [tuple(point) for point in dominated.get_offsets()] == [(9.0, 0.6)]
    assert sorted(map(tuple, front.get_offsets())) == [(3.0, 0.8), (5.0, 0.7), (9.0, 0.9)]
    assert [tuple(point) for point in fresh.get_offsets()] == [(7.0, pytest.approx(0.8))]
    sizes = dict(zip(map(tuple, front.get_offsets()), front.get_sizes(), strict=True))
    assert sizes[5.0, 0.7] < fresh.get_sizes()[0] < sizes[9.0, 0.9] < sizes[3.0, 0.8]
    assert "memory/peak_private_mib (20 to 90)" in said(drawing.figure)
    assert [text.xy for text in drawing.figure.axes[0].texts[:3]] == [
        (3.0, 0.8),
        (5.0, 0.7),
        (9.0, 0.9),
    ]  # from the left
    assert "trial 2 (0.7, 5, 20)" in drawing.text
    assert drawing.text.endswith("On fresh seeds: trial 0 (0.8, 7, 50).")


def test_what_draws_and_what_weighs_need_no_torch() -> None:
    """The end of a study waits for these imports."""
    code = "import sys, lstm_bench.report.figures, lstm_bench.tuning.importance; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
