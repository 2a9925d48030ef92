"""How far the means of two samples lie apart, and how sure that is."""

import math
import statistics
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtr, stdtrit

from lstm_bench.analysis.interval import Interval

Test = Literal["paired t", "Welch t", "t with the smaller sample's freedom"]
FEWEST_FOR_WELCH = 3  # of each, where they are equally many
FEWEST_OF_UNEQUAL = 10  # in the smaller sample, where they are not: below, Welch's interval undercovers (`coverage`)
MOST_SEEDS = 1000  # more than anyone would run


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference of two means, first minus second.

    With equal values in each sample `error` is 0: then the interval is a point, and the probabilities are 0 or 1.

    Attributes:
        mean: of the differences, or the difference of the means.
        error: its standard error.
        freedom: degrees of freedom of Student's t.
        n: pairs, or the size of the smaller sample.
        test: by which.
    """

    mean: float
    error: float
    freedom: float
    n: int
    test: Test

    def interval(self, confidence: float = 0.95) -> Interval:
        """Student's t interval: mean +- t(freedom) error."""
        half = float(stdtrit(self.freedom, (1 + confidence) / 2)) * self.error
        return Interval(self.mean, self.mean - half, self.mean + half, self.n)

    @property
    def p_value(self) -> float:
        """Two-sided, of no difference."""
        return 2 * self._below(-abs(self.mean))

    def p_equivalent(self, margin: float) -> float:
        """The probability that the true difference lies within +-margin.

        Under the prior that says nothing, the difference given the samples is mean + t(freedom) error: the Bayesian
        t test with a region of practical equivalence (Benavoli, Corani, Demsar and Zaffalon 2017, JMLR 18(77); of
        unequal variances by Welch's freedom, which approximates Behrens and Fisher's).
        """
        if self.error == 0:
            return float(abs(self.mean) <= margin)
        return self._below(margin - self.mean) - self._below(-margin - self.mean)

    def tost(self, margin: float) -> float:
        """The p-value of two one-sided tests that it is no smaller than -margin and no larger than margin.

        The larger of the two (Schuirmann 1987). At most alpha exactly where the interval of confidence 1 - 2 alpha
        lies within +-margin.
        """
        return max(self._below(-margin - self.mean), self._below(self.mean - margin))

    def _below(self, x: float) -> float:
        """P(t(freedom) * error <= x); of no error, whether x is above 0, and a half at 0."""
        if self.error == 0:
            return 0.5 * (math.copysign(1, x) + 1) if x else 0.5
        return float(stdtr(self.freedom, x / self.error))


def paired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Of pairs, by the mean of their differences (Student 1908).

    Raises:
        ValueError: fewer than two pairs, or unequal lengths.
    """
    return of_pairs([one - other for one, other in zip(first, second, strict=True)])


def of_pairs(apart: Sequence[float]) -> Difference:
    """Likewise, of pairs' differences.

    Raises:
        ValueError: fewer than two.
    """
    if len(apart) < 2:
        raise ValueError(f"{len(apart)} pairs: expected two or more")
    n = len(apart)
    return Difference(statistics.fmean(apart), statistics.stdev(apart) / math.sqrt(n), n - 1, n, "paired t")


def unpaired(first: Sequence[float], second: Sequence[float]) -> Difference:
    """Of two samples with variances of their own, by Welch's t test (1947).

    His freedom serves samples of equal size. Where a small one meets a larger one it is too large, the more so the
    higher the confidence: there the smaller one's own n - 1 is taken, which is never too large (Mickey and Brown 1966,
    Annals of Mathematical Statistics 37).

    Raises:
        ValueError: fewer than two values in a sample.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError(f"samples of {len(first)} and {len(second)}: expected two values or more in each")
    n = min(len(first), len(second))
    shares = [statistics.variance(sample) / len(sample) for sample in (first, second)]
    mean, error = statistics.fmean(first) - statistics.fmean(second), math.sqrt(sum(shares))
    fewest = FEWEST_FOR_WELCH if len(first) == len(second) else FEWEST_OF_UNEQUAL
    if n < fewest or error == 0:
        return Difference(mean, error, n - 1, n, "t with the smaller sample's freedom")
    parts = [share / sum(shares) for share in shares]  # first: squares of small variances would vanish
    spent = sum(part**2 / (len(sample) - 1) for part, sample in zip(parts, (first, second), strict=True))
    return Difference(mean, error, 1 / spent, n, "Welch t")


def seeds_to_decide(found: Difference, margin: float = 0.0, confidence: float = 0.95) -> int | None:
    """The fewest seeds of each at which the difference would be decided, were it and the spread as they look now.

    Decided: the interval leaves 0 out, or the one of confidence 1 - 2 alpha lies within +-margin. The error of n seeds
    is the one at hand times sqrt(n_now / n), and freedom grows as n - 1 does: so that what is undecided needs more
    seeds than it has. Of difference and spread we have but estimates from the few values at hand, and half the samples
    of that size would show a smaller difference: an order of size, not a promise.

    Args:
        found: from at least two seeds of each.
        margin: of equivalence; 0: the two are to be parted.
        confidence: of the interval.

    Returns:
        None above `MOST_SEEDS`.
    """
    apart = abs(found.mean)

    def decided(freedom: float, error: float) -> bool:
        two_sided, one_sided = stdtrit(freedom, [(1 + confidence) / 2, confidence])
        return bool(two_sided * error < apart or one_sided * error < margin - apart)

    return _fewest(found, decided)


def _fewest(found: Difference, decided: Callable[[float, float], bool]) -> int | None:
    """The fewest seeds of each whose freedom and error decide; whatever decides does so with more, too."""
    sizes = range(2, MOST_SEEDS + 1)

    def enough(n: int) -> bool:
        return decided(found.freedom * (n - 1) / (found.n - 1), found.error * math.sqrt(found.n / n))

    place = bisect_left(sizes, x=True, key=enough)
    return sizes[place] if place < len(sizes) else None
