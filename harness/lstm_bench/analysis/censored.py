"""Times to a target, where some runs ended before they reached it: censored, not dropped."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Alternative = Literal["two-sided", "later", "sooner"]
MORE_HITS = {  # than expected, or fewer: as the first has them, and as the second has
    "two-sided": ("two-sided", "two-sided"),
    "later": ("less", "greater"),
    "sooner": ("greater", "less"),
}
DIGITS = 9  # of the statistic: what is as rare as what was seen is so whatever the order of its sum
RESAMPLES = 9_999  # permutations that are drawn where all of them are more: for p down to 0.0002


@dataclass(frozen=True, slots=True)
class Time:
    """How long a run took to its target.

    Attributes:
        value: until the target, or where it was missed until the run's end.
        hit: whether the target was reached.
    """

    value: float
    hit: bool


def sooner(one: Time, other: Time) -> float:
    """What the first gets for a comparison: 1, 0, or a half where nobody can say which would have been sooner.

    A missed target lies somewhere beyond the run's end.
    """
    if one.hit and other.hit and one.value == other.value:
        return 0.5
    if one.hit and one.value <= other.value:
        return 1.0
    return 0.0 if other.hit and other.value <= one.value else 0.5


def median_time(times: Sequence[Time]) -> float | None:
    """The first time by which half of the runs have reached the target; None where too few did to say.

    Raises:
        ValueError: no times.
    """
    return quantile_time(times, 0.5)


def quantile_time(times: Sequence[Time], share: float) -> float | None:
    """The first time by which such a share of the runs has reached the target; None where too few did to say.

    A quantile of Kaplan and Meier's curve (1958, JASA 53), which counts a run that ended early only until it did.

    Raises:
        ValueError: no times.
    """
    if not times:
        raise ValueError("a quantile needs at least one time")
    survival = stats.ecdf(_sample(times)).sf
    below = survival.quantiles[survival.probabilities <= 1 - share + 1e-12]
    return float(below[0]) if len(below) else None


def log_rank_p(first: Sequence[Time], second: Sequence[Time], alternative: Alternative = "two-sided") -> float:
    """The p-value of the log-rank test (Mantel 1966): does either reach its target sooner?

    By permutations rather than by the normal approximation, which is too sure of few runs: all of them where they are
    few, else 9,999 drawn with a fixed seed. Three runs against three can never be below 0.1, four against four 0.029;
    one-sided half of that; one run against any says nothing: 1. Neither the order of the runs nor that of the sides
    matters.

    Args:
        first: at least one.
        second: likewise.
        alternative: what a small p shows: that the first is apart from the second, `later`, or `sooner`.

    Raises:
        ValueError: an empty sample.
    """
    if not first or not second:
        raise ValueError("the log-rank test needs a time in each sample")
    if min(len(first), len(second)) < 2:
        return 1.0
    scores = log_rank_scores([*first, *second]).tolist()
    sides = sorted(scores[: len(first)]), sorted(scores[len(first) :])
    ordered = sorted(sides, key=lambda side: (len(side), side))  # what is drawn does not hang on who is first
    found = stats.permutation_test(
        ordered,
        lambda one, _, axis: one.sum(axis=axis).round(DIGITS),
        vectorized=True,
        n_resamples=RESAMPLES,
        alternative=MORE_HITS[alternative][ordered[0] is not sides[0]],
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def excess_hits(first: Sequence[Time], second: Sequence[Time]) -> float:
    """The log-rank statistic: the first's hits beyond what it would have, were both alike. Above 0 it is the sooner."""
    return float(log_rank_scores([*first, *second])[: len(first)].sum())


def fewest_to_rank(alpha: float) -> int:
    """The fewest runs of each of which some outcome is so rare: two of the (2n over n) permutations are the rarest."""
    return next(n for n in count(2) if 2 / math.comb(2 * n, n) <= alpha)


def log_rank_scores(times: Sequence[Time]) -> NDArray[np.float64]:
    """Each time's part in the log-rank statistic: hit or not, minus the hazard that it has come through.

    Their sum over a sample is its observed minus its expected number of hits (Peto and Peto 1972, JRSS A 135): with
    the pooled cumulative hazard of Nelson and Aalen, the sum of hits / runs still going over the times up to its own.
    """
    values = np.array([one.value for one in times])
    hits = np.array([one.hit for one in times])
    at = np.unique(values[hits])
    hazard = np.array([hits[values == t].sum() / (values >= t).sum() for t in at])
    come_through = np.array([hazard[at <= value].sum() for value in values])
    return np.asarray(hits - come_through, dtype=np.float64)


def _sample(times: Sequence[Time]) -> stats.CensoredData:
    return stats.CensoredData(
        uncensored=[one.value for one in times if one.hit], right=[one.value for one in times if not one.hit]
    )
