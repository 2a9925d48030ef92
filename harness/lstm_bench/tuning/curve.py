"""How a setting comes along: the objective at each step, the mean over its seeds so far."""

import math
from dataclasses import dataclass, field

from lstm_bench.result import Reading
from lstm_bench.tuning.study import Question

Point = tuple[int, float]  # a counted step, and the mean there


@dataclass(slots=True)
class Curve:
    """The objective of one setting at each step, by seed.

    Attributes:
        span: steps of the longest run; the steps of the seed numbered j are counted from j times as many.
    """

    span: int
    _seeds: list[dict[int, float]] = field(default_factory=list)

    def point(self, seed: int, step: int, value: float) -> Point:
        """Take a reading of the seed numbered `seed`, and give the mean at that step over it and those before.

        A run that ended earlier (solved) counts with its last value.
        """
        while len(self._seeds) <= seed:
            self._seeds.append({})
        self._seeds[seed][step] = value
        others = [next((v for s, v in reversed(own.items()) if s <= step), None) for own in self._seeds[:seed]]
        found = [value, *(other for other in others if other is not None)]
        return seed * self.span + step, sum(found) / len(found)

    def start_of(self, step: int) -> int:
        """The first counted step of the seed that a counted step is of."""
        return (step - 1) // self.span * self.span

    def take(self, question: Question, seed: int, reading: Reading) -> Point | None:
        """Take a reading of the run with a seed; None where its score is no number."""
        score = reading.metrics[f"valid/{question.goal.metric}"]
        if not math.isfinite(score):
            return None
        return self.point(seed - question.base.seed, reading.step, question.goal.objective(score))
