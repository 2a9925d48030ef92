"""What stands once below all verdicts: how they were found, what was left out, what would decide what is open."""

from collections.abc import Iterator, Sequence

from lstm_bench.analysis.sides import Judged, Side, alone
from lstm_bench.analysis.verdict import Finding


def remarks(found: Sequence[Judged]) -> Iterator[str]:
    """All of them, a paragraph each.

    Args:
        found: pairs that could be compared.
    """
    if found:
        yield _intervals(found)
        yield _tests(found)
        yield from _machines(found)
        yield from _open(found)


def left_alone(sides: Sequence[Side]) -> Iterator[str]:
    """The studies that met none, by side."""
    first, *others = sides
    for side in others:
        for one, other in ((first, side), (side, first)):
            studies = alone(one, other)
            if studies:
                yield f"Without a counterpart in {other.name}: {', '.join(studies)}."


def measured_by(found: Finding) -> str:
    """A measure's label; the scores of all tasks have one."""
    return "test score" if found.measure.kind == "score" else found.measure.label


def _intervals(found: Sequence[Judged]) -> str:
    confidence = found[0].versus.findings[0].confidence
    told = f"Values have 95 % intervals, differences and P(better) intervals of {100 * confidence:.4g} %"
    if len(found) > 1:
        told += f", so that the {len(found)} verdicts by a measure hold together at 95 %"
    return (
        f"{told}. P(better) is of a run against a run; P(equiv.) that the difference is within the margin (--margin)."
    )


def _tests(found: Sequence[Judged]) -> str:
    """Each test with the measures that it judged."""
    by_test: dict[str, dict[str, None]] = {}
    for one in found:
        for finding in one.versus.findings:
            by_test.setdefault(finding.test, {})[measured_by(finding)] = None
    return "Tests: " + "; ".join(f"{test} ({', '.join(labels)})" for test, labels in by_test.items()) + "."


def _machines(found: Sequence[Judged]) -> Iterator[str]:
    """What is said of timings, where machines are unlike."""
    for unlike in dict.fromkeys(one.versus.unlike for one in found if one.versus.unlike):
        theirs = [one for one in found if one.versus.unlike == unlike]
        if any(finding.measure.timed for one in theirs for finding in one.versus.findings):
            yield f"Timings are of unlike machines, as asked: {unlike}. They tell of the machines, too."
        else:
            yield f"Timings are left out, since the machines differ: {unlike}. --across-machines takes them in."


def _open(found: Sequence[Judged]) -> Iterator[str]:
    """What would likely decide what is undecided, and the commands that do so for the score."""
    findings = [finding for one in found for finding in one.versus.findings]
    if not any(finding.seeds for finding in findings):
        return
    yield "`N seeds?`: so many of each would likely decide it, were difference and spread as they look."
    wanted: dict[str, int] = {}
    for one in found:
        asked = one.versus.findings[0].seeds or 0
        for board in one.boards:
            if asked > len(board["confirmed"]["seeds"]):
                wanted[board["study"]] = max(asked, wanted.get(board["study"], 0))
    if wanted:
        yield "By the test score:"
        yield from (f"  lstm-bench confirm {study} --seeds {n}" for study, n in wanted.items())
