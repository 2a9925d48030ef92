"""Many boards, one a line: which tasks were learnt, how well, and what it cost. Few stand side by side instead."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from lstm_bench.analysis.answer import Board, goal_of
from lstm_bench.report.table import at_floor, figure, plain, score, tables

MANY = 8  # boards that are listed, a line each
HEADS = ("test, ± 95 %", "best floor", "no better", "2x, 4x as long", "a run")
WIDTH = 110  # that a line wants


def answers(boards: Sequence[Board], width: int, *, head: str = "task") -> RenderableType:
    """Boards side by side, or where they are many a line for each.

    Args:
        boards: at least one.
        width: characters of a line.
        head: which of a board's names it goes by: `task` or `study`.
    """
    return tables(boards, width, head=head) if len(boards) < MANY else overview(boards, head)


def overview(boards: Sequence[Board], head: str) -> Table:
    """A line a board: its test score beside its best floor, on longer sequences, and the seconds of a run."""
    table = plain()
    table.add_column(head, style="bold", no_wrap=True)
    for name in HEADS:
        table.add_column(name, justify="right" if name == "a run" else "left")
    for board in boards:
        table.add_row(Text(board[head]), *map(Text, _cells(board)))
    return table


def _cells(board: Board) -> list[str]:
    found = board["confirmed"]
    if not found:
        return ["not confirmed" if board["best"] else "no complete trial", "", "", "", ""]
    mean, high = found["score"]["mean"], found["score"]["high"]
    half = "" if high is None else f" ± {high - mean:.1g}"
    goal = goal_of(board)
    best, floor = (max if goal.maximize else min)(found["floors"].items(), key=lambda one: one[1]["score"])
    longer = ", ".join(figure(one["mean"]) for one in found.get("longer", {}).values())
    seconds = found["train_seconds"] + found.get("eval_seconds", 0)  # an older board does not know
    return [
        f"{figure(mean)}{half} {score(board, mean).partition(' ')[2]}",
        f"{figure(floor['score'])} {best}",
        at_floor(floor),
        longer,
        f"{seconds:.0f} s",
    ]
