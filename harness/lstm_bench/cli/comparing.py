"""The command that judges studies against studies."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lstm_bench.cli.options import PORT, AcrossOption, MarginOption, console, results_of
from lstm_bench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from lstm_bench.analysis.margins import Margin
    from lstm_bench.analysis.measures import Kind
    from lstm_bench.analysis.sides import Side
    from lstm_bench.record.files import Results


def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="A B", help="Studies, suites, results folders, references.")],
    margin: MarginOption = None,
    across_machines: AcrossOption = False,
) -> None:
    """Judge studies against the first one: better, worse, equivalent or undecided, measure by measure.

    Of one suite that varies something, the arms are judged.
    """
    from lstm_bench.analysis.margins import margins
    from lstm_bench.analysis.sides import sides_of

    allowed = margins(margin or ())
    results, screen = results_of(context), console()
    sides = sides_of(names, results)
    single = all(len(side.boards) == 1 for side in sides)
    if single:
        _side_by_side(sides, screen)
    comparable = show_verdicts(sides, screen, allowed, across_machines=across_machines)
    if single and all(results.study(name).exists for name in names):
        _say_where_in_mlflow(names, results, screen)
    if not comparable:
        raise typer.Exit(UsageError.exit_code)


def show_verdicts(
    sides: "Sequence[Side]",
    screen: "Console",
    margins: "dict[Kind, Margin] | None" = None,
    *,
    across_machines: bool = False,
) -> bool:
    """Judge the later sides against the first, and say how.

    Returns:
        Whether any pair could be compared.

    Raises:
        UsageError: no two studies are of the same task.
    """
    from lstm_bench.analysis.margins import DEFAULTS
    from lstm_bench.analysis.sides import judged
    from lstm_bench.report.verdicts import verdict_parts

    found = judged(sides, margins or DEFAULTS, across_machines=across_machines)
    if not found:
        raise UsageError(f"{' and '.join(side.name for side in sides)}: no two studies are of the same task")
    for part in verdict_parts(sides, found):
        screen.print()
        screen.print(part)
    return any(one.versus.refused is None for one in found)


def _side_by_side(sides: "Sequence[Side]", screen: "Console") -> None:
    from lstm_bench.report.table import tables

    screen.print(tables([side.boards[0] for side in sides], screen.width, head="study"))


def _say_where_in_mlflow(names: list[str], results: "Results", screen: "Console") -> None:
    from lstm_bench.tracking.ui import compare_path

    where = results.tracking_uri or f"http://127.0.0.1:{PORT}"
    when = "" if results.tracking_uri else ", while `make ui` runs"
    screen.print(f"\nIn MLflow{when}: {where}{compare_path(results, names)}", soft_wrap=True)
