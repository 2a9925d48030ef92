"""One setting against another by one measure: both values, how far apart, how sure, and a word."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from lstm_bench.analysis.censored import Time, excess_hits, fewest_to_rank, log_rank_p, median_time, sooner
from lstm_bench.analysis.difference import Difference, paired, seeds_to_decide, unpaired
from lstm_bench.analysis.interval import Interval, mean_interval
from lstm_bench.analysis.loss import Loss, loss_of_times, loss_of_values
from lstm_bench.analysis.margins import Margin
from lstm_bench.analysis.measures import Measure, as_scaled, times_of, values_of
from lstm_bench.analysis.wins import Wins, higher, lower, paired_wins, wins

Word = Literal["better", "worse", "equivalent", "undecided"]
FEWEST_PAIRS = 3  # of two, coarse scores are too often equally far apart: then t is sure of what is chance (`coverage`)
LARGEST = math.log(sys.float_info.max)  # whose exponential is still a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What two samples say of two settings, by one measure.

    Attributes:
        measure: by which.
        first: the mean of the one that is judged, with its 95 % interval; of ratios the geometric mean; of times to a
            target that some missed the median, without an interval; None where there is no value.
        second: likewise of the one that it is judged against.
        difference: first minus second, or first over second where `measure.scale` is `log`; None where either has
            fewer than two values, or where times are censored.
        confidence: of `difference` and `wins`.
        p_value: two-sided, of no difference.
        wins: P(a run of the first is better than one of the second); None of sizes.
        p_equivalent: that the true difference lies within the margin.
        margin: of equivalence, in words.
        word: of the first.
        test: which one, and why, in a few words.
        seeds: how many of each would likely decide it, or of censored times could at all; None where it is decided, or
            where no number would.
        missed: how many runs of each missed the target.
        loss: whether the first is worse, asked one-sided; None where nothing can be said.
    """

    measure: Measure
    first: Interval | None
    second: Interval | None
    margin: str
    confidence: float
    test: str
    difference: Interval | None = None
    p_value: float | None = None
    wins: Wins | None = None
    p_equivalent: float | None = None
    word: Word = "undecided"
    seeds: int | None = None
    missed: tuple[int, int] = (0, 0)
    loss: Loss | None = None


def finding(
    first: Mapping[str, Any], second: Mapping[str, Any], measure: Measure, margin: Margin, confidence: float = 0.95
) -> Finding:
    """Judge a confirmed study against another by one measure.

    Args:
        first: its board.
        second: the board of the one it is judged against.
        measure: one that both have.
        margin: of equivalence.
        confidence: of the intervals of what sets them apart: the more comparisons are made together, the higher.
    """
    if measure.kind == "target":
        return _of_times(times_of(first, measure), times_of(second, measure), measure, margin, confidence)
    return finding_of_values(values_of(first, measure), values_of(second, measure), measure, margin, confidence)


def finding_of_values(
    first: Mapping[int, float], second: Mapping[int, float], measure: Measure, margin: Margin, confidence: float = 0.95
) -> Finding:
    """Likewise, from a value of each by seed, or by any number where `measure.paired` is not."""
    seeds, points = _pairs(first, second, measure), higher if measure.maximize else lower
    by_seed = bool(seeds)
    one, other = ([side[s] for s in seeds] if by_seed else list(side.values()) for side in (first, second))
    judged, against = (_mean(list(side.values()), measure) for side in (first, second))
    blank = Finding(
        measure=measure, first=judged, second=against, margin=str(margin), confidence=confidence, test="no values"
    )
    if judged is None or against is None:
        return blank
    won = (paired_wins if by_seed else wins)(one, other, points, confidence) if measure.kind != "size" else None
    if min(len(one), len(other)) < 2 and measure.kind != "size":
        return replace(blank, wins=won, test="none: one seed says nothing of the spread", seeds=3)
    width, apart = margin.on(measure, against.mean), _apart(one, other, measure, by_seed=by_seed)
    word = _word(apart, width, confidence, measure)
    return replace(
        blank,
        wins=won,
        difference=unscaled(apart.interval(confidence), measure),
        p_value=apart.p_value,
        p_equivalent=apart.p_equivalent(width),
        word=word,
        loss=loss_of_values(apart, width, measure),
        test=_test(apart, measure, by_seed=by_seed),
        seeds=seeds_to_decide(apart, width, confidence) if word == "undecided" else None,
    )


