"""The arms of an ablation: each against the first, on the fresh seeds that both have had."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lstm_bench.analysis.answer import goal_of
from lstm_bench.analysis.interval import Interval, mean_interval

Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against the first one.

    Attributes:
        arm: its name.
        against: the first one's.
        interval: of the mean paired difference of test scores, arm minus first; None where they share no fresh seed.
        verdict: of the arm, as the goal has it; `undecided` where the interval holds 0 or there is none.
    """

    arm: str
    against: str
    interval: Interval | None
    verdict: Verdict


def paired_differences(boards: Mapping[str, Mapping[str, Any]]) -> list[Difference]:
    """Each arm but the first, against the first.

    m arms against the first are m chances to be wrong. So that all their intervals together hold in 95 of 100
    ablations, each is one of confidence 1 - 0.05 / m (Bonferroni; Dunn 1961).

    Args:
        boards: by the arm's name, of studies with the same goal and equal budgets.
    """
    (first, reference), *others = boards.items()
    goal = goal_of(reference)
    found = []
    for name, board in others:
        one, other = _scores(board), _scores(reference)
        paired = [score - other[seed] for seed, score in one.items() if seed in other]
        interval = mean_interval(paired, 1 - 0.05 / len(others)) if paired else None
        found.append(Difference(name, first, interval, _verdict(interval, maximize=goal.maximize)))
    return found


def _scores(board: Mapping[str, Any]) -> dict[int, float]:
    """Test scores by fresh seed; none where nothing is confirmed."""
    confirmed = board["confirmed"]
    return dict(zip(confirmed["seeds"], confirmed["scores"], strict=True)) if confirmed else {}


def _verdict(interval: Interval | None, *, maximize: bool) -> Verdict:
    if interval is None or interval.low is None or interval.high is None or interval.low <= 0 <= interval.high:
        return "undecided"
    return "better" if (interval.mean > 0) == maximize else "worse"
