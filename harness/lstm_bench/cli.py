"""The command line. Nothing heavy is imported before a command needs it: `--help` answers at once."""

import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lstm_bench.errors import BenchError, UsageError, unknown

if TYPE_CHECKING:
    from rich.console import Console

    from lstm_bench.record.files import Results
    from lstm_bench.spec import Value

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which LSTM setting learns this kind of sequence best, how sure are we, and what did it cost?",
)
INTERRUPTED = 130
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


@app.callback()
def root(context: typer.Context, results: ResultsOption = Path("results")) -> None:
    """Options before the command."""
    context.obj = results


@app.command()
def bench(
    context: typer.Context,
    suite: Annotated[str, typer.Argument(metavar="[SUITE]", help="A suite's name, or a file of one.")] = "quick",
    workers: WorkersOption = None,
) -> None:
    """Run a suite: search each task, confirm the best setting on fresh seeds, print one table."""
    from lstm_bench import suites
    from lstm_bench.bench import Question, run_study
    from lstm_bench.record.files import file_name

    results, console = _place(context), _console()
    questions = [Question.of(table, {}) for table in suites.read_suite(suite)]
    boards = []
    for question in questions:
        stem = f"{Path(suite).stem}-{file_name(question.spec.base.task)}"
        boards.append(
            run_study(question, name=None, stem=stem, results=results, workers=workers or _cores(), console=console)
        )
    _show(boards, results, console)


@app.command()
def search(
    context: typer.Context,
    what: Annotated[str, typer.Argument(metavar="TASK|FILE.toml", help="A task, or a file of one study.")],
    trials: Annotated[int | None, typer.Option(min=1, help="The study's total, over all its starts.")] = None,
    workers: WorkersOption = None,
    name: Annotated[str | None, typer.Option(help="The study's name; the same name goes on with it.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The search's seed.")] = None,
    settings: SetOption = None,
) -> None:
    """Run one study: search, then confirm the best setting on fresh seeds."""
    from dataclasses import replace

    from lstm_bench import suites
    from lstm_bench.bench import Question, run_study
    from lstm_bench.record.files import file_name

    results, console = _place(context), _console()
    path = Path(what)
    table = suites.read_study(path) if path.suffix == ".toml" else suites.StudyTable({"task": what})
    if trials is not None:
        table = replace(table, budget={**table.budget, "trials": trials})
    question = Question.of(table, _settings(settings, seed))
    stem = path.stem if path.suffix == ".toml" else file_name(what)
    board = run_study(question, name=name, stem=stem, results=results, workers=workers or _cores(), console=console)
    _show([board], results, console)


@app.command()
def run(
    context: typer.Context,
    task: TaskArgument,
    settings: SetOption = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of weights and data.")] = None,
) -> None:
    """Train one model once."""
    from lstm_bench.bench import run_once
    from lstm_bench.execute import spec_of

    results, console = _place(context), _console()
    spec, _ = spec_of({"task": task}, _settings(settings, seed))
    result = run_once(spec, results=results, console=console)
    shown = {k: v for k, v in result.metrics.items() if k.startswith(("best/", "target/", "speed/", "memory/"))}
    console.print(f"{result.status.value}" + (f": {result.reason}" if result.reason else ""))
    for key, value in shown.items():
        console.print(f"  {key} {value:,.4g}", highlight=False)
    if not result.status.complete:
        raise typer.Exit(BenchError.exit_code)


@app.command()
def compare(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="A B", help="Studies, by name.")],
) -> None:
    """Set studies side by side."""
    from lstm_bench.report.table import tables

    if len(names) < 2:
        raise UsageError(f"compare {names[0]}: expected two studies or more; `lstm-bench studies` lists them")
    results, console = _place(context), _console()
    boards = [_board(results, name) for name in names]
    console.print(tables(boards, console.width, head="study"))
    from lstm_bench.record.mlflow import compare_path

    path = compare_path(results, {board["study"]: board["task"] for board in boards})
    console.print(f"\nIn MLflow, while `make ui` runs: http://127.0.0.1:{PORT}{path}", soft_wrap=True)


