"""Commands about MLflow: send what it lacks, show it."""

from typing import Annotated

import typer

from lstm_bench.cli.options import PORT, console, results_of


def sync(
    context: typer.Context,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Set the store in the results folder aside, and make it anew.")
    ] = False,
) -> None:
    """Send MLflow what it lacks of the results folder."""
    from lstm_bench.pool import cores
    from lstm_bench.tracking.sync import sync

    screen = console()
    for line in sync(results_of(context), rebuild=rebuild, workers=cores()):
        screen.print(line, soft_wrap=True)


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = PORT,
) -> None:
    """Serve the MLflow UI over the results, on this machine alone."""
    from lstm_bench.tracking.ui import serve

    raise typer.Exit(serve(results_of(context), port))
