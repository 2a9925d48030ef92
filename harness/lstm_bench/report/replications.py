"""A published table beside our own runs, for the terminal, the README and a spreadsheet."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lstm_bench.analysis.replication import RULE, Replication
from lstm_bench.report.reference import printed
from lstm_bench.report.table import brief, duration, plain

WIDE = 110  # characters from which there is room for all columns
README = 118


def shown(rows: Sequence[Replication], width: int) -> RenderableType:
    """A line a row and column, beneath it what does not replicate and why, and what the words mean."""
    columns = {head: cell for head, cell in COLUMNS.items() if width >= WIDE or head not in ROOMY}
    table = plain()
    table.padding = 0  # there are many
    for head in columns:
        table.add_column(head, justify="left" if head in WORDS else "right", no_wrap=head != "what")
    for row in rows:
        table.add_row(*(Text(cell(row)) for cell in columns.values()))
    return Group(table, Text("\n".join(["", *remarks(rows), RULE])))


def remarks(rows: Sequence[Replication]) -> list[str]:
    """What rows have in place of the paper's words; in what some do not hold; what was tried then, each once."""
    other = [f"{row.row} ({row.column}) is not by the paper's words: {row.instead}." for row in rows if row.instead]
    differing = [row for row in rows if not row.holds]
    differ = [
        f"{row.row} ({row.column}) does not {'replicate' if row.column == 'faithful' else 'take fewer sequences'}: "
        f"{'; '.join(row.differs)}."
        for row in differing
    ]
    tried = {row.tried: [one.row for one in differing if one.tried == row.tried] for row in differing if row.tried}
    return [*other, *differ, *(f"Tried on {', '.join(names)}: {text}." for text, names in tried.items())]


def in_words(row: Replication) -> str:
    """A row in a line, as soon as it is done."""
    return f"{row.row} ({row.column}): {_succeeded(row)} trials, median {_median(row)} sequences, {row.word}"


def _succeeded(row: Replication) -> str:
    return f"{row.successes}/{len(row.times)}"


def _median(row: Replication) -> str:
    return sequences(row.quartiles[1], row.cap)


def _spread(row: Replication) -> str:
    first, _, third = row.quartiles
    return "" if first is None else f"{sequences(first, row.cap)} to {sequences(third, row.cap)}"


def sequences(found: float | None, cap: int, form: Callable[[float], str] = brief) -> str:
    """So many, or more than the cap."""
    return f">{form(cap)}" if found is None else form(found)


def _percent(wrong: int | None, tested: int | None) -> str:
    return "" if wrong is None or not tested else f"{100 * wrong / tested:.2g}%"


def share(wrong: int | None, tested: int | None) -> str:
    """Wrong test sequences of all, nothing where nothing is said."""
    return f"{wrong:,}/{brief(tested)}" if tested else ""


COLUMNS: Mapping[str, Callable[[Replication], str]] = {
    "row": lambda row: row.row,
    "column": lambda row: row.column,
    "success": _succeeded,
    "95 %": lambda row: f"{row.success.low:.2f}-{row.success.high:.2f}",
    "median": _median,
    "quartiles": _spread,
    "paper": lambda row: f"{'<' if row.control else ''}{brief(row.paper.sequences)}",
    "ratio": lambda row: "" if row.ratio is None else f"{row.ratio:.2f}",
    "wrong": lambda row: _percent(row.wrong, row.tested),
    "paper's": lambda row: _percent(row.paper.wrong, row.paper.tested),
    "time": lambda row: duration(sum(row.train_seconds)),
    "": lambda row: row.word,
}
ROOMY = {"95 %", "wrong", "paper's", "time"}
WORDS = {"row", "column", ""}


def as_csv(rows: Sequence[Replication]) -> str:
    """A line a row and column, what is nested under dotted names; the trials are in the JSON."""
    lines = [_flat({name: value for name, value in row.to_dict().items() if name not in LISTS}) for row in rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue()


LISTS = ("times", "train_seconds")


def _flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{where}{name}.") if isinstance(value, Mapping) else {where + name: _worded(value)}
    return found


def _worded(value: Any) -> Any:
    return "; ".join(map(str, value)) if isinstance(value, list) else value


def rendered(rows: Sequence[Replication], command: str) -> str:
    """What the README shows: the table, and where it was made."""
    return f"```\n{printed(shown(rows, README), README)}\n```\n\nBy `{command}` on {origin(rows)}."


def origin(rows: Sequence[Replication]) -> str:
    """The machines, versions and commits that the rows came from, each once, and how long it took."""
    places = dict.fromkeys(_place(row.machine) for row in rows)
    commits = dict.fromkeys(str(row.machine.get("commit", "unknown")) for row in rows)
    longest: dict[str, float] = {}  # rows that are read from the same runs count once
    for row in rows:
        longest[row.study] = max(longest.get(row.study, 0.0), sum(row.train_seconds))
    trained = f"all trials together trained for {duration(sum(longest.values()))}, one to a core"
    return f"{' and '.join(places)}; commit {', '.join(commits)}; {trained}"


def _place(machine: Mapping[str, Any]) -> str:
    found = machine.get("versions", {})
    versions = ", ".join(f"{name} {found[name]}" for name in ("torch", "numba") if name in found)
    return f"{machine.get('cpu')}, {machine.get('cores')} cores; Python {machine.get('python')}, {versions}"
