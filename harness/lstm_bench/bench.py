"""A study from question to answer: where search, tracking and screen meet."""

import json
from collections.abc import Generator, Mapping

from rich.console import Console

from lstm_bench.analysis.board import Board, make_board, top_trials
from lstm_bench.desk import Desk
from lstm_bench.errors import BenchError
from lstm_bench.execute import facts
from lstm_bench.pool import Event, Pool
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.disk import SCHEMA, as_json
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import StudyFiles, Trial
from lstm_bench.report.note import study_note
from lstm_bench.report.screen import Screen
from lstm_bench.search.confirm import confirm, still_due
from lstm_bench.search.loop import Search
from lstm_bench.search.study import Question, place


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

    Raises:
        BenchError: the data cannot be had, the name is another question's or another driver's, too many trials
            failed, or none was complete.
        KeyboardInterrupt: after the running trials have ended as `killed`.
    """
    with LocalPool(question.base, workers, run_timeout=question.budget.run_timeout) as pool:
        from lstm_bench.record.mlflow import Tracker  # takes 1 s, while the server gets warm

        with console.status(f"{name or stem}: reading the data"):
            beneath = facts(question.base, pool.data_digest)
        files = place(results, name, stem, question.asked(beneath))
        with files.held():
            files.begin(question.to_toml(beneath))
            ledger = Ledger(results, files)
            left = runs_left(question, ledger)
            board = make_board(results, files, question.goal)
            if left == 0 and is_closed(files, board):
                console.print(f"{files.name}: all trials and confirming runs are done; nothing is run again")
                return board
            tracker = Tracker(results, question.base.task)
            with Screen(console, files.name, question.goal, left) as screen:
                desk = Desk(question, ledger, results, beneath, tracker, screen)
                tags = {"task": question.base.task, "family": question.task.family}
                desk.catch_up(tracker.begin_study(files.name, tags))
                board = _pursue(question, beneath, pool, results, ledger, desk, force=force, search=search)
    if board["best"] is None:
        raise BenchError(f"study {files.name}: no trial was complete; {files.path}/trials.jsonl says how each ended")
    return board


def _pursue(
    question: Question,
    beneath: Mapping[str, str],
    pool: Pool,
    results: Results,
    ledger: Ledger,
    desk: Desk,
    *,
    force: bool,
    search: bool,
) -> Board:
    """Do what is left of a study; whatever comes in between, the answer so far is written and MLflow is closed."""
    status = "FAILED"
    try:
        for event in _events(question, beneath, pool, results, ledger, force=force, search=search):
            desk.take(event)
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        desk.close()
        board = make_board(results, ledger.files, question.goal)
        desk.tracker.end_study(status, study_note(board), answer(board))
        ledger.files.write_board(board)  # last: a board that holds all runs says that the study was closed
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
) -> Generator[Event, None, None]:
    """All that is still to be run of a study, in order."""
    if search:
        yield from Search(question, beneath, pool, results, ledger, force=force).events()
    yield from confirm(question, beneath, _top(question, ledger), pool, results, ledger)


def _top(question: Question, ledger: Ledger) -> list[Trial]:
    done = [trial for trial in ledger.trials if trial.done]
    return top_trials(done, question.goal, question.budget.confirm_top)


def runs_left(question: Question, ledger: Ledger) -> int:
    """How many runs a study still needs, searching and confirming; of one that has minutes alone, at least one."""
    trials = question.trials
    searching = 1 if trials == float("inf") else max(0, int(trials) - ledger.done) * question.budget.seeds
    fresh = question.budget.confirm_seeds * question.budget.confirm_top
    return searching + (fresh if searching else len(list(still_due(question, _top(question, ledger), ledger))))


def is_closed(files: StudyFiles, board: Board) -> bool:
    """Whether the last start came to its end: the board on disk is that of all the runs there are."""
    same: bool = files.board == json.loads(as_json({"schema": SCHEMA, **board}))
    return same


def answer(board: Board) -> dict[str, float]:
    """A board's figures as MLflow metrics of the parent run."""
    metric, found = board["goal"]["metric"], board["confirmed"]
    if not found:
        return {}
    ends = {end: found["score"][end] for end in ("mean", "low", "high") if found["score"][end] is not None}
    return {
        **{f"test/{metric}_{end}": value for end, value in ends.items()},
        **{f"floor/{name}": floor["score"] for name, floor in found["floors"].items()},
        "speed/timesteps_per_second": found["timesteps_per_second"],
        **found["memory"],
    }
