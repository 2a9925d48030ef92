"""Studies against studies, task by task: every measure that both have, corrected for how many are compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lstm_bench.analysis.answer import Board
from lstm_bench.analysis.comparable import unlike_machines, why_not
from lstm_bench.analysis.margins import DEFAULTS, Margin
from lstm_bench.analysis.measures import Kind, common
from lstm_bench.analysis.verdict import Finding, finding

ALPHA = 0.05  # of all comparisons by one measure together


@dataclass(frozen=True, slots=True)
class Versus:
    """One study against another.

    Attributes:
        task: of both; the first one's where they differ.
        first: the study that is judged.
        against: the one that it is judged against.
        refused: why they cannot be compared, in one line; None where they can.
        unlike: how their machines differ; None where they do not.
        findings: a measure each, the score first; timings are absent where machines are unlike, unless they were asked
            for.
    """

    task: str
    first: str
    against: str
    refused: str | None = None
    unlike: str | None = None
    findings: list[Finding] = field(default_factory=list)


def versus(
    pairs: Sequence[tuple[Board, Board]],
    margins: Mapping[Kind, Margin] = DEFAULTS,
    *,
    across_machines: bool = False,
) -> list[Versus]:
    """Judge the first of each pair against the second.

    m pairs are m chances to be wrong by each measure. So that all verdicts by a measure together hold in 95 of 100
    comparisons, each interval is one of confidence 1 - 0.05 / m (Bonferroni; Dunn 1961, JASA 56). Pairs that cannot be
    compared do not count.

    Args:
        pairs: boards.
        margins: of equivalence, by kind of measure.
        across_machines: whether timings of unlike machines are compared too.
    """
    reasons = [why_not(*pair) for pair in pairs]
    confidence = 1 - ALPHA / max(1, reasons.count(None))
    return [
        Versus(first["task"], first["study"], second["study"], refused=reason)
        if reason
        else _judged(first, second, margins, confidence, across_machines=across_machines)
        for (first, second), reason in zip(pairs, reasons, strict=True)
    ]


def _judged(
    first: Board, second: Board, margins: Mapping[Kind, Margin], confidence: float, *, across_machines: bool
) -> Versus:
    unlike = unlike_machines(first, second)
    measures = [one for one in common(first, second) if across_machines or not (one.timed and unlike)]
    found = [finding(first, second, measure, margins[measure.kind], confidence) for measure in measures]
    return Versus(first["task"], first["study"], second["study"], unlike=unlike, findings=found)
