import functools
import math
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from handmade import DOWN, LR, RACE, UP, Study, begin_study, words
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from lstm_bench.analysis.importance import Share
from lstm_bench.analysis.interval import mean_interval
from lstm_bench.record.files import Results
from lstm_bench.report.figures import learning, parallel, png
from lstm_bench.report.figures.curves import Bundle, Curve
from lstm_bench.report.figures.drawing import COLOURS
from lstm_bench.report.figures.importances import importance_bars
from lstm_bench.report.figures.parallel import FAN, UNSET, scale_of
from lstm_bench.result import Status
from lstm_bench.task import Goal


@pytest.fixture
def begin(results: Results):
    return functools.partial(begin_study, results)


SHARES = {"PED-ANOVA": {"train.lr": Share(0.9, 0.8, 0.95), "model.hidden": Share(0.1, 0.05, 0.2)}}


def bold(figure: Figure) -> list[Any]:
    return [line for line in figure.axes[0].get_lines() if line.get_linewidth() > 2]


def grey(figure: Figure) -> list[np.ndarray]:
    found = [one for one in figure.axes[0].collections if isinstance(one, LineCollection)]
    return [segment for one in found for segment in one.get_segments()]


def test_a_study_has_the_figures_that_it_has_data_for(begin) -> None:
    study = begin()
    assert study.drawn(importances={}) == {}
    study.searched(0, 0.5, 0.6)
    assert list(study.drawn()) == ["learning_curves", "search"]
    study.searched(1, 0.5, 0.7, metrics={"cost/train_seconds": 2.0})
    assert list(study.drawn()) == ["learning_curves", "search", "slices", "parallel_coordinates", "front"]
    drawn = study.drawn(importances=SHARES)
    texts = {stem: drawing.text for stem, drawing in drawn.items()}
    assert list(texts) == ["learning_curves", "search", "importances", "slices", "parallel_coordinates", "front"]
    assert all("first" in text and text.endswith(".") for text in texts.values())
    assert "train.lr 90% (80% to 95%), model.hidden 10% (5% to 20%)" in texts["importances"]


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_a_confirmed_setting_is_the_mean_of_its_seeds_in_a_band_that_is_named(begin, seeds: int) -> None:
    study = begin(confirm_seeds=seeds)
    study.searched(0, 0.5, 0.6)
    curves = [[0.5, 0.6], [0.6, 0.8], [0.6, 0.65]][:seeds]
    for seed, curve in enumerate(curves):
        study.confirmed(0, seed, *curve)
    figure = study.curves().figure
    (line,) = bold(figure)
    assert line.get_xydata() == pytest.approx(np.array([[10, np.mean(curves, 0)[0]], [20, np.mean(curves, 0)[1]]]))
    last = [curve[-1] for curve in curves]
    told = mean_interval(last)
    low, high = {1: (None, None), 2: (min(last), max(last)), 3: (told.low, told.high)}[seeds]
    bundle = Bundle(0, True, [Curve({10: one, 20: two}, complete=True) for one, two in curves])
    assert bundle.band.get(20, (None, None)) == (low, high)
    bands = [one.get_paths()[0].vertices for one in figure.axes[0].collections if one.get_alpha() == 0.12]
    tops = [points[points[:, 0] == 20][:, 1].max() for points in bands if len(points)]
    assert tops == ([] if high is None else [pytest.approx(high)])
    kind = {1: "1 fresh seed\n", 2: "mean of 2 fresh seeds, min to max", 3: "mean of 3 fresh seeds, 95 % t interval"}
    assert f"trial 0 (the winner): {kind[seeds]}" in words(figure) + "\n"


def test_a_mean_goes_as_far_as_all_its_seeds() -> None:
    curves = [Curve({10: 0.4, 20: 0.3, 30: 0.1}, complete=True), Curve({10: 0.2, 20: 0.1}, complete=True)]
    assert Bundle(3, False, curves).mean == {10: pytest.approx(0.3), 20: pytest.approx(0.2)}


def test_the_winner_comes_first_and_only_complete_fresh_runs_count(begin) -> None:
    study = begin(confirm_top=2)
    study.searched(0, 0.5)
    study.searched(1, 0.6)
    for seed in (0, 1):
        study.confirmed(0, seed, 0.5, 0.8)
        study.confirmed(1, seed, 0.5, 0.7)
    study.confirmed(0, 2, 0.1, 0.1, status=Status.DIVERGED)
    figure = study.curves().figure
    assert [line.get_ydata()[-1] for line in bold(figure)] == pytest.approx([0.8, 0.7])
    assert [line.get_color() for line in bold(figure)] == list(COLOURS[:2])
    assert "trial 0 (the winner): mean of 2" in words(figure)


