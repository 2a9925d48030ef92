"""What several commands take, and where they put it."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from lstm_bench import allocator

if TYPE_CHECKING:
    from rich.console import Console

    from lstm_bench.record.files import Results
    from lstm_bench.spec import Value

PORT = 5000

TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="A task's name, or module:attr.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="K=V", help="One value, such as train.lr=3e-3. Repeatable."),
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Runs at once. Default: one a core, here or in the cluster.")
]
ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="LSTM_BENCH_RESULTS", help="Where everything is kept.")
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="LSTM_BENCH_TRACKING_URI", help="Of an MLflow server, such as http://host:5000."
    ),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        envvar="LSTM_BENCH_STORAGE",
        help="Of a database for Optuna, such as postgresql+psycopg://user@host/optuna. Default: a file.",
    ),
]
AllocatorOption = Annotated[
    allocator.Allocator,
    typer.Option("--allocator", envvar=allocator.CHOICE, help="Whether runs keep their memory from step to step."),
]
TimeoutOption = Annotated[
    float | None, typer.Option("--run-timeout", min=0.1, help="Seconds after which a run counts as hung.")
]
# By field of `pool.place.Place`: what a user writes, and what holds where nobody does.
PLACE: dict[str, tuple[Any, Any]] = {
    "kind": (
        Annotated[
            Literal["local", "ray"], typer.Option("--pool", help="Where runs execute: here, or on a Ray cluster.")
        ],
        "local",
    ),
    "ray_address": (
        Annotated[str, typer.Option(metavar="HOST:PORT", help="Of the cluster's head; auto: of the one here.")],
        "auto",
    ),
    "cpus_per_run": (Annotated[float, typer.Option(min=0.01, help="Cores that a run claims of the cluster.")], 1.0),
    "gpus_per_run": (
        Annotated[float, typer.Option(min=0, help="GPUs likewise, or a share of one.")],
        0.0,
    ),
    "storage_path": (
        Annotated[
            str | None,
            typer.Option(metavar="PATH", help="Where checkpoints of the cluster's runs go: a folder, s3://..., ..."),
        ],
        None,
    ),
}
MarginOption = Annotated[
    list[str] | None,
    typer.Option("--margin", metavar="K=V", help="What does not matter, such as score=0.005 or speed=5%. Repeatable."),
]
AcrossOption = Annotated[bool, typer.Option("--across-machines", help="Compare timings of unlike machines, too.")]


def placed(command: Callable[..., None]) -> Callable[..., None]:
    """The command with the options that say where runs execute, which it takes together, as `where`."""
    own = inspect.signature(command)
    kept = [parameter for name, parameter in own.parameters.items() if name != "where"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind, default=default)
        for name, (kind, default) in PLACE.items()
    ]

    @functools.wraps(command)
    def taking(**options: Any) -> None:
        from lstm_bench.pool.place import Place

        command(where=Place(**{name: options.pop(name) for name in PLACE}), **options)

    taking.__signature__ = own.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]  # what typer reads
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *added]}
    return taking


def settings_of(settings: list[str] | None, seed: int | None) -> "dict[str, Value]":
    """The values of `--set` and `--seed`."""
    from lstm_bench.spec import parse_setting

    parsed = dict(parse_setting(text) for text in settings or [])
    return parsed | ({} if seed is None else {"seed": seed})


def results_of(context: typer.Context) -> "Results":
    """The results folder, with the MLflow server that shows it and the database of its studies, if any."""
    from lstm_bench.record.files import Results

    return Results.at(*context.obj)


def console() -> "Console":
    """Where the answer is printed."""
    from rich.console import Console

    return Console(highlight=False, markup=False)


def show(boards: "list[dict[str, Any]]", results: "Results", console: "Console", *, head: str = "task") -> None:
    """The answers, what they advise, and where the rest is."""
    from lstm_bench.report.overview import answers

    console.print()
    console.print(answers(boards, console.width, head=head))
    for board in boards:
        for line in board.get("advice", ()):
            console.print(f"{board['study']}: {line}", soft_wrap=True)
    where = "" if str(results.root) == "results" else f"--results {results.root} "
    way = results.tracking_uri or ("make ui" if not where else f"lstm-bench {where}ui")
    console.print(f"\nResults: {results.root}/  Browse them: {way}", soft_wrap=True)
    if allocator.added():
        console.print(allocator.SAID, soft_wrap=True)
