"""The points of a run as they come: from its readings, from a curve that grows, or none."""

from collections.abc import Callable, Sequence

from lstm_bench.record.run import RunFiles
from lstm_bench.record.tail import Tail
from lstm_bench.tracking.shown import Point
from lstm_bench.tracking.store import Sample

Feed = Callable[[], Sequence[Point]]  # what has come since it was last asked


def samples(point: Point) -> list[Sample]:
    """A point's figures, which are stored together or not at all."""
    return [Sample(name, value, point.step, point.time_ms) for name, value in point.metrics.items()]


def readings(files: RunFiles) -> Feed:
    """A run's readings as they come."""
    tail = Tail(files.path / "readings.jsonl")
    return lambda: [Point(line["step"], line["time_ms"], line["metrics"]) for line in tail.lines()]


def growing(points: Sequence[Point]) -> Feed:
    """The points of a list that grows."""
    seen = 0

    def more() -> Sequence[Point]:
        nonlocal seen
        found = points[seen:]
        seen += len(found)
        return found

    return more


def nothing() -> Feed:
    """No points at all."""
    return lambda: ()
