"""A published table beside our own columns, a row and column of it a row."""

import statistics
from collections.abc import Sequence

from lstm_bench.analysis.replication import Replication
from lstm_bench.report.page.cells import Cell, Table, number
from lstm_bench.report.replications import sequences, share
from lstm_bench.report.table import duration

HEADS = (
    "row",
    "what",
    "column",
    "verdict",
    "sequences, median",
    "the paper's",
    "ratio",
    "trials that succeed",
    "wrong in test",
    "the paper's wrong",
    "training",
)


def replications_table(rows: Sequence[Replication]) -> Table:
    """Ours and the paper's."""
    return Table("Sequences until the criterion, beside the paper's", HEADS, [_line(row) for row in rows])


def _line(row: Replication) -> list[Cell]:
    first, median, third = (sequences(found, row.cap, "{:,.0f}".format) for found in row.quartiles)
    success, paper, seconds = row.success, row.paper, sum(row.train_seconds)
    return [
        Cell(row.row),
        Cell(row.label),
        Cell(row.column),
        Cell(row.word, look="better" if row.holds else "worse"),
        Cell(median, f"[{first}, {third}]", row.quartiles[1] or float(row.cap), "number"),
        number(float(paper.sequences), aside="the LSTM's" if row.control else ""),
        number(row.ratio),
        Cell(f"{row.successes} of {success.n}", f"[{success.low:.0%}, {success.high:.0%}]", success.mean, "number"),
        _share(row.wrong, row.tested),
        _share(paper.wrong, paper.tested),
        Cell(duration(seconds), f"{duration(statistics.median(row.train_seconds))} a trial", seconds, "number"),
    ]


def _share(wrong: int | None, tested: int | None) -> Cell:
    return Cell(share(wrong, tested), sort=wrong / tested if tested and wrong is not None else None, look="number")
