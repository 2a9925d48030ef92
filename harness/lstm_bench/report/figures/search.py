"""How searches went on: the best so far, and the best to be expected of so many trials, or so many seconds."""

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from matplotlib.axes import Axes

from lstm_bench.analysis.progress import LUCK, Progress
from lstm_bench.goal import Goal
from lstm_bench.report.figures.drawing import (
    COLOURS,
    GREY,
    Drawing,
    blank,
    capital,
    finished,
    make_log,
    short,
    spans_a_decade,
    styled,
    value_name,
)
from lstm_bench.report.table import figure as digits

Spent = Literal["trials", "seconds"]
MOST = 6  # searches in one figure: as many as there are colours
POINTS = 200  # of a curve
BAND = 0.24  # opacity of all bands together
AXIS = {"trials": "trials, pruned and failed ones too", "seconds": "seconds of the search, by the wall clock"}


@styled
def search_progress(name: str, searches: Sequence[Progress], goal: Goal, *, by: Spent = "trials") -> Drawing | None:
    """Each search's expected best as a curve, the luck of one search as a band, its own best so far as a dashed line.

    Of a search alone the trials are drawn, too. None where no trial of any has a value, or no study has a clock.

    Args:
        name: above the figure.
        searches: for the same goal.
        goal: theirs.
        by: what a search spends. Seconds are those of the studies' clocks; n trials take n times the mean of a trial.
    """
    found = [one for one in searches if one.counted.size and (by == "trials" or one.seconds_a_trial)]
    shown = found[:MOST]
    if not shown:
        return None
    note = _note(shown, of=len(searches))
    figure, axes = blank(name, note)
    if len(shown) == 1:
        axes.scatter(_spent(shown[0], by), _numbers(shown[0].values), s=10, color=GREY, linewidths=0)
    for one, colour in zip(shown, COLOURS, strict=False):
        _draw(axes, one, by, colour, BAND / max(2, len(shown)))
    values = [value for one in shown for value in one.counted]
    if not goal.search_maximizes and spans_a_decade(values):
        make_log(axes, "y", values)
    axes.set(xlabel=AXIS[by], ylabel=value_name(goal), xlim=(0, None))
    if len(shown) > 1:
        figure.legend(loc="outside lower left", ncols=3)
    what = f"The best of the search of {name} by {AXIS[by]}; {value_name(goal)}."
    return finished(figure, " ".join([what, note, *_said(shown, by)]))


def _draw(axes: Axes, one: Progress, by: Spent, colour: str, strength: float) -> None:
    n = np.unique(np.geomspace(1, len(one.values), POINTS).round(2))
    x = n * (1 if by == "trials" else one.seconds_a_trial)
    low, high = (one.best_at(quantile, n) for quantile in LUCK)
    axes.fill_between(x, low, high, color=colour, alpha=strength, linewidth=0)
    axes.plot(x, one.expected_best(n), color=colour, linewidth=2, label=short(one.study, 40))
    axes.plot(_spent(one, by), _numbers(one.best_so_far), "--", color=colour, linewidth=1, drawstyle="steps-post")


def _spent(one: Progress, by: Spent) -> Sequence[float]:
    return range(1, len(one.values) + 1) if by == "trials" else one.seconds


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _note(shown: Sequence[Progress], of: int) -> str:
    which = f"{len(shown)} of {of} searches" if of > 1 else "dots, the trials"
    order = "" if all(one.independent for one in shown) else ", as if they came in random order"
    return (
        f"{capital(which)}; dashed, the best so far; curve, the mean best of n trials drawn from all{order}; band, "
        "90 % of such draws. What was pruned or failed counts as the worst."
    )


def _said(shown: Sequence[Progress], by: Spent) -> list[str]:
    """What each search can be expected to find with what all of them had, then with all that it had."""
    least = min(_spent(one, by)[-1] for one in shown)
    sentences = []
    for one in shown:
        unit = 1.0 if by == "trials" else one.seconds_a_trial
        ends = dict.fromkeys(max(1.0, spent / unit) for spent in (least, _spent(one, by)[-1]))
        told = (f"{digits(float(one.expected_best(n)))} after {digits(n * unit)} {by}" for n in ends)
        sentences.append(f"{one.study}: expected best {', '.join(told)}; found {digits(float(one.counted[-1]))}.")
    return sentences
