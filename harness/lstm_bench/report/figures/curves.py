"""Learning curves as data: the valid score of a run at each of its readings, and over a contender's fresh seeds."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.analysis.interval import mean_interval
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, confirming
from lstm_bench.report.table import seeds

By = Literal["steps", "sequences"]


@dataclass(frozen=True, slots=True)
class Curve:
    """A run's valid scores, by the steps done or the sequences seen; what is no number is left out."""

    points: Mapping[int, float]
    complete: bool  # neither pruned nor failed


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a contender's setting did on fresh seeds, a curve each."""

    trial: int
    winner: bool
    curves: Sequence[Curve]

    @property
    def mean(self) -> dict[int, float]:
        """The mean over the seeds, as far as all of them have a reading: over ever fewer of them it would jump."""
        return {at: mean_interval(scores).mean for at, scores in self._shared().items()}

    @property
    def band(self) -> dict[int, tuple[float, float]]:
        """Around the mean: its 95 % t interval; of two seeds the two themselves, of one nothing."""
        return {at: _ends(scores) for at, scores in self._shared().items() if len(scores) > 1}

    @property
    def label(self) -> str:
        """Which setting, and what is drawn of it."""
        n = len(self.curves)
        who = f"trial {self.trial}{' (the winner)' if self.winner else ''}"
        band = "min to max" if n == 2 else "95 % t interval"
        return f"{who}: mean of {seeds(n, 'fresh ')}, {band}" if n > 1 else f"{who}: {seeds(n, 'fresh ')}"

    def _shared(self) -> dict[int, list[float]]:
        columns = [curve.points for curve in self.curves]
        return {at: [points[at] for points in columns] for at in columns[0] if all(at in points for points in columns)}


def _ends(scores: Sequence[float]) -> tuple[float, float]:
    interval = mean_interval(scores)
    if len(scores) < 3 or interval.low is None or interval.high is None:  # t(1) is 12.7: that would fill the figure
        return min(scores), max(scores)
    return interval.low, interval.high


def curves_of(results: Results, lines: Iterable[RunLine], metric: str, by: By) -> Iterator[Curve]:
    """The curve of each run that has a reading."""
    for line in lines:
        scores = (
            (reading.step if by == "steps" else reading.sequences, reading.metrics.get(f"valid/{metric}", math.nan))
            for reading in results.run(line.run).readings
        )
        points = {at: score for at, score in scores if math.isfinite(score)}
        if points:
            yield Curve(points, complete=line.status is None or line.status.complete)


def bundles_of(results: Results, lines: Sequence[RunLine], board: Board, by: By) -> Iterator[Bundle]:
    """The contenders that were confirmed, the winner first, then in the search's order."""
    winner = (chosen(board) or {}).get("trial")
    numbers = [one["trial"] for one in board["contenders"] if one["fresh"]]
    for number in sorted(numbers, key=lambda number: number != winner):
        fresh = [line for line in confirming(lines, number) if line.status and line.status.complete]
        curves = list(curves_of(results, fresh, board["goal"]["metric"], by))
        if curves:
            yield Bundle(number, number == winner, curves)
