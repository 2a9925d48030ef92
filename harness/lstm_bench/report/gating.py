"""What a gate found, as plain lines that a log can show."""

from collections.abc import Iterator

from lstm_bench.analysis.gate import ALARM, Gate
from lstm_bench.analysis.interval import Interval
from lstm_bench.analysis.looks import Look, Together
from lstm_bench.report.table import figure


def gate_lines(gate: Gate) -> Iterator[str]:
    """What fell; how much passed; what is undecided, and how many seeds would likely decide it; what was left out."""
    for look in gate.having("fell"):
        yield f"FELL       {_line(look)}"
    yield from (f"FELL       {_joint_line(one)}" for one in gate.together if one.fell)
    yield f"passed     {len(gate.having('passed'))} of {len(gate.looks)}"
    for look in gate.having("undecided"):
        yield f"undecided  {_line(look)}: {_way(look)}"
    for name in gate.missing:
        yield f"undecided  {name}: only the baseline has it"
    yield from (f"note       {note}" for note in gate.notes)
    if gate.looks:
        confidence = 100 * (1 - 2 * gate.looks[0].level)
        yield f"Intervals of {confidence:.4g} %: of 100 gates between equals at most {100 * ALARM:g} say that any fell."


def _line(look: Look) -> str:
    found = look.finding
    missed = f", missed by {found.missed[0]}, was by {found.missed[1]}" if any(found.missed) else ""
    values = f"{_value(found.first)}, was {_value(found.second)}{missed}"
    change = _change(look)
    return f"{look.what}  {found.measure.label}  {values}{': ' if change else ''}{change}, margin {found.margin}"


def _joint_line(one: Together) -> str:
    label = "test score" if one.looks[0].finding.measure.kind == "score" else one.looks[0].finding.measure.label
    each = ", ".join(f"{look.what} {_change(look, whole=False)}" for look in one.looks)
    return f"all {len(one.looks)} together  {label}  {each}, margin {one.looks[0].finding.margin}"


def _value(interval: Interval | None) -> str:
    return figure(interval.mean) if interval else "never"


def _change(look: Look, *, whole: bool = True) -> str:
    """As `+22 % [+9, +36]`; `whole`: with its interval, which a size has none of."""
    found, ratio = look.change, look.finding.measure.scale == "log"
    if found is None:
        return ""
    ends = (found.mean, found.low, found.high)
    mean, low, high = (f"{100 * (end - 1) if ratio else end:+.3g}" for end in ends if end is not None)
    span = f" [{low}, {high}]" if whole and look.finding.measure.kind != "size" else ""
    return f"{mean}{' %' if ratio else ''}{span}"


def _way(look: Look) -> str:
    if look.seeds:
        return f"some {look.seeds} of each would likely decide"
    return "no number of seeds would likely decide" if look.change else "how many seeds would decide nobody can say"
