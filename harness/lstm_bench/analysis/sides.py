"""What is compared as one, by the name a user gives it, and which studies of two such sides meet."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_bench.analysis.answer import Board, goal_asked, goal_of
from lstm_bench.analysis.board import make_board
from lstm_bench.analysis.margins import DEFAULTS, Margin
from lstm_bench.analysis.measures import Kind
from lstm_bench.analysis.versus import Versus, versus
from lstm_bench.errors import UsageError, unknown
from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles
from lstm_bench.suites import read_toml, suite_names
from lstm_bench.suites.names import studies_of

OTHERS = "; or a suite's file, a results folder, a study's folder, or a reference's JSON"


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared as one: a study, or the studies of a suite, a results folder or a reference.

    Attributes:
        name: as it was asked for.
        boards: of its studies, at least one.
    """

    name: str
    boards: Sequence[Board]


@dataclass(frozen=True, slots=True)
class Judged:
    """A study of a later side, judged against its counterpart of the first.

    Attributes:
        first: the side that is judged.
        against: the one that it is judged against.
        boards: of the two studies.
        versus: the verdicts.
    """

    first: str
    against: str
    boards: tuple[Board, Board]
    versus: Versus


def side_of(name: str, results: Results) -> Side:
    """The side that a user names: a study, a suite or its file, a folder of results or of one study, a reference.

    Raises:
        UsageError: nothing is called so, or there is no study in it.
    """
    path, known = Path(name), {files.name: files for files in results.studies()}
    if name in known:
        return Side(name, [board_of(results, known[name])])
    if path.suffix == ".json":
        return Side(name, read_reference(path))
    if path.suffix == ".toml" or name in suite_names():
        return Side(name, _suite(name, results, known))
    if path.is_dir():
        return Side(name, _folder(path))
    raise unknown("study", name, [*known, *suite_names()], hint=OTHERS)


def sides_of(names: Sequence[str], results: Results) -> list[Side]:
    """The sides that a user names; of one suite alone that varies something, its arms.

    Raises:
        UsageError: see `side_of`; or there is one alone.
    """
    arms = _arms(names[0]) if len(names) == 1 else {}
    if len(names) < 2 and len(arms) < 2:
        raise UsageError(
            f"only {' '.join(names) or 'nothing'} to compare: expected two studies or more, or suites, or a suite that "
            "varies something; `lstm-bench studies` lists them"
        )
    sides = [side_of(name, results) for name in names]
    if not arms:
        return sides
    boards = {board["study"]: board for board in sides[0].boards}
    found = {arm: [boards[study] for study in studies if study in boards] for arm, studies in arms.items()}
    return [Side(arm, own) for arm, own in found.items() if own]


def _arms(name: str) -> dict[str, list[str]]:
    is_suite = Path(name).suffix == ".toml" or name in suite_names()
    return studies_of(name) if is_suite else {}


def board_of(results: Results, files: StudyFiles) -> Board:
    """A study's answer, made anew from its files: one written by an earlier version says less.

    Where the runs' files are gone, the answer as it was written.

    Raises:
        UsageError: its question cannot be read.
    """
    if "task" not in read_toml(files.path / "study.toml"):
        raise UsageError(f"{files.path / 'study.toml'}: no task in it: expected what a study was asked; copy it again")
    written = files.board
    made = make_board(results, files, goal_of(written) if written else goal_asked(files.asked))
    return written if written and written["confirmed"] and not made["confirmed"] else made


def read_reference(path: Path) -> list[Board]:
    """The boards of a committed reference.

    Raises:
        UsageError: it cannot be read, or holds no boards.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    boards: list[Board] = found.get("boards", []) if isinstance(found, dict) else []
    if not boards:
        raise UsageError(f"{path} holds no boards: expected a reference, such as `make reference` writes")
    return boards


def _suite(name: str, results: Results, known: Mapping[str, StudyFiles]) -> list[Board]:
    studies = dict.fromkeys(study for names in studies_of(name).values() for study in names)
    found = [board_of(results, known[study]) for study in studies if study in known]
    if not found:
        raise UsageError(f"no study of suite {name} in {results.root}: `lstm-bench bench {name}` makes them")
    return found


def _folder(path: Path) -> list[Board]:
    if (path / "study.toml").exists():
        return [board_of(Results(path.resolve().parent.parent), StudyFiles(path.resolve()))]
    results = Results(path)
    found = [board_of(results, files) for files in results.studies()]
    if not found:
        raise UsageError(f"{path}: no studies in it: expected a results folder, or a folder of its studies/")
    return found


def pairs_of(side: Side, first: Side) -> list[tuple[Board, Board]]:
    """Each study of a side with its counterpart of the first one, where that is the only one, and so the other way.

    Two single studies always meet: whether they can be compared is said of them.
    """
    if len(side.boards) == len(first.boards) == 1:
        return [(side.boards[0], first.boards[0])]
    found = []
    for board in side.boards:
        like = _counterparts(board, first.boards)
        back = _counterparts(like[0], side.boards) if len(like) == 1 else []
        if len(back) == 1 and back[0] is board:
            found.append((board, like[0]))
    return found


def _counterparts(board: Board, others: Sequence[Board]) -> list[Board]:
    """Those of the same task; of several those with the same options, and of several of these its namesake."""
    found = [other for other in others if other["task"] == board["task"]]
    keys: tuple[Callable[[Board], Any], ...] = (lambda one: one.get("options", {}), lambda one: one["study"])
    for key in keys:
        found = [other for other in found if key(other) == key(board)] or found
    return found


def alone(side: Side, other: Side) -> list[str]:
    """The studies of a side that have no counterpart on another."""
    met = [id(board) for board, _ in pairs_of(side, other)]
    return [board["study"] for board in side.boards if id(board) not in met]


def judged(
    sides: Sequence[Side], margins: Mapping[Kind, Margin] = DEFAULTS, *, across_machines: bool = False
) -> list[Judged]:
    """Each later side against the first one, study by study.

    Args:
        sides: at least two.
        margins: of equivalence, by kind of measure.
        across_machines: whether timings of unlike machines are compared too.
    """
    first, *others = sides
    pairs = [(side.name, pair) for side in others for pair in pairs_of(side, first)]
    found = versus([pair for _, pair in pairs], margins, across_machines=across_machines)
    return [Judged(name, first.name, pair, one) for (name, pair), one in zip(pairs, found, strict=True)]
