"""The command that makes a published table again."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from lstm_bench.cli.options import WorkersOption, console, results_of
from lstm_bench.errors import BenchError, RecordError
from lstm_bench.interpreter import begun

if TYPE_CHECKING:
    from lstm_bench.analysis.replication import Column

DIFFERS = 1  # the exit code where a row does not hold


class Columns(StrEnum):
    """Which of the table's columns."""

    FAITHFUL = "faithful"
    MODERN = "modern"
    BOTH = "both"


@begun()
def reproduce(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="TABLE", help="hochreiter1997, or a file of rows.")],
    quick: Annotated[bool, typer.Option("--quick", help="The quick rows alone, three trials each.")] = False,
    rows: Annotated[
        str | None, typer.Option(metavar="4,6a", help="Rows by id or experiment, or t100 for all of T=100.")
    ] = None,
    column: Annotated[Columns | None, typer.Option(help="Default: both; with --quick faithful.")] = None,
    workers: WorkersOption = None,
) -> None:
    """Make a published table again, row by row. Exit code 0: all rows replicate; 1: some do not."""
    from lstm_bench.pool import cores
    from lstm_bench.report.replications import in_words, shown
    from lstm_bench.reproduce.making import jobs
    from lstm_bench.reproduce.rows import QUICK, read_table

    results, screen, table = results_of(context), console(), read_table(what)
    chosen = table.chosen(rows.split(",") if rows else [], quick=quick)
    at_once = workers or max(cores(), QUICK if quick else 1)  # sequences are counted, not seconds
    found, failed = [], False
    for job in jobs(table, chosen, _columns(column, quick=quick), quick=quick):
        try:
            found.append(job.made(results, workers=at_once, console=screen))
            screen.print(in_words(found[-1]), soft_wrap=True)
        except RecordError:
            raise
        except BenchError as error:
            screen.print(f"{job.name}: {error}", soft_wrap=True)
            failed = True
    screen.print()
    screen.print(shown(table.in_order(found), screen.width))
    screen.print(f"\nKept in {results.reference(table.name)}, and beside it as CSV", soft_wrap=True)
    if failed:
        raise typer.Exit(BenchError.exit_code)
    if not all(row.holds for row in found):
        raise typer.Exit(DIFFERS)


def _columns(asked: Columns | None, *, quick: bool) -> "list[Column]":
    match asked or (Columns.FAITHFUL if quick else Columns.BOTH):
        case Columns.FAITHFUL:
            return ["faithful"]
        case Columns.MODERN:
            return ["modern"]
        case _:
            return ["faithful", "modern"]
