"""Commands about tasks: which there are, what one is, a new one, and whether one is sound."""

from pathlib import Path
from typing import Annotated

import typer

from lstm_bench.cli.options import SetOption, TaskArgument, console, settings_of

NOT_SOUND = 1  # the exit code of a verdict against

listing = typer.Typer(no_args_is_help=False, rich_markup_mode=None)


@listing.callback(invoke_without_command=True)
def tasks(
    context: typer.Context,
    details: Annotated[
        bool, typer.Option("--details", help="Score, length, measured floors, ceiling, licence.")
    ] = False,
) -> None:
    """List the tasks and where they come from."""
    if context.invoked_subcommand:
        return
    from lstm_bench import plugins

    installed = plugins.installed(plugins.TASKS)
    if not details:
        for name, point in installed.items():
            typer.echo(f"{name:20} {plugins.origin(point):20} {point.value}")
        return
    from rich.progress import track

    from lstm_bench.report.cards import card_of, cards_notes, cards_table

    screen = console()
    shown = track(installed, "measuring floors", console=screen, transient=True)
    cards = [card_of(name) for name in shown]
    screen.print(cards_table(cards))
    for note in cards_notes(cards):
        screen.print(note, soft_wrap=True)


@listing.command()
def show(task: TaskArgument, settings: SetOption = None) -> None:
    """A task's card: options, an example, floors, ceiling, published scores, sources."""
    from rich.padding import Padding
    from rich.text import Text

    from lstm_bench import plugins
    from lstm_bench.report.cards import card_lines, card_of
    from lstm_bench.task import load_task

    load_task(task)
    options = {path.removeprefix("options."): value for path, value in settings_of(settings, None).items()}
    point = plugins.installed(plugins.TASKS).get(task)
    screen = console()
    screen.print(Text(task, style="bold"))
    for label, text in card_lines(card_of(task, options), plugins.origin(point) if point else task).items():
        if label:
            screen.print(Text(label, style="dim"))
        screen.print(Padding(Text(text), (0, 0, 0, 2)))


@listing.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The task's name, such as my-task.")],
    into: Annotated[Path, typer.Option("--into", metavar="DIR", help="Where its folder is made.")] = Path(),
) -> None:
    """Write a plugin package with a working task and its test."""
    from lstm_bench.scaffold import write_plugin

    for path in write_plugin(name, into):
        typer.echo(path)
    folder = into / name
    typer.echo(f"\npip install --editable {folder}\npytest {folder}\nlstm-bench search {name} --trials 8")


@listing.command()
def check(task: TaskArgument) -> None:
    """Run the tests that every task must pass on one, installed or module:attr."""
    from lstm_bench import scaffold

    if not scaffold.check(task):
        raise typer.Exit(NOT_SOUND)
