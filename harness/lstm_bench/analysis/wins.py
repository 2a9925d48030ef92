"""How often a run of one setting beats a run of another: the probability of superiority."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from scipy.special import betaincinv

T = TypeVar("T")


def higher(one: float, other: float) -> float:
    """What the first gets for a comparison where more is better: 1, 0, or a half for a tie."""
    return 0.5 if one == other else float(one > other)


def lower(one: float, other: float) -> float:
    """Likewise where less is better."""
    return higher(other, one)


@dataclass(frozen=True, slots=True)
class Wins:
    """The share of comparisons that the first wins, a tie counting half, with its interval.

    Attributes:
        share: of pairs by seed, or of all pairs of a run with another.
        low: lower end of its interval.
        high: upper end.
        n: pairs by seed, or the size of the smaller sample.
    """

    share: float
    low: float
    high: float
    n: int


def paired_wins(
    first: Sequence[T], second: Sequence[T], points: Callable[[T, T], float], confidence: float = 0.95
) -> Wins:
    """Over pairs, such as runs of the same seed.

    Args:
        first: what may win.
        second: as many.
        points: what the first of a pair gets, from 0 to 1; such as `higher`.
        confidence: of the interval.

    Raises:
        ValueError: no pair, or unequal lengths.
    """
    return _wins([points(*pair) for pair in zip(first, second, strict=True)], len(first), confidence)


def wins(first: Sequence[T], second: Sequence[T], points: Callable[[T, T], float], confidence: float = 0.95) -> Wins:
    """Over all pairs of a value with another's: the Mann-Whitney statistic U / (m n).

    Its variance is at most p (1 - p) / min(m, n), whatever the two distributions are (Birnbaum and Klose 1957, Annals
    of Mathematical Statistics 28): its interval is that of a share among min(m, n) draws.

    Raises:
        ValueError: an empty sample.
    """
    return _wins([points(*pair) for pair in product(first, second)], min(len(first), len(second)), confidence)


def _wins(points: Sequence[float], n: int, confidence: float) -> Wins:
    if n == 0:
        raise ValueError("no values to compare")
    share = sum(points) / len(points)
    return Wins(share, *exact_interval(share * n, n, confidence), n)


def exact_interval(hits: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a share (1934, Biometrika 26): it never undercovers.

    The ends are quantiles of beta distributions, which are defined for half hits too.
    """
    alpha = 1 - confidence
    low = float(betaincinv(hits, n - hits + 1, alpha / 2)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - alpha / 2)) if hits < n else 1.0
    return low, high
