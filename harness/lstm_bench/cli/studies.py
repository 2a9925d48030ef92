"""Commands about studies: search, confirm, list."""

from typing import TYPE_CHECKING, Annotated

import typer

from lstm_bench.cli.options import (
    SetOption,
    TimeoutOption,
    WorkersOption,
    console,
    placed,
    results_of,
    settings_of,
    show,
)
from lstm_bench.errors import BenchError, unknown
from lstm_bench.interpreter import begun

if TYPE_CHECKING:
    from rich.console import Console

    from lstm_bench.pool.place import Place
    from lstm_bench.record.files import Results
    from lstm_bench.record.study import StudyFiles
    from lstm_bench.tuning.study import Question

listing = typer.Typer(help="List the studies there are, or show one.", invoke_without_command=True)


@placed
@begun()
def bench(
    context: typer.Context,
    where: "Place",
    suite: Annotated[str, typer.Argument(metavar="[SUITE]", help="A suite's name, or a file of one.")] = "quick",
    workers: WorkersOption = None,
) -> None:
    """Run a suite: search each task, confirm the best setting on fresh seeds, print one table."""
    from lstm_bench import suites
    from lstm_bench.bench import run_study
    from lstm_bench.suites.names import study_name
    from lstm_bench.tuning.vary import questions

    results, screen, at_once = results_of(context), console(), workers or where.workers()
    asked = [
        (study_name(suite, question.base.task, arm), question)
        for table in suites.read_suite(suite)
        for arm, question in questions(table, {}, vary=None, match=None, workers=at_once).items()
    ]
    _know_the_peaks([question for _, question in asked], results, screen)
    boards = [
        run_study(question, name=None, stem=stem, results=results, workers=at_once, console=screen, place=where)
        for stem, question in asked
    ]
    show(boards, results, screen)


def _know_the_peaks(questions: "list[Question]", results: "Results", screen: "Console") -> None:
    """Measure what the machine can, once, before anything is timed: without it `speed/mfu` is absent."""
    from lstm_bench.meter import precisions
    from lstm_bench.pool.apart import ensure_peak

    for device, threads, asked in sorted({(q.base.device, q.base.threads, q.base.train.precision) for q in questions}):
        for precision in precisions(device) if asked == "auto" else [asked]:
            try:
                with screen.status(f"measuring this machine's peak rate, once ({device}, {precision})"):
                    ensure_peak(results.root, device, threads, precision)
            except BenchError as error:
                screen.print(f"without a peak rate there is no speed/mfu: {error}", soft_wrap=True)


@begun()
@placed
def search(
    context: typer.Context,
    where: "Place",
    what: Annotated[str, typer.Argument(metavar="TASK|FILE.toml", help="A task, or a file of one study.")],
    trials: Annotated[int | None, typer.Option(min=1, help="The study's total, over all its starts.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Of searching, over all its starts.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Each setting is judged by its mean over as many.")] = None,
    workers: WorkersOption = None,
    name: Annotated[str | None, typer.Option(help="The study's name; the same name goes on with it.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The search's first seed.")] = None,
    settings: SetOption = None,
    sampler: Annotated[str | None, typer.Option(help="Such as tpe, random, or tpe,n_startup_trials=8.")] = None,
    pruner: Annotated[str | None, typer.Option(help="Such as median, asha, hyperband, none.")] = None,
    objective: Annotated[list[str] | None, typer.Option(help="Be good at several. Repeatable.")] = None,
    enqueue: Annotated[list[str] | None, typer.Option(metavar="K=V,K=V", help="A setting to try first.")] = None,
    top: Annotated[int | None, typer.Option(min=1, help="How many of the best settings are confirmed.")] = None,
    confirm_seeds: Annotated[int | None, typer.Option(min=0, help="Fresh seeds that confirm.")] = None,
    run_timeout: TimeoutOption = None,
    max_failures: Annotated[int | None, typer.Option(min=0, help="More in a row stop the study.")] = None,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same trials, run after run.")] = False,
    vary: Annotated[str | None, typer.Option(metavar="K=A,B", help="A study for each value, then compared.")] = None,
    match: Annotated[
        str | None, typer.Option(metavar="params|flops", help="Fit hidden sizes so that arms are equal.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run settings again that are known.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and what it costs.")] = False,
) -> None:
    """Run one study: search, then confirm the best settings on fresh seeds."""
    from lstm_bench.suites.options import table_of
    from lstm_bench.tuning.study import check_name
    from lstm_bench.tuning.vary import questions

    at_once = workers or where.workers()
    table, stem = table_of(
        what,
        trials=trials,
        minutes=minutes,
        seeds=seeds,
        confirm_seeds=confirm_seeds,
        top=top,
        run_timeout=run_timeout,
        max_failures=max_failures,
        sampler=sampler,
        pruner=pruner,
        objectives=objective,
        enqueue=[_setting(text) for text in enqueue or []],
        deterministic=deterministic,
    )
    asked = questions(table, settings_of(settings, seed), vary=vary, match=match, workers=at_once)
    named = name and check_name(name)
    if dry_run:
        _say_what_would_be_done(context, asked, named, stem, at_once)
    else:
        _pursue(context, asked, named, stem, at_once, where, force=force)


