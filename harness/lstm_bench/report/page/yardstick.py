"""What a score is measured by: chance, floors, target, ceiling, what others published; as a line and as a table."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lstm_bench.analysis.answer import goal_of
from lstm_bench.report.page.cells import Cell, Table, number, with_interval
from lstm_bench.report.page.contents import Study
from lstm_bench.report.page.words import against_floor
from lstm_bench.report.table import at_floor, figure

Kind = Literal["chance", "floor", "target", "published", "ceiling"]
MARGIN = 4.0  # percent of the line that stay free at either end


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a score is measured by.

    Attributes:
        kind: what it is.
        name: which one, and where it stands.
        score: in the task's metric.
        floor: of a floor, what the board says of it.
    """

    kind: Kind
    name: str
    score: float
    floor: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """Where a confirmed score and what it is measured by lie on a line, in percent of it; the better the further right.

    Attributes:
        mean: of the confirmed score.
        low: the left end of its interval; None where it has none. So is `high`.
        marks: the others.
        text: the same in words.
    """

    mean: float
    low: float | None
    high: float | None
    marks: list[tuple[Mark, float]]
    text: str


def marks_of(study: Study) -> list[Mark]:
    """All that the study's score can be measured by."""
    return list(_marks(study))


def _marks(study: Study) -> Iterator[Mark]:
    goal, found = goal_of(study.board), study.board["confirmed"]
    if goal.chance is not None:
        yield Mark("chance", "who knows nothing", goal.chance)
    for name, floor in (found["floors"] if found else {}).items():
        yield Mark("floor", name, floor["score"], floor)
    if goal.target is not None:
        yield Mark("target", "whose time is taken", goal.target)
    for one in study.asked.get("published", ()):
        if "score" in one:
            yield Mark("published", f"{one['model']}: {one['source']}", one["score"])
    if goal.ceiling is not None:
        yield Mark("ceiling", "the best possible", goal.ceiling)


def line_of(study: Study) -> Line | None:
    """The line of a confirmed study's score; None where it is measured by nothing."""
    goal, found, marks = goal_of(study.board), study.board["confirmed"], marks_of(study)
    if not found or not marks:
        return None
    score = found["score"]
    ends = [end for end in (score["low"], score["high"]) if end is not None]
    values = [score["mean"], *(mark.score for mark in marks)]
    log = not goal.maximize and 0 < 10 * min(values) < max(values)
    if log:
        ends = [max(end, min(values)) for end in ends]  # an interval may begin below 0, a logarithm may not
    place = _scale([*values, *ends], log=log, falls=not goal.maximize)
    left, right = sorted(map(place, ends)) if ends else (None, None)
    said = [f"{mark.kind} {mark.name}: {figure(float(mark.score))}" for mark in marks]
    text = f"Test {goal.metric} {figure(score['mean'])} among: {'; '.join(said)}. The better the further right."
    return Line(place(score["mean"]), left, right, [(mark, place(mark.score)) for mark in marks], text)


def _scale(values: Sequence[float], *, log: bool, falls: bool) -> Any:
    """From a value to its place on the line, in percent."""
    scaled = math.log if log else float
    low, high = scaled(min(values)), scaled(max(values))

    def place(value: float) -> float:
        share = (scaled(value) - low) / ((high - low) or 1)
        return round(MARGIN + (100 - 2 * MARGIN) * (1 - share if falls else share), 2)

    return place


def yardsticks(study: Study) -> Table:
    """The same as a table, with the difference to each floor, paired by seed, and sequences that others needed."""
    goal = goal_of(study.board)
    rows = [[Cell(mark.kind), Cell(mark.name), number(mark.score), *_beside(mark, study)] for mark in marks_of(study)]
    counts = [one for one in study.asked.get("published", ()) if "sequences" in one]
    rows += [
        [Cell("published"), Cell(f"{one['model']}, sequences"), number(one["sequences"]), Cell(), Cell()]
        for one in counts
    ]
    heads = ["measure", "which", goal.unit or goal.metric, "the best setting's difference", "it is"]
    return Table(f"What the score of {study.name} is measured by", heads, rows)


def _beside(mark: Mark, study: Study) -> list[Cell]:
    """How far the confirmed score is away: of a floor by the paired difference."""
    found, goal = study.board["confirmed"], goal_of(study.board)
    if not found:
        return [Cell(look="number"), Cell()]
    if mark.floor:
        word = against_floor(mark.floor, maximize=goal.maximize)
        at = at_floor(mark.floor)
        beside = f"at floor: {at}" if at else ""
        return [with_interval(mark.floor["difference"], form="+.3g"), Cell(word, beside, look=word)]
    apart = found["score"]["mean"] - mark.score
    return [Cell(f"{apart:+.3g}", sort=apart, look="number"), Cell()]
