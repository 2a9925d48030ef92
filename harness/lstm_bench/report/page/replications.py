"""A published table beside our own columns, a row of it a row."""

from collections.abc import Sequence

from lstm_bench.analysis.replication import Column, Replication
from lstm_bench.report.page.cells import Cell, Table, number, time
from lstm_bench.report.replications import sequences, share

COLUMNS: Sequence[Column] = ("faithful", "modern")
HEADS = ("sequences, median", "of the paper's", "trials succeed", "wrong in test", "training", "verdict")


def replications_table(rows: Sequence[Replication]) -> Table:
    """The paper's figures, then those of each column."""
    by_row: dict[str, dict[Column, Replication]] = {}
    for one in rows:
        by_row.setdefault(one.row, {})[one.column] = one
    heads = [
        "row",
        "what",
        "paper",
        "its wrong in test",
        *(f"{head} ({column})" for column in COLUMNS for head in HEADS),
    ]
    return Table(
        "Sequences until the criterion, beside the paper's", heads, [_line(found) for found in by_row.values()]
    )


def _line(found: dict[Column, Replication]) -> list[Cell]:
    one = next(iter(found.values()))
    paper = one.paper
    theirs = [
        Cell(one.row),
        Cell(one.label),
        number(float(paper.sequences), aside="the LSTM's" if one.control else ""),
        _share(paper.wrong, paper.tested),
    ]
    return [*theirs, *(cell for column in COLUMNS for cell in _ours(found.get(column)))]


def _ours(row: Replication | None) -> list[Cell]:
    """As many cells as there are heads; empty ones where the column lacks the row."""
    if row is None:
        return [Cell(look="number")] * (len(HEADS) - 1) + [Cell()]
    first, median, third = (sequences(found, row.cap, "{:,.0f}".format) for found in row.quartiles)
    success = row.success
    return [
        Cell(median, f"[{first}, {third}]", row.quartiles[1] or float(row.cap), "number"),
        number(row.ratio),
        Cell(f"{row.successes} of {success.n}", f"[{success.low:.0%}, {success.high:.0%}]", success.mean, "number"),
        _share(row.wrong, row.tested),
        time(sum(row.train_seconds)),
        Cell(row.word, look="better" if row.holds else "worse"),
    ]


def _share(wrong: int | None, tested: int | None) -> Cell:
    return Cell(share(wrong, tested), sort=wrong / tested if tested and wrong is not None else None, look="number")
