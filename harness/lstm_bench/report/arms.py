"""An ablation's answer in lines: what `search --vary` prints under its table."""

from collections.abc import Iterator, Mapping

from lstm_bench.analysis.answer import Board, goal_of
from lstm_bench.analysis.arms import Difference, paired_differences
from lstm_bench.report.table import seeds, span


def arm_lines(boards: Mapping[str, Board]) -> Iterator[str]:
    """Each arm against the first: `gru against lstm: +0.0123 accuracy [-0.004, +0.029], ...: undecided`.

    Args:
        boards: by the arm's name.
    """
    goal = goal_of(next(iter(boards.values())))
    found = paired_differences(boards)
    for difference in found:
        yield _line(difference, goal.unit or goal.metric)
    if len(found) > 1:
        yield f"Each interval is of {100 - 5 / len(found):.4g} % confidence, so that all {len(found)} hold at 95 %."


def _line(difference: Difference, unit: str) -> str:
    who, interval = f"{difference.arm} against {difference.against}", difference.interval
    if interval is None:
        return f"{who}: no fresh seed that both were confirmed on: {difference.verdict}"
    ends = span({"low": interval.low, "high": interval.high}, "+.3g")
    return f"{who}: {interval.mean:+.3g} {unit} {ends}, paired on {seeds(interval.n, 'fresh ')}: {difference.verdict}"