def test_what_did_not_come_to_its_end_is_paler_and_beneath(begin) -> None:
    study = begin()
    study.searched(0, 0.5, 0.6, status=Status.PRUNED)
    study.searched(1, 0.5, math.nan, status=Status.DIVERGED)
    study.searched(2, 0.5, 0.7)
    pale, strong = (one for one in study.curves().figure.axes[0].collections if isinstance(one, LineCollection))
    assert [len(segment) for segment in pale.get_segments()] == [2, 1]  # what is no number is left out
    assert [segment[-1, 1] for segment in strong.get_segments()] == [0.7]
    assert pale.get_color().mean() > strong.get_color().mean()


def test_floors_and_the_target_are_dashed_and_named(begin) -> None:
    study = begin()
    study.searched(0, 0.5)
    for seed, floor in enumerate((0.5, 0.7)):
        study.confirmed(0, seed, 0.5, floors={"_majority": floor, "$n$gram": 0.65})
    figure = study.curves().figure
    dashed = {
        line.get_ydata()[0]: line.get_linestyle() for line in figure.axes[0].get_lines() if line.get_linestyle() != "-"
    }
    assert list(dashed) == [pytest.approx(0.6), 0.65, 0.9]
    assert len({str(style) for style in dashed.values()}) == 3
    for label in ("floor _majority (test): 0.6", "floor $n$gram (test): 0.65", "target: 0.9"):
        assert label in words(figure)


def test_of_many_runs_a_sample_is_drawn_and_the_figure_says_so(begin, monkeypatch) -> None:
    assert learning.MOST_CURVES == 200
    monkeypatch.setattr(learning, "MOST_CURVES", 10)
    study = begin()
    for number in range(25):
        study.searched(number, 0.5 + number / 100)
    figure, text = (drawing := study.curves()).figure, drawing.text
    drawn = [segment[0, 1] for segment in grey(figure)]
    assert len(drawn) == 10
    assert (drawn[0], drawn[-1]) == pytest.approx((0.5, 0.74))
    assert max(np.diff(drawn)) < 0.035  # evenly
    assert "10 of the search's 25 runs" in words(figure).replace("\n", " ")
    assert "10 of the search's 25 runs" in text


@pytest.mark.parametrize(
    ("goal", "last", "scale"),
    [(DOWN, 0.04, "log"), (DOWN, 0.06, "linear"), (DOWN, -1.0, "linear"), (UP, 0.04, "linear")],
)
def test_a_loss_over_more_than_a_decade_is_logarithmic(begin, goal: Goal, last: float, scale: str) -> None:
    study = begin(replace(goal, target=None))
    study.searched(0, 0.5, last)
    axes = study.curves().figure.axes[0]
    assert axes.get_yscale() == scale
    assert axes.get_ylim()[0] < last < 0.5 < axes.get_ylim()[1]


def test_a_run_that_went_wrong_does_not_flatten_the_others(begin) -> None:
    study = begin(DOWN)
    for number in range(60):
        study.searched(number, 0.5, 0.4)
    study.searched(60, 0.5, 1e12)
    low, high = study.curves().figure.axes[0].get_ylim()
    assert 0.3 < low < 0.4
    assert 0.5 < high < 0.6


@pytest.mark.parametrize(
    ("search", "label"), [(LR, "optimiser steps"), ({"train.batch_size": [8, 16]}, "training sequences")]
)
def test_training_is_counted_in_sequences_where_batches_differ(begin, search: Any, label: str) -> None:
    study = begin(search=search)
    study.searched(0, 0.5, 0.6)
    figure = study.drawn()["learning_curves"].figure
    assert figure.axes[0].get_xlabel() == label
    assert grey(figure)[0][-1, 0] == (20 if search is LR else 640)


@pytest.mark.parametrize(("trials", "few"), [(19, True), (20, False)])
def test_bars_are_as_long_as_the_shares_and_lines_as_the_spread(trials: int, few: bool) -> None:
    fanova = {"model.hidden": Share(0.7, 0.4, 0.8), "train.lr": Share(0.3, 0.2, 0.6)}
    figure = importance_bars("first", {**SHARES, "fANOVA": fanova}, trials).figure
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["train.lr", "model.hidden"]
    bars = [{round(bar.get_y() + bar.get_height() / 2, 3): bar.get_width() for bar in bars} for bars in axes.containers]
    (upper, lower) = sorted(bars[0], reverse=True)
    assert bars[0] == {upper: 0.9, lower: 0.1}  # the most important on top
    assert sorted(bars[1].values()) == [0.3, 0.7]
    assert max(bars[1]) < upper  # a method beneath the other
    ends = [[tuple(segment[:, 0]) for segment in lines.get_segments()] for lines in axes.collections]
    assert ends == [[(0.8, 0.95), (0.05, 0.2)], [(0.4, 0.8), (0.2, 0.6)]]
    assert ("19 trials for 2 parameters: too few" in words(figure).replace("\n", " ")) is few


