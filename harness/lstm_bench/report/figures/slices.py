"""Where the good settings lie: the two parameters that matter most against the score, and against each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from lstm_bench.analysis.progress import value_of
from lstm_bench.goal import Goal
from lstm_bench.record.study import Trial
from lstm_bench.report.figures.drawing import (
    SCALE,
    Drawing,
    finished,
    make_log,
    panelled,
    short,
    spans_a_decade,
    styled,
    value_name,
)
from lstm_bench.report.table import figure as digits
from lstm_bench.report.table import setting

MANY = 300  # trials, from which dots are small
FAN = 0.3  # trials with the same choice are spread by so much to either side, the first on the left


@dataclass(frozen=True, slots=True)
class Dimension:
    """A searched parameter as an axis: where on it each of some trials lies.

    Attributes:
        path: of the parameter.
        places: by trial; choices are numbered, and spread.
        choices: in their order, as they are called; nothing of a range.
        log: whether a range is logarithmic.
    """

    path: str
    places: Sequence[float]
    choices: Sequence[str]
    log: bool

    @classmethod
    def of(cls, path: str, given: Any, trials: Sequence[Trial]) -> "Dimension":
        """A parameter's, as its range or its choices are given in `study.toml`, for trials that have it."""
        values = [trial.settings[path] for trial in trials]
        choices = given.get("choices") if isinstance(given, Mapping) else given
        if choices is None:
            return cls(path, values, (), given.get("log", False))
        if all(isinstance(choice, int | float) for choice in choices):
            choices = sorted(choices)
        places = np.linspace(-FAN, FAN, len(values)) + [choices.index(value) for value in values]
        return cls(path, list(places), [digits(choice) for choice in choices], log=False)

    def draw_axis(self, axes: Axes, which: Literal["x", "y"], room: int = 3) -> None:
        """Name an axis after the parameter, with its scale (see `make_log`) or its choices."""
        axes.set(**{f"{which}label": short(self.path, 36)})
        if self.choices:
            names = [short(choice, 12) for choice in self.choices]
            axes.set(**{f"{which}ticks": range(len(names)), f"{which}ticklabels": names})
        elif self.log and self.places:
            make_log(axes, which, self.places, room)


@styled
def slices(
    study: str, complete: Sequence[Trial], search: Mapping[str, Any], goal: Goal, importances: Sequence[str] = ()
) -> Drawing | None:
    """A dot a trial: each of two parameters against the score, and below the one against the other, coloured by score.

    Args:
        study: its name.
        complete: its complete trials.
        search: what was searched, as in `study.toml`.
        goal: the task's.
        importances: the parameters, the most important first; nothing: the first two that were searched.

    Returns:
        None for fewer than two trials that have these parameters and a value, as `value_of` has it.
    """
    paths = [path for path in importances or search if path in search][:2]
    scored = [(trial, value_of(trial, goal)) for trial in complete if all(path in trial.settings for path in paths)]
    trials = [trial for trial, value in scored if value is not None]
    values = [value for _, value in scored if value is not None]
    if not paths or len(values) < 2:
        return None
    dimensions = [Dimension.of(path, search[path], trials) for path in paths]
    note = _note(len(values), len(complete), dimensions, ranked=bool(importances))
    mosaic, height = ("AB;CC", 7.6) if len(paths) > 1 else ("A", 4.2)
    figure, panels = panelled(study, note, mosaic, height=height)
    _draw(panels, dimensions, values, goal)
    best = (max if goal.search_maximizes else min)(range(len(values)), key=values.__getitem__)
    where = setting({path: trials[best].settings[path] for path in paths})
    what = f"{value_name(goal)} of the trials of {study} by {' and '.join(paths)}."
    return finished(figure, f"{what} {note} The best, trial {trials[best].number}: {where}; {digits(values[best])}.")


def _note(drawn: int, complete: int, dimensions: Sequence[Dimension], *, ranked: bool) -> str:
    names = " and ".join(one.path for one in dimensions)
    which = "" if len(dimensions) < 2 else ", which matter most" if ranked else ", the first that were searched"
    left = "; the others lack a value" if drawn < complete else ""
    return f"A dot for {drawn:,} of {complete:,} complete trials{left}: {names}{which}. The darker the better."


def _draw(panels: Mapping[str, Axes], dimensions: Sequence[Dimension], values: Sequence[float], goal: Goal) -> None:
    """The two slices, whose heights tell what a colour means below."""
    log = not goal.maximize and spans_a_decade(values)
    norm = (LogNorm if log else Normalize)(min(values), max(values))
    colours = SCALE if goal.search_maximizes else SCALE.reversed()  # the best are the darkest
    looks: dict[str, Any] = {"c": values, "cmap": colours, "norm": norm, "linewidths": 0}
    size = 22 if len(values) < MANY else 9
    for (name, axes), dimension in zip(panels.items(), dimensions, strict=False):
        axes.scatter(dimension.places, values, s=size, **looks)
        dimension.draw_axis(axes, "x", room=2)
        if log:
            make_log(axes, "y", values)
        axes.set_ylabel(value_name(goal) if name == "A" else "")
    if len(dimensions) > 1:
        first, second = dimensions
        panels["C"].scatter(first.places, second.places, s=1.6 * size, **looks)
        first.draw_axis(panels["C"], "x")
        second.draw_axis(panels["C"], "y")
