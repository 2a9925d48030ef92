"""What a gate found, as plain lines that a log can show."""

from collections.abc import Iterator

from lstm_bench.analysis.gate import ALARM, Gate, Look
from lstm_bench.analysis.interval import Interval
from lstm_bench.report.table import figure


def gate_lines(gate: Gate) -> Iterator[str]:
    """What fell; how much passed; what is undecided, and how many seeds would likely decide it; what was left out."""
    for look in gate.having("fell"):
        yield f"FELL       {_line(look)}"
    yield f"passed     {len(gate.having('passed'))} of {len(gate.looks)}"
    for look in gate.having("undecided"):
        yield f"undecided  {_line(look)}: {_way(look)}"
    for name in gate.missing:
        yield f"undecided  {name}: the baseline has it, and nothing here is of its name or task"
    yield from (f"note       {note}" for note in gate.notes)
    if gate.looks:
        confidence = 100 * (1 - 2 * gate.looks[0].level)
        yield f"Intervals of {confidence:.4g} %: of 100 gates between equals at most {100 * ALARM:g} say that any fell."


def _line(look: Look) -> str:
    found = look.finding
    missed = f", missed by {found.missed[0]}, was by {found.missed[1]}" if any(found.missed) else ""
    values = f"{_value(found.first)}, was {_value(found.second)}{missed}"
    return f"{look.what}  {found.measure.label}  {values}{_change(look)}, margin {found.margin}"


def _value(interval: Interval | None) -> str:
    return figure(interval.mean) if interval else "never"


def _change(look: Look) -> str:
    found = look.change
    if found is None:
        return ""
    ratio, ends = look.finding.measure.scale == "log", (found.mean, found.low, found.high)
    mean, low, high = (f"{100 * (end - 1) if ratio else end:+.3g}" for end in ends if end is not None)
    span = f" [{low}, {high}]" if look.finding.measure.kind != "size" else ""
    return f": {mean}{' %' if ratio else ''}{span}"


def _way(look: Look) -> str:
    return f"some {look.seeds} of each would likely decide" if look.seeds else "no number of seeds would likely decide"
