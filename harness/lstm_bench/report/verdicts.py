"""Verdicts for the terminal: an overview of many, a table for each pair, and once for all what they rest on."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lstm_bench.analysis.interval import Interval
from lstm_bench.analysis.ranks import ranks_of, tasks_of
from lstm_bench.analysis.sides import Judged, Side
from lstm_bench.analysis.verdict import Finding, Word
from lstm_bench.report.ranking import ranking
from lstm_bench.report.remarks import left_alone, measured_by, remarks
from lstm_bench.report.table import brief, plain, seeds

STYLES: Mapping[Word, str] = {"better": "bold green", "worse": "bold red", "equivalent": "cyan", "undecided": "yellow"}
HEADS = {"difference": False, "P(better)": False, "P(equiv.)": True, "verdict": True}  # whole, or folded
TENFOLD = 10  # from here on, and down to a tenth, per cent are hard to read
SAID = ("s", "1/s", "")  # units that a measure's label says


def verdict_parts(sides: Sequence[Side], found: Sequence[Judged]) -> Iterator[RenderableType]:
    """All that is to be said of some sides: the answer in short, then pair by pair, then what holds for all.

    Args:
        sides: at least two.
        found: the later ones' studies, each judged against its counterpart of the first.
    """
    sound = [one for one in found if one.versus.refused is None]
    if len(sound) >= len(sides):
        yield overview(sound)
    tasks = tasks_of(sides[0], found, len(sides))
    ranks = ranks_of([side.name for side in sides], tasks)
    if len(tasks) > 1:
        yield ranking(ranks)
    yield from map(pair_table, sound)
    lines = [f"{title(one)}: not comparable: {one.versus.refused}" for one in found if one.versus.refused]
    lines += [*left_alone(sides), *remarks(sound)]
    lines += [ranks.words()] if sound and len(sides) > 2 and len(tasks) < 2 else []
    if lines:
        yield Text("\n".join(lines))


def title(one: Judged) -> str:
    """Which study is judged against which, on which task."""
    names = [
        side if side.rstrip("/").endswith(board["study"]) else f"{board['study']} of {side}"
        for side, board in zip((one.first, one.against), one.boards, strict=True)
    ]
    return f"{one.versus.task}: {' against '.join(names)}"


def overview(found: Sequence[Judged]) -> Table:
    """A row a pair, a column a measure: the words alone."""
    labels = dict.fromkeys(measured_by(finding) for one in found for finding in one.versus.findings)
    same = Counter((one.versus.task, one.first) for one in found)
    several = len({one.first for one in found}) > 1
    table = plain()
    table.add_column(overflow="fold")
    for label in labels:
        table.add_column(textwrap.fill(label, len("equivalent")), no_wrap=True)
    for one in found:
        words = {measured_by(finding): _worded(finding.word) for finding in one.versus.findings}
        name = one.versus.task if same[one.versus.task, one.first] == 1 else one.boards[0]["study"]
        table.add_row(f"{name}\n{one.first}" if several else name, *(words.get(label, "") for label in labels))
    return table


def pair_table(one: Judged) -> Table:
    """A row a measure: both values, how far apart, how sure, and the word. Cells fold where the screen is narrow."""
    table = plain(title(one))
    for name, whole in [*((name, False) for name in ("", one.first, one.against)), *HEADS.items()]:
        table.add_column(name, overflow="fold", no_wrap=whole)
    runs = [len(board["confirmed"]["seeds"]) for board in one.boards]
    for found in one.versus.findings:
        values = [_value(*of) for of in zip((found.first, found.second), found.missed, runs, strict=True)]
        table.add_row(_label(found), *values, apart(found), _wins(found), _equivalent(found), _verdict(found))
    return table


def _label(found: Finding) -> str:
    unit = found.measure.unit
    return found.measure.label if unit in SAID else f"{found.measure.label} ({unit})"


def _value(value: Interval | None, missed: int, runs: int) -> str:
    """A mean with its 95 % interval; where some runs missed the target the median, and how many did."""
    lines = [] if value is None else [brief(value.mean) + (" median" if missed else "")]
    if value and value.low is not None and value.high is not None and value.low < value.high:
        lines.append(f"[{brief(value.low)}, {brief(value.high)}]")
    return "\n".join(lines + ([f"{missed} of {runs} missed"] if missed else []))


def apart(found: Finding) -> str:
    """How far the first lies from the second: a difference; of ratios the change in per cent, or a factor."""
    gap = found.difference
    if gap is None:
        return ""
    values, unit, form = [value for value in (gap.mean, gap.low, gap.high) if value is not None], "", "+.3g"
    if found.measure.scale == "log" and min(values) > 1 / TENFOLD and max(values) < TENFOLD:
        values, unit = [100 * (value - 1) for value in values], " %"
    elif found.measure.scale == "log":
        unit, form = "-fold", ".3g"
    said = [f"{value:{form}}" for value in values]
    return f"{said[0]}{unit}" + (f"\n[{said[1]}, {said[2]}]" if values[1:] and values[1] < values[2] else "")


def _wins(found: Finding) -> str:
    return f"{found.wins.share:.2g}\n[{found.wins.low:.2g}, {found.wins.high:.2g}]" if found.wins else ""


def _equivalent(found: Finding) -> str:
    return "" if found.p_equivalent is None else f"{found.p_equivalent:.2g}\n±{found.margin}"


def _verdict(found: Finding) -> Text:
    word = _worded(found.word)
    return word.append(f"\n{seeds(found.seeds)}?", style="dim") if found.seeds else word


def _worded(word: Word) -> Text:
    return Text(word, style=STYLES[word])
