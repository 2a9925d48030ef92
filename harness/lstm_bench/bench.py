"""A study from question to answer: where search, tracking and screen meet."""

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack

from rich.console import Console

from lstm_bench.analysis.answer import Board, top_trials
from lstm_bench.analysis.board import make_board
from lstm_bench.desk import Desk
from lstm_bench.errors import BenchError, first_error_holds
from lstm_bench.execute import facts
from lstm_bench.meter import machine
from lstm_bench.pool import Event, Pool
from lstm_bench.pool.place import LOCAL, Place
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import Trial
from lstm_bench.report.screen import Screen
from lstm_bench.tracking.shipper import Shipper
from lstm_bench.tuning.confirm import confirm, still_due
from lstm_bench.tuning.database import Storage, database
from lstm_bench.tuning.loop import Search
from lstm_bench.tuning.study import Question, files_of


def run_study(
    question: Question,
    *,
    name: str | None,
    stem: str,
    results: Results,
    workers: int,
    console: Console,
    force: bool = False,
    search: bool = True,
    place: Place = LOCAL,
) -> Board:
    """Search, confirm, and write the answer; go on with what a study of the same question has done already.

    Args:
        question: what is asked.
        name: the study's name, where the user gave one: it must be this question's.
        stem: else the name is this, or this with a number, whichever is this question's or free.
        results: where everything is kept.
        workers: runs at once.
        console: where progress is shown.
        force: run settings again that are known already.
        search: whether trials are run; else what there is is confirmed.
        place: where runs execute.

    Raises:
        BenchError: the data cannot be had, the name is another question's or another driver's, too many trials
            failed, or none was complete.
        KeyboardInterrupt: after the running trials have ended as `killed`.
    """
    with Shipper(results, question.base.task) as shipper, ExitStack() as while_trained:
        pool = while_trained.enter_context(place.pool(question.base, workers, question.budget.run_timeout))
        with console.status(f"{name or stem}: reading the data"):
            beneath = facts(question.base, pool.data_digest)
        files = files_of(results, name, stem, question.asked(beneath))
        with database(results.storage, files.name) as storage, files.held() as orderly:
            files.begin(question.to_toml(beneath), machine())
            ledger = Ledger(results, files)
            left = runs_left(question, ledger)
            if left == 0 and orderly:
                console.print(f"{files.name}: all trials and confirming runs are done; nothing is run again")
                return _board(question, results, ledger)
            shipper.follow("study", files.name)
            with Screen(console, files.name, question.goal, left) as screen:
                events = _events(question, beneath, pool, results, ledger, force=force, search=search, storage=storage)
                board = _pursue(events, Desk(question, ledger, screen), results, shipper, while_trained.close)
    if board["best"] is None:
        raise BenchError(f"study {files.name}: no trial was complete; {files.path}/trials.jsonl says how each ended")
    return board


def _pursue(
    events: Generator[Event, None, None], desk: Desk, results: Results, shipper: Shipper, close_pool: Callable[[], None]
) -> Board:
    """Do what is left of a study; whatever comes in between, the answer so far is written, and told."""
    ended = "failed"
    try:
        for event in events:
            desk.take(event)
            desk.screen.say(shipper.news())
        ended = "finished"
    except KeyboardInterrupt:
        ended = "killed"
        raise
    finally:
        board = _board(desk.question, results, desk.ledger)
        with first_error_holds():
            desk.ledger.files.write_board({**board, "ended": ended})
        close_pool()  # from here on Ctrl-C ends the driver at once
        desk.screen.say(shipper.finish(ended))
    return board


def _events(
    question: Question,
    beneath: Mapping[str, str],
    pool: Pool,
    results: Results,
    ledger: Ledger,
    *,
    force: bool,
    search: bool,
    storage: Storage | None,
) -> Generator[Event, None, None]:
    """All that is still to be run of a study, in order."""
    if search:
        yield from Search(question, beneath, pool, results, ledger, force=force, storage=storage).events()
    yield from confirm(question, beneath, _top(question, ledger), pool, results, ledger)


def _board(question: Question, results: Results, ledger: Ledger) -> Board:
    return make_board(results, ledger.files, question.goal, list(ledger.lines.values()))


def _top(question: Question, ledger: Ledger) -> list[Trial]:
    done = [trial for trial in ledger.trials if trial.done]
    return top_trials(done, question.goal, question.budget.confirm_top)


def runs_left(question: Question, ledger: Ledger) -> int | None:
    """How many runs a study still needs, searching and confirming; None where its minutes alone say."""
    if math.isinf(question.trials):
        return None
    searching = max(0, int(question.trials) - ledger.done) * question.budget.seeds
    fresh = question.budget.confirm_seeds * question.budget.confirm_top
    return searching + (fresh if searching else len(list(still_due(question, _top(question, ledger), ledger))))