def test_an_axis_lays_out_ranges_and_choices() -> None:
    log, linear = scale_of("train.lr", LR["train.lr"]), scale_of("model.dropout", {"low": 0.0, "high": 0.5})
    assert [log.height(value) for value in (1e-4, 1e-2, 1e-1)] == pytest.approx([0, 2 / 3, 1])
    assert list(log.ticks.values()) == ["0.0001", "0.1", "0.001", "0.01"]
    assert [linear.height(value) for value in (0, 0.125, None)] == pytest.approx([0, 0.25, UNSET])
    numbers = scale_of("model.hidden", [128, 32, 64])
    assert {label: height for height, label in numbers.ticks.items()} == {"32": 0.0, "64": 0.5, "128": 1.0}
    named = scale_of("train.optimizer", {"choices": ["sgd", "adamw"], "when": {"model.cell": "lstm"}})
    assert named.ticks == {0.0: "sgd", 1.0: "adamw"}


@pytest.mark.parametrize("goal", [UP, DOWN])
def test_the_best_line_is_the_darkest_and_uppermost_and_ends_on_top(begin, goal: Goal) -> None:
    study = begin(goal, search={**LR, "train.momentum": {"low": 0.5, "high": 0.9, "when": {"train.optimizer": "sgd"}}})
    best = {"train.lr": 0.1, "train.momentum": 0.7}
    for number, score in enumerate((0.5, 0.9 if goal.maximize else 0.1, 0.7)):
        study.searched(number, score, settings=best if number == 1 else {"train.lr": 1e-4})
    study.searched(3, 0.0, settings=best, status=Status.PRUNED)
    figure = (drawing := study.parallel()).figure
    (lines,) = (one for one in figure.axes[0].collections if isinstance(one, LineCollection))
    heights = [list(points[:, 1]) for points in lines.get_segments()]
    assert heights[0] == pytest.approx([0.0, UNSET - FAN, 0.0])
    assert heights[-1] == pytest.approx([1.0, 0.5, 1.0])
    assert len(heights) == 3
    shades = lines.get_color()[:, :3].sum(1)
    assert list(shades) == sorted(shades, reverse=True)
    assert "not set" in words(figure)
    assert f"The best, trial 1: lr 0.1, momentum 0.7; {0.9 if goal.maximize else 0.1}." in drawing.text


def test_of_many_trials_the_best_are_lines_and_the_figure_says_so(begin, monkeypatch) -> None:
    assert parallel.MOST_LINES == 500
    monkeypatch.setattr(parallel, "MOST_LINES", 10)
    study = begin()
    for number in range(12):
        study.searched(number, number / 100, settings={"train.lr": 0.01})
    figure = study.parallel().figure
    assert len(grey(figure)) == 10
    assert "the best 10 of 12 complete trials" in words(figure)
    assert "0.02" in words(figure).split("\n")  # the worst that is drawn is the low end


def test_where_the_target_ends_runs_trials_are_laid_out_by_rank(begin) -> None:
    study = begin(RACE)
    for number, sequences in enumerate((300.0, 100.0, 200.0)):
        study.searched(number, 0.001 * (number + 1), status=Status.SOLVED, metrics={"target/sequences": sequences})
    figure = study.parallel().figure
    assert "rank, by sequences" in words(figure)
    assert [segment[-1, 1] for segment in grey(figure)] == pytest.approx([0, 0.5, 1])


def marked(figure: Figure) -> dict[str, tuple[float, float]]:
    return {text.get_text(): tuple(text.xy) for text in figure.axes[0].texts}


