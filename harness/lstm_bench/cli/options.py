"""What several commands take, and where they put it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
WorkersOption = Annotated[int | None, typer.Option("--workers", min=1, help="Runs at once. Default: one a core.")]
ResultsOption = Annotated[
    Path, typer.Option("--results", envvar="LSTM_BENCH_RESULTS", help="Where everything is kept.")
]
TrackingOption = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="LSTM_BENCH_TRACKING_URI", help="Of an MLflow server, such as http://host:5000."
    ),
]
AllocatorOption = Annotated[
    allocator.Allocator,
    typer.Option("--allocator", envvar=allocator.CHOICE, help="Whether runs keep their memory from step to step."),
]
TimeoutOption = Annotated[
    float | None, typer.Option("--run-timeout", min=0.1, help="Seconds after which a run counts as hung.")
]
MarginOption = Annotated[
    list[str] | None,
    typer.Option("--margin", metavar="K=V", help="What does not matter, such as score=0.005 or speed=5%. Repeatable."),
]
AcrossOption = Annotated[bool, typer.Option("--across-machines", help="Compare timings of unlike machines, too.")]


def settings_of(settings: list[str] | None, seed: int | None) -> "dict[str, Value]":
    """The values of `--set` and `--seed`."""
    from lstm_bench.spec import parse_setting

    parsed = dict(parse_setting(text) for text in settings or [])
    return parsed | ({} if seed is None else {"seed": seed})


def results_of(context: typer.Context) -> "Results":
    """The results folder, and the MLflow server that shows it, if any."""
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
