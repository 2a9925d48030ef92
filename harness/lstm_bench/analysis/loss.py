"""Whether a setting is worse than another, and whether by more than matters: one-sided, as a gate asks it."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lstm_bench.analysis.censored import Time, log_rank_p, median_time
from lstm_bench.analysis.difference import Difference
from lstm_bench.analysis.margins import Margin
from lstm_bench.analysis.measures import Measure

ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """By how much the first of two settings is worse than the second.

    Attributes:
        by: on the measure's scale, above 0 where it is worse; None where times to a target are censored.
        width: the margin on that scale.
        p_none: one-sided, of no loss.
        p_beyond: one-sided, of a loss of more than the margin. Above a half where the estimate itself is beyond it.
    """

    by: Difference | None
    width: float
    p_none: float
    p_beyond: float


def loss_of_values(apart: Difference, width: float, measure: Measure) -> Loss:
    """By t.

    Where all differ by the same but for rounding, t would be sure at any size: then the sign test's smallest p holds,
    1 / 2^n. A size is counted, and is sure.

    Args:
        apart: first minus second, on the measure's scale.
        width: the margin, likewise.
        measure: of both.
    """
    by = -apart if measure.maximize else apart
    alike = by.error <= ROUNDING * abs(by.mean) and measure.kind != "size"
    return Loss(by=by, width=width, p_none=max(by.p_at_most(0), 0.5**by.n if alike else 0), p_beyond=by.p_above(width))


def loss_of_times(
    first: Sequence[Time], second: Sequence[Time], measure: Measure, margin: Margin, by: Difference | None
) -> Loss:
    """By the log-rank test's permutations, whether some missed the target or none did.

    A time to a target is read at evaluations: t would take the equal steps between a few coarse values for a spread of
    nearly none, and be far too sure. For the margin the second's times are stretched by it. Nothing is lost where every
    run is as it was, and nothing was there to lose where the second reached the target in fewer than half of its runs.

    Args:
        first: times of the one that is judged.
        second: times of the one it is judged against.
        measure: of both.
        margin: in its own words.
        by: the difference, where no time is censored.
    """
    width = margin.on(measure, statistics.fmean(time.value for time in second))
    if first == second or median_time(second) is None:
        return Loss(by=by, width=width, p_none=1.0, p_beyond=0.0)
    stretched = [replace(time, value=time.value * math.exp(width)) for time in second]
    return Loss(
        by=by, width=width, p_none=log_rank_p(first, second, "later"), p_beyond=log_rank_p(first, stretched, "sooner")
    )
