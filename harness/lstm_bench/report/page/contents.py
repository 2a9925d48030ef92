"""What a report tells, as data: read from the files once, before anything is laid out."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lstm_bench.analysis.answer import Board, chosen, goal_of
from lstm_bench.analysis.replication import Replication, kept
from lstm_bench.analysis.sides import board_of
from lstm_bench.analysis.versus import Versus, versus
from lstm_bench.errors import UsageError, unknown
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, StudyFiles
from lstm_bench.report.table import fresh
from lstm_bench.result import RunResult
from lstm_bench.suites import read_toml

TABLE = "hochreiter1997"  # the published one that `lstm-bench reproduce` makes again


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a study: its line, and how it ended by its own file; None while it goes on."""

    line: RunLine
    result: RunResult | None

    def metric(self, name: str) -> float | None:
        """One of its figures, where it has it."""
        return self.result.metrics.get(name) if self.result else None


@dataclass(frozen=True, slots=True)
class Study:
    """A study as its files tell it.

    Attributes:
        files: where they lie.
        asked: what was asked.
        board: its answer as it stands.
        runs: in the order in which they began.
        machine: where it was worked at last.
    """

    files: StudyFiles
    asked: dict[str, Any]
    board: Board
    runs: list[Run]
    machine: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name."""
        return self.files.name

    @property
    def commands(self) -> list[str]:
        """Those that made it, the first one first."""
        return list(self.machine.get("commands", ()))

    @property
    def merit(self) -> float | None:
        """The mean of what the search ranks by over the fresh seeds, on valid, never on test; None: not confirmed."""
        found, winner, goal = self.board["confirmed"], fresh(chosen(self.board)), goal_of(self.board)
        if not found or not winner:
            return None
        ends = zip(winner["valid_scores"], found["target_sequences"], strict=True)
        return statistics.fmean(goal.objective(*end) for end in ends)

    def total(self, metric: str) -> float:
        """The sum of a figure over the runs that were run for this study."""
        return sum(run.metric(metric) or 0.0 for run in self.runs if not run.line.reused)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the studies of one question say together: of the same task, options, goal and data.

    Attributes:
        studies: the best first, then those that are not confirmed.
        verdicts: of each but the best against that one.
    """

    studies: list[Study]
    verdicts: list[Versus] = field(default_factory=list)

    @property
    def best(self) -> Study:
        """The one whose setting wins."""
        return self.studies[0]

    @property
    def task(self) -> str:
        """Of all of them."""
        return str(self.best.board["task"])


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report tells.

    Attributes:
        results: the folder.
        answers: a question each, in the order in which they were asked first.
        replications: rows of the table of 1997 that were kept there; a report on some studies has none.
    """

    results: Results
    answers: list[Answer]
    replications: Sequence[Replication] = ()

    @property
    def studies(self) -> list[Study]:
        """All of them, by question, the best first."""
        return [study for answer in self.answers for study in answer.studies]


def read_report(results: Results, names: Sequence[str] = ()) -> Report:
    """Read what some studies have to tell.

    Args:
        results: where they are.
        names: theirs; none: all that there are.

    Raises:
        UsageError: no such study, no study at all, one whose question cannot be read, or an older one, which does not
            say its goal, of a task that is not installed.
    """
    known = {files.name: files for files in results.studies()}
    if not known:
        raise UsageError(f"no studies in {results.root}: `lstm-bench search adding` makes one")
    for name in names:
        if name not in known:
            raise unknown("study", name, known)
    found = report_of(results, [known[name] for name in dict.fromkeys(names or known)])
    return found if names else replace(found, replications=kept(results, TABLE))


def report_of(results: Results, studies: Iterable[StudyFiles]) -> Report:
    """What these studies have to tell."""
    read = [read_study(results, files) for files in studies]
    return Report(results, [answer_of(group) for group in _by_question(read)])


def read_study(results: Results, files: StudyFiles) -> Study:
    """Read one study. A board of an earlier version, or of a study that goes on, is made anew.

    Raises:
        UsageError: its question cannot be read.
    """
    asked, lines, board = read_toml(files.path / "study.toml"), files.lines, files.board
    if board is None or "facts" not in board or "task" not in asked or files.is_held:
        board = board_of(results, files)
    runs = [Run(line, results.run(line.run).result) for line in lines]
    return Study(files, asked, board, runs, files.machine)


def answer_of(studies: Iterable[Study]) -> Answer:
    """Rank the studies of one question, and judge each against the best."""
    best_first = sorted(studies, key=_place)
    confirmed = [study.board for study in best_first if study.board["confirmed"]]
    return Answer(best_first, versus([(other, confirmed[0]) for other in confirmed[1:]]))


def _place(study: Study) -> tuple[bool, float]:
    merit, sign = study.merit, -1 if goal_of(study.board).search_maximizes else 1
    return merit is None, 0.0 if merit is None else sign * merit


def _by_question(studies: Iterable[Study]) -> list[list[Study]]:
    groups: dict[str, list[Study]] = {}
    for study in studies:
        board = study.board
        question = [board["task"], board["options"], board["goal"], board["facts"].get("data")]
        groups.setdefault(json.dumps(question, sort_keys=True), []).append(study)
    return list(groups.values())
