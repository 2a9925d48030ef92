"""Commands about single runs."""

from typing import Annotated

import typer

from lstm_bench.cli.options import SetOption, TaskArgument, TimeoutOption, console, results_of, settings_of
from lstm_bench.errors import BenchError
from lstm_bench.interpreter import begun

NOT_EQUAL = 1  # the exit code of a verdict against


@begun()
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
    _, result = run_once(spec, results=results, console=screen, run_timeout=run_timeout)
    shown = {k: v for k, v in result.metrics.items() if k.startswith(("best/", "target/", "speed/", "memory/"))}
    screen.print(f"{result.status.value}" + (f": {result.reason}" if result.reason else ""))
    for key, value in shown.items():
        screen.print(f"  {key} {value:,.4g}", highlight=False)
    if not result.status.complete:
        raise typer.Exit(BenchError.exit_code)


def repro(
    context: typer.Context,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or how it begins.")],
    run_timeout: TimeoutOption = None,
) -> None:
    """Train a recorded run again: is it equal to the last bit, or how far off?"""
    from lstm_bench.repro import repeat

    if not repeat(run, results=results_of(context), console=console(), run_timeout=run_timeout):
        raise typer.Exit(NOT_EQUAL)
