"""A baseline's boards, and the studies that are to be held against them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstm_bench.analysis.answer import Board, goal_asked
from lstm_bench.analysis.board import make_board
from lstm_bench.analysis.measures import UNTIL
from lstm_bench.errors import UsageError, unknown
from lstm_bench.record.files import Results

NEEDS = {"study", "task", "goal", "confirmed"}  # of a board


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON file with a table in it.

    Raises:
        UsageError: there is none, or something else.
    """
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: expected a JSON file: {error}") from None
    if not isinstance(found, dict):
        raise UsageError(f"{path}: expected a table, found a {type(found).__name__}")
    return found


def boards_in(path: Path, found: Mapping[str, Any]) -> list[Board]:
    """The boards of a committed reference, or the one of a study.

    Raises:
        UsageError: there are none.
    """
    boards = found.get("boards", [found])
    if not boards or not all(isinstance(board, dict) and board.keys() >= NEEDS for board in boards):
        raise UsageError(
            f"{path}: expected a reference such as results/reference/quick.json, a study's board.json, "
            "or what pytest-benchmark wrote"
        )
    return [_with_figures(board) if board["confirmed"] else board for board in boards]


def is_old(board: Board) -> bool:
    """Whether a board was written before boards kept each run's figures."""
    return "speed/sequences_per_second" not in board["confirmed"]["figures"]


def _with_figures(board: Board) -> Board:
    """An older board gets the figures by run that it has all the same: weights, and times where none was missed."""
    found = board["confirmed"]
    if "figures" in found:
        return board
    figures = {"model/parameters": [found["parameters"]] * len(found["seeds"])}
    for name, until in UNTIL.items():
        times = found.get(name.replace("/", "_"), [None])
        if None not in times:  # where a missed one ended nobody knows
            figures |= {name: times, until: times}
    return board | {"confirmed": found | {"figures": figures}}


def paired_with(
    baseline: Sequence[Board], results: Results, names: Sequence[str] = ()
) -> tuple[list[tuple[Board, Board]], list[str]]:
    """The present study of each board of a baseline, with that board, and the boards that have none, by name.

    A study's partner is the one of its name, else the only one of its task.

    Args:
        baseline: its boards.
        results: where the present studies are.
        names: those alone, each of which must have its board; none: whatever the baseline has.

    Raises:
        UsageError: a name that is no study, one without a board, or several that could be meant.
    """
    tasks = {files.name: files.asked["task"] for files in results.studies()}
    known = {board["study"]: board for board in baseline}
    partners: list[tuple[str, str | None]]
    if names:
        partners = [(_meant(name, tasks, known), name) for name in names]
    else:
        partners = [(study, _partner(study, board["task"], tasks)) for study, board in known.items()]
    pairs = [(_present(results, name), known[study]) for study, name in partners if name]
    return pairs, [study for study, name in partners if not name]


def _meant(name: str, tasks: Mapping[str, str], known: Mapping[str, Board]) -> str:
    """Which study of the baseline is the one of a present name."""
    if name not in tasks:
        raise unknown("study", name, tasks)
    found = _partner(name, tasks[name], {study: board["task"] for study, board in known.items()})
    if found is None:
        raise UsageError(f"{name} is of task {tasks[name]}: expected one that the baseline has: {', '.join(known)}")
    return found


def _partner(name: str, task: str, known: Mapping[str, str]) -> str | None:
    """Which of some names, given with their tasks, is meant."""
    if name in known:
        return name
    found = [other for other, of in known.items() if of == task]
    if len(found) > 1:
        raise UsageError(
            f"{name}: none is called so, and {', '.join(found)} are all of its task {task}: name one of them"
        )
    return found[0] if found else None


def _present(results: Results, name: str) -> Board:
    files = results.study(name)
    return make_board(results, files, goal_asked(files.asked))
