"""Settings and their score as lines over parallel axes: where the good ones lie."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import LogLocator, MaxNLocator

from lstm_bench.goal import Goal
from lstm_bench.record.study import Trial
from lstm_bench.report.figures.drawing import (
    INK,
    SCALE,
    Drawing,
    blank,
    finished,
    score_name,
    short,
    spans_a_decade,
    styled,
)
from lstm_bench.report.table import figure as digits
from lstm_bench.report.table import setting

MOST_LINES = 500  # the best: beyond, a line can no longer be followed
UNSET = -0.12  # the height of a parameter that a trial did not have
FAN = 0.025  # lines through one choice are spread by so much to either side, the best on top: a knot shows no colours


@dataclass(frozen=True, slots=True)
class Scale:
    """An upright axis: where on it a value lies, from 0 at the bottom to 1, and its ticks."""

    name: str
    heights: Mapping[Any, float] | None = None  # of choices
    low: float = 0.0  # of a range
    high: float = 1.0
    log: bool = False
    falls: bool = False  # the low end is on top

    def height(self, value: Any) -> float:
        """Where a value lies; `UNSET` where there is none."""
        if value is None:
            return UNSET
        if self.heights is not None:
            return self.heights[value]
        scaled = math.log if self.log else float
        share = (scaled(value) - scaled(self.low)) / ((scaled(self.high) - scaled(self.low)) or 1)
        return 1 - share if self.falls else share

    @property
    def ticks(self) -> dict[float, str]:
        """Labels by height: all choices, or the ends of the range and round numbers well within."""
        if self.heights is not None:
            return {height: short(digits(choice), 14) for choice, height in self.heights.items()}
        locator = LogLocator() if self.log else MaxNLocator(4)
        ends = (self.low, self.high)
        round_ones = [float(value) for value in locator.tick_values(*ends) if self.low < value < self.high]
        return {self.height(value): f"{value:.3g}" for value in ends} | {
            self.height(value): f"{value:.3g}" for value in round_ones if 0.1 < self.height(value) < 0.9
        }


def scale_of(path: str, given: Any) -> Scale:
    """The axis of a parameter, as its range or its choices are given in `study.toml`."""
    room, _, leaf = path.partition(".")
    name = f"{room}.\n{short(leaf, 20)}" if leaf else path  # two lines are narrow enough to stand beside the next
    choices = given.get("choices") if isinstance(given, Mapping) else given
    if choices is None:
        return Scale(name, None, given["low"], given["high"], given.get("log", False))
    if all(isinstance(choice, int | float) for choice in choices):
        choices = sorted(choices)
    return Scale(name, {choice: k / max(1, len(choices) - 1) for k, choice in enumerate(choices)})


@styled
def parallel_coordinates(
    study: str, complete: Sequence[Trial], search: Mapping[str, Any], goal: Goal
) -> Drawing | None:
    """A line a trial over the searched parameters to its score; None for fewer than two trials, or no parameter.

    The last axis is the valid score, the best on top. Where the target ends the runs it is the rank, for there the
    scores say little: each run stops a little past the target.

    Args:
        study: its name.
        complete: its complete trials.
        search: what was searched, as in `study.toml`.
        goal: the task's.
    """
    if len(complete) < 2 or not search:
        return None
    ranked = sorted(complete, key=lambda trial: trial.objective or 0.0, reverse=goal.search_maximizes)
    shown = ranked[:MOST_LINES]
    scores: list[Any] = list(range(1, len(shown) + 1)) if goal.ends_run else [trial.score for trial in shown]
    scales = [*(scale_of(path, given) for path, given in search.items()), _last(scores, goal)]
    which = f"the best {len(shown):,} of {len(ranked):,}" if len(shown) < len(ranked) else f"{len(ranked):,}"
    note = f"A line for each of {which} complete trials; the darker the better."
    figure, axes = blank(study, note, width=min(20.0, max(7.0, 1.7 * len(scales))))
    heights = np.array([
        [scale.height(value) for scale, value in zip(scales, [*map(trial.settings.get, search), score], strict=True)]
        for trial, score in zip(shown, scores, strict=True)
    ])  # fmt: skip
    fans = (heights == UNSET) | [scale.heights is not None for scale in scales]
    _draw_lines(axes, heights + np.where(fans, np.linspace(FAN, -FAN, len(shown))[:, None], 0.0))
    for x, scale in enumerate(scales):
        _draw_scale(axes, x, scale, unset=UNSET in heights[:, x], beneath=min(0.0, heights.min()) - 0.06)
    axes.set_axis_off()
    best = f"The best, trial {shown[0].number}: {setting(shown[0].settings)}; {digits(shown[0].score)}."
    return finished(figure, f"Settings and scores of {study} as parallel coordinates. {note} {best}")


def _last(scores: Sequence[float], goal: Goal) -> Scale:
    low, high = min(scores), max(scores)
    if goal.ends_run:
        return Scale("rank, by sequences\nto the target", None, low, high, falls=True)
    log = not goal.maximize and spans_a_decade(scores)
    return Scale(score_name(goal).replace("/", "/\n", 1), None, low, high, log=log, falls=not goal.maximize)


def _draw_lines(axes: Axes, heights: np.ndarray) -> None:
    """The worst first, so that the best lie on top."""
    n = len(heights)
    lines = [list(enumerate(row)) for row in heights[::-1]]
    strength = np.linspace(0, 1, n)
    colours, widths = SCALE(0.1 + 0.9 * strength), 0.6 + 1.2 * strength**4
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=widths, alpha=0.85))


def _draw_scale(axes: Axes, x: int, scale: Scale, *, unset: bool, beneath: float) -> None:
    """An upright line with its ticks to the left and its name beneath."""
    axes.plot([x, x], [0, 1], color=INK, linewidth=1, zorder=3)
    ticks = scale.ticks | ({UNSET: "not set"} if unset else {})
    axes.plot([x] * len(ticks), list(ticks), marker="_", color=INK, linestyle="", markersize=6, zorder=3)
    box = {"facecolor": "white", "alpha": 0.9, "edgecolor": "none", "pad": 0.8}
    for height, label in ticks.items():
        axes.text(x - 0.04, height, label, ha="right", va="center", fontsize=8, bbox=box, zorder=4)
    axes.text(x, beneath, scale.name, ha="center", va="top", weight="bold", fontsize=9)
