"""What a gate looks at: one measure of one task, and one measure of all tasks together."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import combine_pvalues

from lstm_bench.analysis.difference import seeds_to_judge
from lstm_bench.analysis.interval import Interval
from lstm_bench.analysis.verdict import Finding, unscaled

PASSING = 0.05  # that a loss of just more than the margin is let pass

Word = Literal["fell", "passed", "undecided"]


@dataclass(frozen=True, slots=True)
class Look:
    """One measure of one task, or one benchmark.

    Attributes:
        what: the task or the benchmark.
        finding: the present against the baseline.
        level: of the one-sided test that nothing was lost.
    """

    what: str
    finding: Finding
    level: float

    @property
    def word(self) -> Word:
        """`fell`: worse by more than the margin, and surely worse; `passed`: a loss beyond the margin is excluded."""
        loss = self.finding.loss
        if loss is None:
            return "undecided"
        if _fell(loss.p_none, loss.p_beyond, self.level):
            return "fell"
        return "passed" if loss.p_beyond <= PASSING else "undecided"

    @property
    def change(self) -> Interval | None:
        """The present minus the baseline, or over it where that scale is `log`; where it fell, all on one side."""
        loss, measure = self.finding.loss, self.finding.measure
        if loss is None or loss.by is None:
            return None
        return unscaled((-loss.by if measure.maximize else loss.by).interval(1 - 2 * self.level), measure)

    @property
    def seeds(self) -> int | None:
        """How many of each would likely decide it; None where no number would, or nobody can say."""
        loss = self.finding.loss
        if loss is None:
            return self.finding.seeds
        return seeds_to_judge(loss.by, loss.width, self.level, PASSING) if loss.by else None


@dataclass(frozen=True, slots=True)
class Together:
    """One measure of all tasks together: what is too little to be sure of in each, and is sure in all.

    The tasks' p-values are combined by Stouffer's z (1949), which needs no scale that the tasks share: of independent
    tasks it is as exact as these are.

    Attributes:
        looks: each task's.
        level: of the one-sided test that nothing was lost in any.
    """

    looks: Sequence[Look]
    level: float

    @property
    def fell(self) -> bool:
        """Whether the tasks on the whole are worse by more than their margins, and surely so, though none is alone."""
        if any(look.word == "fell" for look in self.looks):
            return False
        losses = [look.finding.loss for look in self.looks if look.finding.loss]
        none, beyond = ([getattr(loss, name) for loss in losses] for name in ("p_none", "p_beyond"))
        return _fell(_combined(none), _combined(beyond), self.level)


def groups_of(found: Sequence[Finding]) -> list[list[int]]:
    """Which findings can be looked at together, by place: the same measure of two tasks or more, scores being one.

    Left out is what has no spread, and a time to a target: the few permutations of few seeds are too coarse to add up.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for place, one in enumerate(found):
        kind = one.measure.kind
        if kind not in ("target", "size") and one.loss and one.loss.by and one.loss.by.error > 0:
            groups["score" if kind == "score" else one.measure.name].append(place)
    return [group for group in groups.values() if len(group) > 1]


def _fell(p_none: float, p_beyond: float, level: float) -> bool:
    """A p of a half is where the estimate itself lies: above, it is beyond the margin."""
    return p_none <= level and p_beyond > 0.5


def _combined(p_values: Sequence[float]) -> float:
    return float(combine_pvalues(p_values, method="stouffer").pvalue)