@app.command()
def studies(context: typer.Context) -> None:
    """List the studies there are."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from lstm_bench.report.table import score, setting, span

    results, console = _place(context), _console()
    table = Table("study", "task", "trials", "best, valid", "confirmed, test", "setting", box=box.SIMPLE_HEAD)
    for files in results.studies():
        asked, board = files.asked, files.board
        row = [files.name, asked["task"], f"{len(files.searched)}/{asked['trials']}", "", "", ""]
        if board and board["best"]:
            row[3], row[5] = score(board, board["best"]["score"]), setting(board["best"]["settings"])
        if board and board["confirmed"]:
            found = board["confirmed"]["score"]
            row[4] = f"{score(board, found['mean'])} {span(found)}"
        table.add_row(*(Text(cell) for cell in row))
    if table.row_count:
        console.print(table)
    else:
        console.print(f"no studies in {results.root} yet: `lstm-bench search adding` makes one")


@app.command()
def tasks() -> None:
    """List the tasks and where they come from."""
    from lstm_bench import plugins

    for name, point in plugins.installed(plugins.TASKS).items():
        package = f"{point.dist.name} {point.dist.version}" if point.dist else "?"
        typer.echo(f"{name:20} {package:20} {point.value}")


@app.command()
def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = PORT,
) -> None:
    """Serve the MLflow UI over the results, on this machine alone."""
    from lstm_bench.record.server import serve

    raise typer.Exit(serve(_place(context), port))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; whatever goes wrong is one line and an exit code."""
    sys.path.append(str(Path.cwd()))  # last: a user's own module:attr is found, and shadows nothing
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _run(arguments: list[str]) -> int:
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="lstm-bench", standalone_mode=False)
    except BenchError as error:
        return _complain(str(error), error.exit_code)
    except Exception as error:
        if not hasattr(error, "format_message"):  # not the command line's own
            raise
        return _complain(_misuse(error, arguments), UsageError.exit_code)
    if code == INTERRUPTED:  # what the command line makes of a KeyboardInterrupt
        return _complain("interrupted; what is done is kept, and the same command goes on with it", code)
    return code if isinstance(code, int) else 0


def _misuse(error: Any, arguments: list[str]) -> str:
    """What the command line's parser found wrong, in one line, with the nearest right name and what is allowed."""
    message = " ".join(error.format_message().split())
    wrong = getattr(error, "option_name", None)
    if wrong:
        options = [option for parameter in error.ctx.command.params for option in parameter.opts]
        return str(unknown("option", wrong, [option for option in options if option.startswith("--")]))
    if message.startswith("No such command"):
        return str(unknown("command", message.split("'")[1], error.ctx.command.commands))
    option, _, expected = message.removeprefix("Invalid value for ").partition(": ")
    found = _given(option.strip("'"), arguments)
    if found is None:
        return message
    return f"{option} = '{found}': expected {expected.removeprefix('Input should be ').partition(', unable')[0]}"


def _given(option: str, arguments: list[str]) -> str | None:
    """What the user wrote after an option."""
    for argument, after in pairwise([*arguments, ""]):
        if argument == option:
            return after
        if argument.startswith(f"{option}="):
            return argument.partition("=")[2]
    return None


def _complain(message: str, code: int) -> int:
    print(f"lstm-bench: {message}", file=sys.stderr)
    return code


def _settings(settings: list[str] | None, seed: int | None) -> "dict[str, Value]":
    from lstm_bench.spec import parse_setting

    parsed = dict(parse_setting(text) for text in settings or [])
    return parsed | ({} if seed is None else {"seed": seed})


def _place(context: typer.Context) -> "Results":
    from lstm_bench.record.files import Results

    return Results(context.obj)


def _console() -> "Console":
    from rich.console import Console

    return Console(highlight=False, markup=False)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _board(results: "Results", name: str) -> "dict[str, Any]":
    board = results.study(name).board
    if board is None:
        raise unknown("study", name, [files.name for files in results.studies() if files.board])
    return board


def _show(boards: "list[dict[str, Any]]", results: "Results", console: "Console") -> None:
    """The answer, and where the rest of it is."""
    from lstm_bench.report.table import tables

    console.print()
    console.print(tables(boards, console.width))
    where = "" if str(results.root) == "results" else f"--results {results.root} "
    way = "make ui" if not where else f"lstm-bench {where}ui"
    console.print(f"\nResults: {results.root}/  Browse them: {way}", soft_wrap=True)
