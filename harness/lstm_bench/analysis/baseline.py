"""A baseline's boards, and the studies that are to be held against them."""

from collections.abc import Mapping, Sequence

from lstm_bench.analysis.answer import Board
from lstm_bench.analysis.sides import board_of
from lstm_bench.errors import UsageError, unknown
from lstm_bench.record.files import Results


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
    pairs = [(board_of(results, results.study(name)), known[study]) for study, name in partners if name]
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
