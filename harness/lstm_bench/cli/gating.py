"""The command that a pipeline is stopped by."""

from pathlib import Path
from typing import Annotated

import typer

from lstm_bench.cli.options import AcrossOption, MarginOption, results_of
from lstm_bench.errors import UsageError

EXIT = {"passed": 0, "fell": 1, "undecided": 3}


def gate(
    context: typer.Context,
    baseline: Annotated[list[Path], typer.Option(help="A committed reference, or pytest-benchmark's. Repeatable.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Studies, else all of the baseline's; or pytest-benchmark's files."),
    ] = None,
    margin: MarginOption = None,
    across_machines: AcrossOption = False,
) -> None:
    """Has anything got worse since a baseline? Exit code 0: no; 1: it has; 3: undecided."""
    from lstm_bench.analysis.baseline import paired_with
    from lstm_bench.analysis.benchmarks import benchmarks_in
    from lstm_bench.analysis.gate import gate_of_benchmarks, gate_of_studies
    from lstm_bench.analysis.margins import margins
    from lstm_bench.analysis.references import boards_in, read_json
    from lstm_bench.report.gating import gate_lines

    widths, before = margins(margin or []), {path: read_json(path) for path in baseline}
    if any("benchmarks" in found for found in before.values()):
        now = {Path(name): read_json(Path(name)) for name in names or ()}
        if not now:
            raise UsageError(f"{baseline[0]} is pytest-benchmark's: expected another of its files to hold against it")
        present, past = ([benchmarks_in(path, found) for path, found in side.items()] for side in (now, before))
        found = gate_of_benchmarks(present, past, widths["speed"], across_machines=across_machines)
    else:
        boards = [board for path, found in before.items() for board in boards_in(path, found)]
        pairs, missing = paired_with(boards, results_of(context), names or ())
        found = gate_of_studies(pairs, missing, widths, across_machines=across_machines)
    for line in gate_lines(found):
        print(line)
    raise typer.Exit(EXIT[found.word])
