"""Settings whose truth is known, and what the product says of samples of them: to see how often it is right.

The samples go through `finding`, the code that judges real studies, not through a copy of its formulas.
"""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.special import ndtr

from lstm_bench.analysis.interval import Interval
from lstm_bench.analysis.margins import DEFAULTS, Margin
from lstm_bench.analysis.measures import SEQUENCES, Measure, Scale
from lstm_bench.analysis.verdict import Finding, finding
from lstm_bench.analysis.wins import Wins

Quantity = Literal["mean", "difference", "wins", "parted", "equivalent"]
Sizes = tuple[int, int]  # runs of the first, and of the second

SPREAD = 0.001  # of the first setting's noise; its runs lie about 1
MARGIN = DEFAULTS["score"]

# What sets the runs of a setting apart, with mean 0: on the scale on which means are taken.
NOISES: Mapping[str, Callable[[Generator, int], NDArray[np.float64]]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "lognormal 0.5": lambda rng, n: rng.lognormal(0, 0.5, n) - math.exp(0.5**2 / 2),
    "lognormal 1": lambda rng, n: rng.lognormal(0, 1, n) - math.exp(0.5),
    "exponential": lambda rng, n: rng.exponential(size=n) - 1,
    "log of exponential": lambda rng, n: np.log(rng.exponential(1.0, n)) + float(np.euler_gamma),
    "coarse": lambda rng, n: (
        0.9 - rng.binomial(30, 0.03, n).astype(float)
    ),  # how many of 30 test sequences are wrong, of 3 in 100
}

AS_RATIOS = {"normal": "lognormal", "log of exponential": "exponential"}  # what the exponential of a noise is


class Contest(Hashable, Protocol):
    """Two settings that are drawn from and judged; as a text, what their runs are like."""

    def drawn(self, rng: Generator, sizes: Sizes) -> Finding:
        """What is said of a sample of them."""

    def right(self, found: Finding) -> Iterator[tuple[Quantity, bool]]:
        """Whether it is true: an interval holds the truth, or a word is the wrong one."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Two settings by their score: a run's is its setting's mean, plus its seed's part, plus noise.

    Attributes:
        noise: one of `NOISES`.
        spread: of the second's noise, in the first's.
        apart: the first's mean minus the second's, in `SPREAD`; `margin`: just as far apart as matters.
        paired: whether they share their seeds.
        scale: on which the means are taken.
    """

    noise: str = "normal"
    spread: float = 1.0
    apart: float | Literal["margin"] = 0.0
    paired: bool = False
    scale: Scale = "linear"

    def __str__(self) -> str:
        noise = AS_RATIOS[self.noise] if self.scale == "log" else self.noise
        return noise if self.spread == 1 else f"{noise}, spreads 1 and {self.spread:g}"

    @property
    def measure(self) -> Measure:
        """By which they are judged: more is better."""
        return Measure("simulated", "simulated", "", "score", maximize=True, scale=self.scale, paired=self.paired)

    @property
    def middle(self) -> float:
        """The second's mean, on the scale."""
        return 1.0 if self.scale == "linear" else 0.0

    @property
    def difference(self) -> float:
        """The true one, on the scale."""
        return MARGIN.on(self.measure, 1.0) if self.apart == "margin" else SPREAD * self.apart

    @property
    def wins(self) -> float | None:
        """How often the first is better, where that is known in closed form."""
        if self.noise == "normal":
            return float(ndtr(self.difference / (SPREAD * math.hypot(1, self.spread))))
        return 0.5 if self.spread == 1 and self.apart == 0 else None

    def drawn(self, rng: Generator, sizes: Sizes) -> Finding:
        """What is said of a sample of them."""
        seeds = SPREAD * rng.normal(size=max(sizes)) * self.paired
        means, sides = (self.middle + self.difference, self.middle), []
        for n, mean, spread in zip(sizes, means, (1, self.spread), strict=True):
            values = mean + seeds[:n] + SPREAD * spread * NOISES[self.noise](rng, n)
            sides.append(_board(np.exp(values) if self.scale == "log" else values))
        return finding(sides[0], sides[1], self.measure, MARGIN if self.apart == "margin" else Margin(0.0))

    def right(self, found: Finding) -> Iterator[tuple[Quantity, bool]]:
        """Whether it is true: an interval holds the truth, or a word is the wrong one."""
        mean, apart = self.middle + self.difference, self.difference
        if self.scale == "log":
            mean, apart = math.exp(mean), math.exp(apart)
        told: dict[Quantity, tuple[Interval | Wins | None, float | None]] = {
            "mean": (found.first, mean),
            "difference": (found.difference, apart),
            "wins": (found.wins, self.wins),
        }
        for quantity, (interval, truth) in told.items():
            if interval and truth is not None and interval.low is not None and interval.high is not None:
                yield quantity, interval.low <= truth <= interval.high
        if self.apart == 0:
            yield "parted", found.word in {"better", "worse"}
        if self.apart == "margin":
            yield "equivalent", found.word == "equivalent"


@dataclass(frozen=True, slots=True)
class Race:
    """Two settings by their way to a target, exponential with mean 1: neither is the sooner.

    Attributes:
        budgets: of a run of each; beyond it the target is missed.
    """

    budgets: tuple[float, float]

    def __str__(self) -> str:
        return "exponential, missed beyond {:g} and {:g} means".format(*self.budgets)

    def drawn(self, rng: Generator, sizes: Sizes) -> Finding:
        """What is said of a sample of them."""
        sides = []
        for n, budget in zip(sizes, self.budgets, strict=True):
            times = rng.exponential(size=n)
            hits = [time if time <= budget else None for time in times.tolist()]
            ends = np.minimum(times, budget).tolist()
            sides.append(_board(times, {"target/sequences": hits, "progress/sequences": ends}))
        return finding(sides[0], sides[1], SEQUENCES, MARGIN)

    def right(self, found: Finding) -> Iterator[tuple[Quantity, bool]]:
        """Whether it is true."""
        yield "parted", found.word in {"better", "worse"}


def _board(scores: NDArray[np.float64], figures: Mapping[str, list[Any]] | None = None) -> dict[str, Any]:
    """As much of a board as a finding looks at."""
    return {"confirmed": {"seeds": list(range(len(scores))), "scores": scores.tolist(), "figures": figures or {}}}


@cache
def shares(contest: Contest, sizes: Sizes, draws: int) -> dict[Quantity, float]:
    """How often each thing that is said is true, or is the wrong word: the same for the same arguments.

    Args:
        contest: whose runs are drawn and judged.
        sizes: how many runs of each.
        draws: how many such samples.
    """
    rng = np.random.default_rng(zlib.crc32(f"{contest!r} {sizes}".encode()))
    counts = Counter(said for _ in range(draws) for said in contest.right(contest.drawn(rng, sizes)))
    return {quantity: counts[quantity, True] / draws for quantity, _ in counts}