def test_the_front_of_several_objectives_is_the_boards(begin) -> None:
    study = begin(objectives=["valid/accuracy", "speed/sequences_per_second"])
    for number, measures in enumerate([(0.9, 10.0), (0.8, 30.0), (0.8, 20.0), (0.7, 25.0), (0.9, 10.0)]):
        study.searched(number, measures[0], measures=measures)
    figure = study.front().figure
    assert marked(figure) == {"0": (10.0, 0.9), "1": (30.0, 0.8)}
    cloud, best = (one for one in figure.axes[0].collections if isinstance(one, PathCollection))
    assert (len(cloud.get_offsets()), len(best.get_offsets())) == (3, 2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["dominated", "the front"]
    assert figure.axes[0].get_lines()[0].get_drawstyle() == "steps-pre"
    assert figure.axes[0].get_xlabel() == "speed/sequences_per_second, more is better"


def test_of_three_objectives_the_front_is_that_of_all(begin) -> None:
    study = begin(objectives=["valid/accuracy", "cost/train_seconds", "memory/peak_rss_mib"])
    for number, measures in enumerate([(0.9, 1.0, 9.0), (0.8, 2.0, 5.0), (0.7, 3.0, 6.0)]):
        study.searched(number, measures[0], measures=measures)
    figure = study.front().figure
    assert marked(figure) == {"0": (1.0, 0.9), "1": (2.0, 0.8)}
    assert not figure.axes[0].get_lines()  # it is no staircase in two of three
    assert "one of 3 measures" in words(figure).replace("\n", " ")


@pytest.mark.parametrize("reused", [False, True])
def test_one_objective_is_weighed_against_time_or_where_runs_were_reused_against_weights(begin, reused: bool) -> None:
    study = begin(DOWN)
    for number, (score, seconds, weights) in enumerate([(0.1, 8.0, 50.0), (0.2, 4.0, 20.0), (0.3, 5.0, 10.0)]):
        costs = {"cost/train_seconds": seconds, "model/parameters": weights}
        study.searched(number, score, metrics=costs, reused=reused and number == 2)
    figure = study.front().figure
    x = {"0": 50.0, "1": 20.0, "2": 10.0} if reused else {"0": 8.0, "1": 4.0}
    assert marked(figure) == {number: (cost, pytest.approx(0.1 * (int(number) + 1))) for number, cost in x.items()}
    assert figure.axes[0].get_ylabel() == "valid/mse, less is better"
    assert figure.axes[0].get_lines()[0].get_drawstyle() == "steps-post"


def test_where_the_target_ends_runs_quality_is_the_sequences_to_it(begin) -> None:
    study = begin(RACE)
    for number, (sequences, seconds) in enumerate([(300.0, 1.0), (100.0, 2.0), (None, 0.5)]):
        target = {"target/sequences": sequences} if sequences else {}
        status = Status.SOLVED if sequences else Status.FINISHED
        study.searched(number, 0.005, status=status, metrics={**target, "cost/train_seconds": seconds})
    figure = study.front().figure
    assert marked(figure) == {"0": (1.0, 300.0), "1": (2.0, 100.0)}
    assert "2 of 3 complete trials; the others lack" in words(figure)


def test_where_all_cost_the_same_there_is_no_front(begin) -> None:
    study = begin()
    study.searched(0, 0.5)
    study.searched(1, 0.6)
    assert study.front() is None


EVIL = "a$\\frac{$_b_$ <script>"


@pytest.fixture
def evil(begin) -> Study:
    """Names that would be formulas or markup, in every place that a user names."""
    study = begin(Goal(EVIL, maximize=False, unit="$n$"), search={**LR, "options.kind": [EVIL, "b"]})
    for number in range(3):
        settings = {"train.lr": 0.001 * (number + 1), "options.kind": EVIL}
        study.searched(number, 0.5, 0.1 * (number + 1), settings=settings, metrics={"cost/train_seconds": number + 1.0})
    study.confirmed(0, 0, 0.5, 0.2, floors={EVIL: 0.4})
    return study


def test_names_are_shown_as_they_are(evil: Study) -> None:
    drawn = evil.drawn(importances={"PED-ANOVA": {EVIL: Share(1.0, 1.0, 1.0), "options.kind": Share(0.0, 0.0, 0.0)}})
    assert len(drawn) == 6
    for stem, drawing in drawn.items():
        figure = drawing.figure
        png(figure)  # a broken formula would raise
        assert "a$\\frac{$_b" in words(figure), stem
        assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    said = " ".join(drawing.text for drawing in drawn.values())
    assert said.count(EVIL) >= 4


def test_a_figure_is_the_same_bytes_each_time_and_whatever_a_users_own_style(evil: Study) -> None:
    first = {stem: png(drawing.figure) for stem, drawing in evil.drawn().items()}
    with mpl.rc_context({"text.usetex": True, "savefig.dpi": 30, "lines.linewidth": 9, "savefig.bbox": "tight"}):
        drawn = evil.drawn()
        second, third = ({stem: png(drawing.figure) for stem, drawing in drawn.items()} for _ in range(2))
    assert first == second == third
    assert all(data.startswith(b"\x89PNG") and len(data) < 150_000 for data in first.values())
    assert not any(re.search(rb"tEXt|tIME", data) for data in first.values())


def test_the_layout_stays_from_rendering_to_rendering(begin) -> None:
    study = begin(search={**LR, "model.hidden": [32, 64, 128]})
    for number, score in enumerate((0.5, 0.6, 0.9)):
        study.searched(number, score, settings={"train.lr": 0.001 * 4**number, "model.hidden": 32 * 2**number})
    figure = study.parallel().figure
    assert len({png(figure) for _ in range(3)}) == 1


def test_matplotlib_is_loaded_where_a_figure_is_drawn_and_its_global_state_never() -> None:
    code = (
        "import sys, lstm_bench.cli;"
        "before = 'matplotlib' in sys.modules;"
        "import lstm_bench.report.figures;"
        "print(before, 'matplotlib.figure' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
