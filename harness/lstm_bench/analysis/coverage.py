"""Which methods hold what they promise at which size: each interval and each word, simulated where the truth is known.

What this says decides what `difference`, `wins`, `censored` and `verdict` choose. `report.coverage` prints it.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from lstm_bench.analysis.difference import unpaired
from lstm_bench.analysis.simulated import NOISES, Contest, Quantity, Race, Scores, Sizes, shares
from lstm_bench.analysis.verdict import FEWEST_PAIRS

EQUAL: Sequence[Sizes] = ((3, 3), (5, 5), (10, 10), (30, 30))
TWO: Sequence[Sizes] = ((2, 2), *EQUAL)
UNEQUAL: Sequence[Sizes] = (*TWO, (3, 10), (10, 3))
RACES: Sequence[Sizes] = ((3, 3), (4, 4), (5, 5), (10, 10), (3, 10))
PROMISED = 0.95  # of each interval; of a wrong word the rest at most
LEAST = 0.93  # an interval that holds less often undercovers
MOST = 0.07  # and a word that is wrong more often is no verdict

Rate = Literal["held", "wrong"]
Method = Callable[[NDArray[np.float64], NDArray[np.float64]], Any]  # samples in rows -> scipy's interval of each


@dataclass(frozen=True, slots=True)
class Row:
    """How often a method is right, or wrong, by size.

    Attributes:
        method: in words.
        scores: what the runs are like.
        rate: of what; an interval that `held` the truth, or a word that was `wrong`.
        assumed: whether the scores are what the method assumes.
        rates: by the sizes of the two samples, such as `3` (of each) or `3 v 10`.
        used: at which of them the product uses it.
    """

    method: str
    scores: str
    rate: Rate
    assumed: bool
    rates: dict[str, float]
    used: list[str]

    def fails(self, size: str) -> bool:
        """Whether it does not hold what it promises."""
        return self.rates[size] < LEAST if self.rate == "held" else self.rates[size] > MOST


@dataclass(frozen=True, slots=True)
class Said:
    """What the product says of a contest, at each of some sizes."""

    method: str
    quantity: Quantity
    contest: Contest
    sizes: Sequence[Sizes]
    assumed: bool = True

    def row(self, draws: int) -> Row:
        """By simulation; what the product says it uses."""
        found = {_name(sizes): shares(self.contest, sizes, draws)[self.quantity] for sizes in self.sizes}
        rate: Rate = "wrong" if self.quantity in {"parted", "equivalent"} else "held"
        return Row(self.method, str(self.contest), rate, self.assumed, found, list(found))


@dataclass(frozen=True, slots=True)
class Alternative:
    """What another method would say, which the product uses at some sizes or at none: by scipy, all samples at once."""

    method: str
    interval: Method
    contest: Scores
    sizes: Sequence[Sizes]
    used: Callable[[Sizes], bool] = lambda _: False

    def row(self, draws: int) -> Row:
        """By simulation; the truth is 0."""
        rates = {}
        for sizes in self.sizes:
            rng, noise = np.random.default_rng(sizes), NOISES[self.contest.noise]
            first, second = (noise(rng, draws * n).reshape(draws, n) for n in sizes)
            found = self.interval(first, self.contest.spread * second)
            rates[_name(sizes)] = float(np.mean((found.low <= 0) & (found.high >= 0)))
        used = [_name(sizes) for sizes in self.sizes if self.used(sizes)]
        return Row(self.method, str(self.contest), "held", self.contest.noise == "normal", rates, used)


def _name(sizes: Sizes) -> str:
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]} v {sizes[1]}"


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> Any:
    return stats.ttest_ind(first, second, axis=1, equal_var=False).confidence_interval(PROMISED)


def _by_welch(sizes: Sizes) -> bool:
    first, second = (list(range(n)) for n in sizes)
    return unpaired(first, second).test == "Welch t"


def _pairs(first: NDArray[np.float64], second: NDArray[np.float64]) -> Any:
    with warnings.catch_warnings(action="ignore"):  # of equal differences, which are what is looked at
        return stats.ttest_rel(first, second, axis=1).confidence_interval(PROMISED)


def _bootstrap(kind: Literal["percentile", "BCa"]) -> Method:
    def interval(first: NDArray[np.float64], _: NDArray[np.float64]) -> Any:
        rng = np.random.default_rng(first.shape[1])
        found = stats.bootstrap(
            (first,), np.mean, axis=1, n_resamples=999, batch=100, confidence_level=PROMISED, method=kind, rng=rng
        )
        return found.confidence_interval

    return interval


MEANS: list[Said | Alternative] = [
    *(Said("mean: t", "mean", Scores(noise), TWO, noise == "normal")
      for noise in ("normal", "lognormal 0.5", "lognormal 1", "exponential", "coarse")),
    Said("geometric mean: t of logs", "mean", Scores(scale="log"), TWO),
    Said("geometric mean: t of logs", "mean", Scores("log of exponential", scale="log"), TWO, assumed=False),
    *(Alternative("mean: percentile bootstrap", _bootstrap("percentile"), Scores(noise), EQUAL)
      for noise in ("normal", "lognormal 1")),
    *(Alternative("mean: BCa bootstrap", _bootstrap("BCa"), Scores(noise), EQUAL)
      for noise in ("normal", "lognormal 1")),
]  # fmt: skip
DIFFERENCES: list[Said | Alternative] = [
    Said("difference: paired t", "difference", Scores(spread=3.0, paired=True), EQUAL),
    *(Said("difference: paired t", "difference", Scores(noise, spread, paired=True), EQUAL, assumed=False)
      for noise, spread in (("lognormal 1", 1.0), ("lognormal 1", 3.0), ("exponential", 3.0), ("coarse", 1.0))),
    Alternative("difference: paired t alone", _pairs, Scores("coarse"), TWO, lambda sizes: sizes[0] >= FEWEST_PAIRS),
    *(Said("difference: not paired", "difference", Scores(spread=spread), UNEQUAL) for spread in (1.0, 3.0)),
    *(Said("difference: not paired", "difference", Scores(noise, spread), UNEQUAL, assumed=False)
      for noise, spread in (("lognormal 1", 1.0), ("lognormal 1", 3.0), ("coarse", 1.0))),
    *(Alternative("difference: Welch t alone", _welch, Scores(spread=spread), UNEQUAL, _by_welch)
      for spread in (1.0, 2.0, 3.0)),
    Said("ratio: paired t of logs", "difference", Scores(spread=3.0, paired=True, scale="log"), EQUAL),
    Said("ratio: not paired, of logs", "difference", Scores(spread=3.0, scale="log"), UNEQUAL),
    Said("ratio: not paired, of logs", "difference", Scores("log of exponential", scale="log"), UNEQUAL, assumed=False),
]  # fmt: skip
WINS = [
    *(Said(f"P(better) = {share}, paired: exact", "wins", Scores(apart=apart, paired=True), EQUAL)
      for share, apart in ((0.5, 0.0), (0.76, 1.0), (0.98, 3.0))),
    *(Said(f"P(better) = {share}, not paired: exact", "wins", Scores(spread=3.0, apart=apart), UNEQUAL)
      for share, apart in ((0.5, 0.0), (0.62, 1.0), (0.83, 3.0))),
]  # fmt: skip
WORDS = [
    Said("better or worse, paired", "parted", Scores(spread=3.0, paired=True), EQUAL),
    Said("better or worse, not paired", "parted", Scores(spread=3.0), UNEQUAL),
    *(Said("better or worse, paired", "parted", Scores(noise, spread, paired=True), EQUAL, assumed=False)
      for noise, spread in (("lognormal 1", 1.0), ("lognormal 1", 3.0), ("coarse", 1.0))),
    Said("better or worse, not paired", "parted", Scores("coarse"), UNEQUAL, assumed=False),
    Said("equivalent, paired", "equivalent", Scores(spread=3.0, apart="margin", paired=True), EQUAL),
    Said("equivalent, not paired, by ratio", "equivalent", Scores(spread=3.0, apart="margin", scale="log"), UNEQUAL),
    *(Said("better or worse, by log-rank", "parted", Race(budgets), RACES) for budgets in ((0.7, 0.7), (0.7, 1.4))),
]  # fmt: skip
EVERY: Sequence[Said | Alternative] = (*MEANS, *DIFFERENCES, *WINS, *WORDS)


def rows(draws: int, said: Sequence[Said | Alternative] = EVERY) -> Iterator[Row]:
    """Each method by simulation, the same for as many samples of each size."""
    return (one.row(draws) for one in said)
