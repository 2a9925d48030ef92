"""The command line. Nothing heavy is imported before a command needs it: `--help` answers at once."""

import re
import sys
import traceback
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import typer

from lstm_bench.allocator import choose
from lstm_bench.cli import cells, comparing, doctor, gating, reporting, reproducing, runs, studies, tasks, tracking
from lstm_bench.cli.options import AllocatorOption, DatabaseOption, ResultsOption, TrackingOption
from lstm_bench.errors import BenchError, UsageError, in_one_line, unknown
from lstm_bench.plugins import look_here

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which LSTM setting learns this kind of sequence best, how sure are we, and what did it cost?",
)
INTERRUPTED = 130

COMMANDS: tuple[Callable[..., None], ...] = (
    *(studies.bench, studies.search, studies.confirm, runs.run, comparing.compare, gating.gate),
    reproducing.reproduce,
    *(reporting.report, runs.repro, cells.cells, doctor.doctor, tracking.sync, tracking.ui),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(studies.listing, name="studies")
app.add_typer(tasks.listing, name="tasks")


@app.callback()
def root(
    context: typer.Context,
    results: ResultsOption = Path("results"),
    tracking_uri: TrackingOption = None,
    storage: DatabaseOption = None,
    allocator: AllocatorOption = "tuned",
) -> None:
    """Options before the command."""
    context.obj = results, tracking_uri, storage
    choose(allocator)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; whatever goes wrong is one line and an exit code."""
    look_here()
    sys.exit(_run(sys.argv[1:] if arguments is None else list(arguments)))


def _run(arguments: list[str]) -> int:
    command: Any = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="lstm-bench", standalone_mode=False)
    except BenchError as error:
        return _complain(str(error), error.exit_code)
    except Exception as error:  # noqa: BLE001  # a fault of ours, or the command line's own
        if not hasattr(error, "format_message"):
            traceback.print_exc()
            return BenchError.exit_code  # Python's own would be that of a verdict against
        return _complain(_misuse(error, arguments), UsageError.exit_code)
    if code == INTERRUPTED:  # what the command line makes of a KeyboardInterrupt
        return _complain("interrupted; what is done is kept, and the same command goes on with it", code)
    return code if isinstance(code, int) else 0


def _misuse(error: Any, arguments: list[str]) -> str:
    """What the command line's parser found wrong, in one line, with the nearest right name and what is allowed."""
    message = in_one_line(error.format_message())
    wrong = getattr(error, "option_name", None)
    if wrong and message.startswith("No such option"):
        options = [option for parameter in error.ctx.command.params for option in parameter.opts]
        return str(unknown("option", wrong, [option for option in options if option.startswith("--")]))
    if message.startswith("No such command"):
        return str(unknown("command", message.split("'")[1], error.ctx.command.commands))
    told = re.fullmatch(r"Invalid value for '?([^' ]+)'?(?: \(env var: [^)]*\))?: (.*)", message)
    found = _given(told[1], arguments) if told else None
    if told is None or found is None:
        return message
    expected = told[2].removeprefix("Input should be ").partition(", unable")[0]
    return f"'{told[1]}' = '{found}': expected {expected.rpartition(' is not one of ')[2].rstrip('.')}"


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
