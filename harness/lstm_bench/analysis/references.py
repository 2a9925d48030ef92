"""Boards that lie in a file of their own: committed references, whatever version wrote them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_bench.analysis.answer import Board
from lstm_bench.analysis.measures import UNTIL
from lstm_bench.errors import UsageError

NEEDS = {"study", "task", "goal", "confirmed"}  # of a board


def read_json(path: Path) -> Mapping[str, Any]:
    """What a JSON file says; nothing where that is no table.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return found if isinstance(found, dict) else {}


def boards_in(path: Path, found: Mapping[str, Any]) -> list[Board]:
    """The boards of a committed reference, or a study's own one, each with as many figures as it has.

    Raises:
        UsageError: there are none.
    """
    boards = found.get("boards", [found])
    if not boards or not all(isinstance(board, dict) and board.keys() >= NEEDS for board in boards):
        raise UsageError(f"{path} holds no boards: expected a reference, such as `make reference` writes")
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
