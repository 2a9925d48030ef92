"""The command that a pipeline is stopped by."""

from pathlib import Path
from typing import Annotated

import typer

from lstm_bench.cli.options import results_of
from lstm_bench.errors import UsageError

EXIT = {"passed": 0, "fell": 1, "undecided": 3}


def gate(
    context: typer.Context,
    baseline: Annotated[list[Path], typer.Option(help="A committed reference, or pytest-benchmark's. Repeatable.")],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME ...]", help="Studies, else all of the baseline's; or pytest-benchmark's files."),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="A loss that does not matter, such as speed=10%. Repeatable."),
    ] = None,
    across_machines: Annotated[
        bool, typer.Option("--across-machines", help="Compare clocks of unlike machines, too.")
    ] = False,
) -> None:
    """Has anything got worse since a baseline? Exit code 0: no; 1: it has; 3: undecided."""
    from lstm_bench.analysis.baseline import boards_in, paired_with, read_json
    from lstm_bench.analysis.gate import gate_of_benchmarks, gate_of_studies
    from lstm_bench.analysis.margins import margins
    from lstm_bench.report.gating import gate_lines

    wide, files = margins(margin or []), [(path, read_json(path)) for path in baseline]
    timed = ["benchmarks" in found for _, found in files]
    if any(timed):
        if not all(timed) or not names:
            raise UsageError("a baseline by pytest-benchmark: expected more of its files, to be held against that")
        present = [read_json(Path(name)) for name in names]
        found = gate_of_benchmarks(present, [one for _, one in files], wide["speed"], across_machines=across_machines)
    else:
        before = [board for path, one in files for board in boards_in(path, one)]
        pairs, missing = paired_with(before, results_of(context), names or ())
        found = gate_of_studies(pairs, missing, wide, across_machines=across_machines)
    for line in gate_lines(found):
        print(line)
    raise typer.Exit(EXIT[found.word])
