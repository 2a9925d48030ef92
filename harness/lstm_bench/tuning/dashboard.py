"""Optuna's own dashboard over the journal, on this machine alone: `make dashboard`.

Started here rather than by its command, so that what a person writes there goes through the same lock as ours.
"""

import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.tuning.database import open_database
from lstm_bench.tuning.journal import open_journal

HOST = "127.0.0.1"


def serve(results: Results, port: int) -> None:
    """Serve until Ctrl-C.

    Raises:
        BenchError: there is nothing to show, or the dashboard is not installed.
    """
    if not (results.storage or results.journal.exists()):
        raise BenchError(f"no studies in {results.root} yet: `lstm-bench search adding` makes one")
    try:
        dashboard = importlib.import_module("optuna_dashboard")
    except ImportError:
        raise UsageError("the package optuna-dashboard is not installed: pip install 'lstm-bench[dashboard]'") from None
    print(f"http://{HOST}:{port}/dashboard  Ctrl-C ends it.", flush=True)
    storage = open_database(results.storage) if results.storage else open_journal(results.journal)
    dashboard.run_server(storage, host=HOST, port=port)


def main(
    results: Annotated[Path, typer.Option(envvar="LSTM_BENCH_RESULTS", help="Where the studies are.")] = Path(
        "results"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 8080,
) -> None:
    """Serve Optuna's dashboard over the studies."""
    try:
        serve(Results.at(results), port)
    except BenchError as error:
        print(f"lstm-bench: {error}", file=sys.stderr)
        raise typer.Exit(error.exit_code) from None


if __name__ == "__main__":
    typer.run(main)