def _say_what_would_be_done(
    context: typer.Context, asked: "dict[str, Question]", name: str | None, stem: str, workers: int
) -> None:
    from lstm_bench.dry import dry_run
    from lstm_bench.suites.names import joined

    screen = console()
    for arm, question in asked.items():
        own_name, own_stem = name and joined(name, arm), joined(stem, arm)
        for line in dry_run(question, name=own_name, stem=own_stem, results=results_of(context), workers=workers):
            screen.print(line, soft_wrap=True)


def _pursue(
    context: typer.Context,
    asked: "dict[str, Question]",
    name: str | None,
    stem: str,
    workers: int,
    where: "Place",
    *,
    force: bool,
) -> None:
    """Run each arm's study, then judge the later ones against the first."""
    from lstm_bench.analysis.sides import Side
    from lstm_bench.bench import run_study
    from lstm_bench.cli.comparing import show_verdicts
    from lstm_bench.suites.names import joined

    results, screen = results_of(context), console()
    boards = {
        arm: run_study(
            question,
            name=name and joined(name, arm),
            stem=joined(stem, arm),
            results=results,
            workers=workers,
            console=screen,
            force=force,
            place=where,
        )
        for arm, question in asked.items()
    }
    show(list(boards.values()), results, screen, head="study" if len(boards) > 1 else "task")
    if len(boards) > 1:
        show_verdicts([Side(board["study"], [board]) for board in boards.values()], screen)


def _setting(text: str) -> "dict[str, object]":
    """`train.lr=0.01,model.hidden=32` as settings by path."""
    from lstm_bench.spec import parse_setting

    return dict(parse_setting(part) for part in text.split(","))


@begun()
@placed
def confirm(
    context: typer.Context,
    where: "Place",
    name: Annotated[str, typer.Argument(metavar="STUDY", help="A study, by name.")],
    top: Annotated[int | None, typer.Option(min=1, help="How many of its best settings.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Fresh seeds in all.")] = None,
    workers: WorkersOption = None,
) -> None:
    """Run a study's best settings again on fresh seeds, paired: what the search saw, and what holds."""
    from lstm_bench.bench import run_study
    from lstm_bench.suites import Budget, study_table
    from lstm_bench.suites.options import given
    from lstm_bench.tuning.study import Question

    results, screen = results_of(context), console()
    asked = _study(results, name).asked
    seeds = seeds or asked["confirm_seeds"] or Budget().confirm_seeds
    table = study_table(asked).updated(budget=given(confirm_top=top, confirm_seeds=seeds), strategy={})
    at_once = workers or where.workers()
    question = Question.of(table, {}, workers=asked.get("workers", at_once))
    board = run_study(
        question,
        name=name,
        stem=name,
        results=results,
        workers=at_once,
        console=screen,
        search=False,
        place=where,
    )
    show([board], results, screen)


@listing.callback()
def studies(context: typer.Context) -> None:
    """List the studies there are, or show one."""
    if context.invoked_subcommand:
        return
    from lstm_bench.report.listing import studies_table

    results, screen = results_of(context), console()
    table = studies_table(results)
    if table.row_count:
        screen.print(table)
    else:
        screen.print(f"no studies in {results.root} yet: `lstm-bench search adding` makes one")


@listing.command("show")
def show_study(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A study, by name.")],
) -> None:
    """Show a study: what was asked, its trials, its answer so far."""
    from lstm_bench.analysis.answer import goal_asked
    from lstm_bench.analysis.board import make_board
    from lstm_bench.analysis.saved import saved_by_pruning
    from lstm_bench.report.listing import asked_lines, saved_line, trials_table

    results, screen = results_of(context), console()
    files = _study(results, name)
    for line in asked_lines(files.asked):
        screen.print(line, soft_wrap=True)
    goal = goal_asked(files.asked)
    screen.print(trials_table(files, goal))
    if saved := saved_by_pruning(results, files.trials, files.asked.get("seeds", 1)):
        screen.print(saved_line(saved), soft_wrap=True)
    show([make_board(results, files, goal)], results, screen, head="study")


def _study(results: "Results", name: str) -> "StudyFiles":
    from lstm_bench.tuning.study import NAME

    files = results.study(name)
    if not NAME.fullmatch(name) or not files.exists:
        raise unknown("study", name, [files.name for files in results.studies()])
    return files
