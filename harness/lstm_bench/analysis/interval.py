"""How sure a mean is, and a rate."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtri, stdtrit


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and the interval that holds the true one in 95 of 100 samples.

    Attributes:
        mean: of the sample.
        low: lower end; None where one value alone says nothing of the spread. So is `high`.
        n: size of the sample.
    """

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half(self) -> float | None:
        """Half its width."""
        return None if self.high is None else self.high - self.mean


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Student's t interval of a mean: mean +- t(n - 1) s / sqrt(n).

    `stdtrit` is t's quantile, from scipy.special: scipy.stats would take half a second more to import.
    Exact for normal values and any n from 2 (Student 1908); with 3 seeds t is 4.30, and small samples are not
    prettified. Infinite or missing values are the caller's to leave out.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    n, mean = len(values), statistics.fmean(values)
    if n == 1:
        return Interval(mean, None, None, 1)
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * statistics.stdev(values) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def rate_interval(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a rate (1927, JASA 22): those that a normal test would not refuse, z sqrt(p(1 - p) / n) off.

    Of few trials, and where all or none succeed, it is honest: of 10 in 10 it says [0.72, 1].

    Raises:
        ValueError: no trials, or more successes than these.
    """
    if not 0 <= successes <= trials or not trials:
        raise ValueError(f"{successes} of {trials}: a rate needs at least one trial, and no more successes")
    rate, square = successes / trials, float(ndtri((1 + confidence) / 2)) ** 2 / trials
    middle, half = rate + square / 2, math.sqrt(rate * (1 - rate) * square + square**2 / 4)
    low, high = ((middle + sign * half) / (1 + square) for sign in (-1, 1))
    return Interval(rate, min(rate, max(0.0, low)), max(rate, min(1.0, high)), trials)  # rounded, within [0, 1]
