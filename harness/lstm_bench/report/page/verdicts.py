"""Study against study as a table: each measure with both values, how far apart, how sure, and a word."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lstm_bench.analysis.interval import Interval
from lstm_bench.analysis.verdict import Finding
from lstm_bench.analysis.versus import Versus
from lstm_bench.report.page.cells import Cell, Table, with_interval

HEADS = ["study", "measure", "it is", "its value", "the best study's", "difference", "P(it is better)", "P(equivalent)"]
HEADS += ["margin", "decided by", "test"]


def verdicts_table(verdicts: Sequence[Versus]) -> Table:
    """A row for each study and measure."""
    rows = [_row(one.first, finding) for one in verdicts for finding in one.findings]
    return Table("Each study against the best one", HEADS, rows)


def remarks(verdicts: Sequence[Versus]) -> Iterator[str]:
    """What the table cannot say: who could not be compared, whose clocks could not, how sure all of it is together."""
    for one in verdicts:
        if one.refused:
            yield f"{one.first} cannot be compared with {one.against}: {one.refused}."
        if one.unlike:
            yield f"{one.first} and {one.against} ran on unlike machines ({one.unlike}): their timings are left out."
    confidences = {finding.confidence for one in verdicts for finding in one.findings}
    for confidence in confidences:
        yield (
            f"Differences and P(it is better) have intervals of {100 * confidence:.4g} % confidence, so that all "
            "verdicts by one measure hold together in 95 of 100 comparisons; values have 95 % intervals."
        )


def _row(study: str, finding: Finding) -> list[Cell]:
    unit, missed = finding.measure.unit, finding.missed
    own, other = (
        _value(value, unit, count) for value, count in zip((finding.first, finding.second), missed, strict=True)
    )
    won = finding.wins
    return [
        Cell(study),
        Cell(finding.measure.label),
        Cell(finding.word, look=finding.word),
        own,
        other,
        _difference(finding),
        Cell(look="number")
        if won is None
        else Cell(f"{won.share:.2f}", f"[{won.low:.2f}, {won.high:.2f}]", won.share, "number"),
        Cell(look="number") if finding.p_equivalent is None else _share(finding.p_equivalent),
        Cell(finding.margin),
        Cell("" if finding.seeds is None else f"about {finding.seeds} seeds", sort=finding.seeds),
        Cell(finding.test),
    ]


def _value(value: Interval | None, unit: str, missed: int) -> Cell:
    said = f"{missed} missed" if missed else ""
    if value is None:
        return Cell("", said, look="number")
    cell = with_interval(value, unit)
    return replace(cell, aside=f"{cell.aside} {said}".strip())


def _difference(finding: Finding) -> Cell:
    apart = finding.difference
    if apart is None:
        return Cell(look="number")
    if finding.measure.scale == "linear":
        return with_interval(apart, form="+.3g")
    cell = with_interval(apart, form=".3g")
    return replace(cell, text=f"× {cell.text}")


def _share(share: float) -> Cell:
    return Cell(f"{share:.2f}", sort=share, look="number")