def _pairs(first: Mapping[int, Any], second: Mapping[int, Any], measure: Measure) -> list[int]:
    """The seeds to pair by: those of both, where they are enough and at least half of the smaller sample."""
    seeds = sorted(first.keys() & second.keys()) if measure.paired else []
    return seeds if len(seeds) >= max(FEWEST_PAIRS, min(len(first), len(second)) / 2) else []


def _apart(one: Sequence[float], other: Sequence[float], measure: Measure, *, by_seed: bool) -> Difference:
    """On the measure's scale. A size is the same for each seed: it has no spread, and no seed more is needed."""
    scaled = [[as_scaled(value, measure) for value in side] for side in (one, other)]
    if measure.kind == "size":
        return Difference(scaled[0][0] - scaled[1][0], 0.0, 1, min(len(one), len(other)), "paired t")
    return (paired if by_seed else unpaired)(*scaled)


def _word(apart: Difference, width: float, confidence: float, measure: Measure) -> Word:
    """Equivalence comes first: what surely differs, but by less than matters, is equivalent."""
    within = abs(apart.mean) <= width if apart.error == 0 else apart.tost(width) <= 1 - confidence
    if within:
        return "equivalent"
    if apart.p_value > 1 - confidence:
        return "undecided"
    return "better" if (apart.mean > 0) == measure.maximize else "worse"


def _test(apart: Difference, measure: Measure, *, by_seed: bool) -> str:
    if measure.kind == "size":
        return "counted"
    what = "ratios" if measure.scale == "log" else "differences"
    if by_seed:
        return f"paired t of {what}: both had the {apart.n} seeds"
    why = "a seed says nothing of a clock or of memory" if not measure.paired else "too few seeds that both had"
    return f"{apart.test} of {what}: {why}"


def _mean(values: Sequence[float], measure: Measure) -> Interval | None:
    return unscaled(mean_interval([as_scaled(value, measure) for value in values]), measure) if values else None


def unscaled(interval: Interval, measure: Measure) -> Interval:
    """An interval on the measure's scale as values, or as ratios of them."""
    if measure.scale == "linear":
        return interval
    low, high = (None if end is None else math.exp(min(end, LARGEST)) for end in (interval.low, interval.high))
    return Interval(math.exp(interval.mean), low, high, interval.n)


def _of_times(
    first: Mapping[int, Time], second: Mapping[int, Time], measure: Measure, margin: Margin, confidence: float
) -> Finding:
    """Where all reached the target by their values, but for what is asked one-sided; else by ranks."""
    one, other = list(first.values()), list(second.values())
    if all(time.hit for time in [*one, *other]):
        values = [{seed: time.value for seed, time in side.items()} for side in (first, second)]
        found = finding_of_values(values[0], values[1], measure, margin, confidence)
        by = found.loss.by if found.loss else None
        return replace(found, loss=loss_of_times(one, other, measure, margin, by))
    return _of_censored(first, second, measure, margin, confidence)


def _of_censored(
    first: Mapping[int, Time], second: Mapping[int, Time], measure: Measure, margin: Margin, confidence: float
) -> Finding:
    """Where some missed the target: by ranks, which need no value of theirs."""
    one, other = list(first.values()), list(second.values())
    seeds = _pairs(first, second, measure)
    pairs = [first[s] for s in seeds], [second[s] for s in seeds]
    won = paired_wins(*pairs, sooner, confidence) if seeds else wins(one, other, sooner, confidence)
    p_value, fewest = log_rank_p(one, other), fewest_to_rank(1 - confidence)
    decided, some = p_value <= 1 - confidence, any(time.hit for time in [*one, *other])
    return Finding(
        measure=measure,
        first=_median(one),
        second=_median(other),
        margin=str(margin),
        confidence=confidence,
        test="log-rank, by permutation: some missed the target",
        p_value=p_value,
        wins=won,
        word="undecided" if not decided else "better" if excess_hits(one, other) > 0 else "worse",
        seeds=fewest if some and not decided and min(len(one), len(other)) < fewest else None,  # else none would tell
        missed=(sum(not time.hit for time in one), sum(not time.hit for time in other)),
        loss=loss_of_times(one, other, measure, margin, None),
    )


def _median(times: Sequence[Time]) -> Interval | None:
    middle = median_time(times)
    return None if middle is None else Interval(middle, None, None, len(times))
