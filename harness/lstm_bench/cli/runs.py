"""Commands about single runs, tasks and the UI."""

from typing import Annotated

import typer

from lstm_bench.cli.options import PORT, SetOption, TaskArgument, TimeoutOption, console, results_of, settings_of
from lstm_bench.errors import BenchError


def run(
    context: typer.Context,
    task: TaskArgument,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights and data.")] = None,
    run_timeout: TimeoutOption = None,
) -> None:
    """Train one model once."""
    from lstm_bench.execute import spec_of
    from lstm_bench.once import run_once

    results, screen = results_of(context), console()
    spec, _ = spec_of({"task": task}, settings_of(settings, seed))
    result = run_once(spec, results=results, console=screen, run_timeout=run_timeout)
    shown = {k: v for k, v in result.metrics.items() if k.startswith(("best/", "target/", "speed/", "memory/"))}
    screen.print(f"{result.status.value}" + (f": {result.reason}" if result.reason else ""))
    for key, value in shown.items():
        screen.print(f"  {key} {value:,.4g}", highlight=False)
    if not result.status.complete:
        raise typer.Exit(BenchError.exit_code)


def tasks() -> None:
    """List the tasks and where they come from."""
    from lstm_bench import plugins

    for name, point in plugins.installed(plugins.TASKS).items():
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
        typer.echo(f"{name:20} {package:20} {point.value}")


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = PORT,
) -> None:
    """Serve the MLflow UI over the results, on this machine alone."""
    from lstm_bench.record.server import serve

    raise typer.Exit(serve(results_of(context), port))
