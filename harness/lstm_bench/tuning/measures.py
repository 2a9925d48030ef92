"""What a study can be asked to be good at: the task's own score, and what a run costs."""

from collections.abc import Sequence
from itertools import pairwise

from lstm_bench.errors import UsageError, unknown
from lstm_bench.goal import Goal
from lstm_bench.result import RunResult

TIMED = (
    "speed/timesteps_per_second",
    "speed/sequences_per_second",
    "memory/peak_rss_mib",
    "memory/peak_private_mib",
    "cost/train_seconds",
    "cost/eval_seconds",
)
ON_A_CARD = ("memory/peak_allocated_mib", "memory/peak_reserved_mib")
COUNTED = ("model/parameters",)


def check_objectives(names: Sequence[str], goal: Goal, device: str) -> None:
    """Refuse objectives that no run of the study would have.

    Raises:
        UsageError: an unknown name, one twice, or the task's own score is not among them.
    """
    quality = f"valid/{goal.metric}"
    known = [quality, *TIMED, *COUNTED, *(ON_A_CARD if device == "cuda" else ())]
    for name in names:
        if name not in known:
            raise unknown("objective", name, known)
    if any(one == other for one, other in pairwise(sorted(names))):
        raise UsageError(f"objectives {', '.join(names)}: expected each of them once")
    if names and quality not in names:
        raise UsageError(f"objectives {', '.join(names)}: expected {quality} among them, since pruning judges by it")


def are_timed(names: Sequence[str]) -> bool:
    """Whether a known run's figures would not do: a timing is measured again."""
    return any(name in (*TIMED, *ON_A_CARD) for name in names)


def told(names: Sequence[str], objective: float, result: RunResult, goal: Goal) -> tuple[float, ...] | None:
    """What the search is told of a complete run, in the order of the objectives; None where a figure is absent."""
    quality = f"valid/{goal.metric}"
    found = [objective if name == quality else result.metrics.get(name) for name in names]
    return None if None in found else tuple(value for value in found if value is not None)
