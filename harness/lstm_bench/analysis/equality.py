"""A run against its repetition: equal to the last bit, or from where on and by how much."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lstm_bench.result import Reading, RunResult

TEST = math.inf  # where the test scores stand among the steps: after every reading
MEASURED = ("speed/", "memory/", "cost/")  # by a clock or the system: no two runs of anything are alike there

Points = Mapping[float, Mapping[str, float]]  # metrics by step


@dataclass(frozen=True, slots=True)
class Off:
    """By how much a metric differs, at most."""

    absolute: float
    relative: float  # to the larger of the two


@dataclass(slots=True)
class Equality:
    """What two runs have in common.

    Attributes:
        first: the step at which something differs first (`TEST`: in the test scores alone); None: nowhere.
        is_missing: whether one of them has no reading there.
        off: what differs, by metric.
        readings: how many both have.
        metrics: in each of these, that were compared.
        tests: the test scores that were compared.
        alone: metrics that one of them does not have.
    """

    first: float | None = None
    is_missing: bool = False
    off: dict[str, Off] = field(default_factory=dict)
    readings: int = 0
    metrics: int = 0
    tests: int = 0
    alone: set[str] = field(default_factory=set)

    def note(self, step: float, *, is_missing: bool = False) -> None:
        """Something differs at a step; steps come in their order."""
        if self.first is None:
            self.first, self.is_missing = step, is_missing

    def words(self) -> str:
        """What is equal, or from where on and by how much it is not, in a line."""
        if self.first is None:
            tests = f", {_counted(self.tests, 'test score')}" if self.tests else ""
            return f"{_counted(self.readings, 'reading')}, {_counted(self.metrics, 'metric')} each{tests}"
        parts = ["in the test scores alone" if self.first == TEST else f"from step {self.first:.0f} on"]
        if self.is_missing:
            parts.append("where one of the two has nothing")
        if self.off:
            name, worst = max(self.off.items(), key=lambda item: item[1].relative)
            parts.append(f"{name} off by at most {worst.absolute:.2g} (relative {worst.relative:.2g})")
        return "; ".join(parts)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def points(readings: Sequence[Reading], result: RunResult | None) -> Points:
    """What a run gave that its repetition must give again."""
    found: dict[float, Mapping[str, float]] = {
        reading.step: {name: value for name, value in reading.metrics.items() if not name.startswith(MEASURED)}
        for reading in readings
    }
    tests = {name: value for name, value in (result.metrics if result else {}).items() if name.startswith("test/")}
    return found | ({TEST: tests} if tests else {})


def compare(before: Points, now: Points) -> Equality:
    """Set what two runs gave side by side, step by step. Equal is to the last bit; what is no number equals itself."""
    equality = Equality()
    for step in sorted({*before, *now}):
        here, there = before.get(step), now.get(step)
        if here is None or there is None:
            equality.note(step, is_missing=True)
            continue
        common = here.keys() & there.keys()
        equality.alone |= here.keys() ^ there.keys()
        if step == TEST:
            equality.tests = len(common)
        else:
            equality.readings += 1
            equality.metrics = max(equality.metrics, len(common))
        for name, off in _differing({name: (float(here[name]), float(there[name])) for name in sorted(common)}):
            equality.note(step)
            worst = equality.off.get(name, off)
            equality.off[name] = Off(max(worst.absolute, off.absolute), max(worst.relative, off.relative))
    return equality


def _differing(pairs: Mapping[str, tuple[float, float]]) -> Iterator[tuple[str, Off]]:
    for name, (one, other) in pairs.items():
        if repr(one) == repr(other):  # zeros of unlike signs differ, NaN is NaN
            continue
        if math.isfinite(one) and math.isfinite(other):
            absolute = abs(one - other)
            yield name, Off(absolute, absolute / max(abs(one), abs(other), math.ulp(0.0)))
        else:
            yield name, Off(math.inf, math.inf)
