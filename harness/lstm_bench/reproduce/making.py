"""A row's study, run or gone on with, and what it says."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.analysis.censored import Time
from lstm_bench.analysis.replication import Column, Replication, keep, kept
from lstm_bench.bench import run_study
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import facts
from lstm_bench.record.disk import write_whole
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import StudyFiles
from lstm_bench.report.replications import as_csv
from lstm_bench.reproduce.rows import QUICK, Row, Table
from lstm_bench.result import RunResult, Status
from lstm_bench.task import Task, told
from lstm_bench.tuning.study import FRESH_SEEDS_FROM, Question, differences

FAILED = (Status.CRASHED, Status.OUT_OF_MEMORY, Status.TIMED_OUT)  # no trial; one that diverges is, and fails
REACHED, TESTED, SECONDS, WEIGHTS = "target/sequences", "test/wrong", "cost/train_seconds", "model/parameters"
ORIGIN = ("cpu", "cores", "system", "python", "commit", "diff", "command")  # of a run's machine
COMPUTES = ("lstm-bench", "torch", "numba", "numpy")  # whose versions a table says


@dataclass(frozen=True, slots=True)
class Job:
    """One row in one column, to be made.

    Attributes:
        table: whose row.
        row: which.
        column: which.
        question: its study's, or that of the row whose runs it is read from.
        task: its own, whose criterion counts.
    """

    table: Table
    row: Row
    column: Column
    question: Question
    task: Task

    @property
    def name(self) -> str:
        """Its study's, where nothing of the same name asked something else."""
        return f"{self.table.name}-{self.table.source(self.row).id}-{self.column}"

    def ended(self, run: RunFiles, result: RunResult) -> Mapping[str, float]:
        """What a trial ended with; where its run went on after it, what was known there, and it was not tested."""
        if not self.row.within:
            return result.metrics
        readings = [reading for reading in run.readings if reading.sequences <= self.row.cap]
        met = next((reading for reading in readings if _holds(reading.metrics, self.task)), None)
        reached = {REACHED: met.sequences} if met else {}
        ended = met or (readings[-1] if readings else None)  # one that diverges at once has none
        return {SECONDS: ended.seconds if ended else 0.0, WEIGHTS: result.metrics[WEIGHTS], **reached}

    def made(self, results: Results, *, workers: int, console: Console) -> Replication:
        """Its answer, run where it is not there yet, and written beside the table's other rows.

        Raises:
            BenchError: a trial could not be run to its end, or the study's own.
            KeyboardInterrupt: what is done is kept.
        """
        board = self._known(results) or run_study(
            self.question, name=None, stem=self.name, results=results, workers=workers, console=console
        )
        found = replication(self, board, results)
        _add(found, self.table, results)
        return found

    def _known(self, results: Results) -> Board | None:
        """The board of a study of this folder that answered this question already, with as many trials."""
        for one in kept(results, self.table.name):
            files = results.study(one.study)
            if (one.row, one.column) == (self.row.id, self.column) and len(one.times) >= self._trials and files.exists:
                asked = files.asked
                now = self.question.asked(facts(self.question.base, asked["facts"]["data"]))
                return None if differences(asked, now) else files.board
        return None

    @property
    def _trials(self) -> int:
        return self.question.budget.confirm_seeds


def jobs(table: Table, rows: Sequence[Row], columns: Sequence[Column], *, quick: bool) -> list[Job]:
    """What is to be made, in order; all of it is checked before anything runs.

    Args:
        table: whose rows.
        rows: some of them.
        columns: the first one is made whole before the next.
        quick: few trials each.

    Raises:
        UsageError: a row asks for what cannot be, a column has none of the rows, or an extra is not installed.
    """
    asked = [(row, column) for column in columns for row in rows if column == "faithful" or row.modern is not None]
    if not asked:
        raise UsageError(f"none of these rows has the column {' or '.join(columns)}: expected --column faithful")
    trials = QUICK if quick else None
    return [_job(table, row, column, trials) for row, column in asked]


def _job(table: Table, row: Row, column: Column, trials: int | None) -> Job:
    question = Question.of(table.study(table.source(row), column, trials), {})
    own = Question.of(table.study(row, column, trials), {}) if row.within else question
    return Job(table, row, column, question, own.task)


def replication(job: Job, board: Board, results: Results) -> Replication:
    """What the confirming runs of a study say.

    Raises:
        BenchError: not all of them came to an end that says something.
    """
    row, found = job.row, chosen(board)
    assert found is not None  # else the study has raised
    files = results.study(board["study"])
    runs = _trials_of(files, found["trial"], results)
    ended = [job.ended(run, result) for run, result in runs]
    tested = [metrics for metrics in ended if REACHED in metrics and TESTED in metrics]
    each: int = told(job.task, "eval_sequences", 1)
    return Replication(
        row=row.id,
        label=row.label,
        column=job.column,
        control=row.control,
        paper=row.paper,
        paper_trials=row.trials,
        study=files.name,
        settings=found["settings"],
        times=[Time(metrics.get(REACHED, row.cap), hit=REACHED in metrics) for metrics in ended],
        wrong=sum(round(metrics[TESTED] * each) for metrics in tested),
        tested=each * len(tested),
        error=_mean(tested, "test/error"),
        mse=_mean(tested, "test/mse"),
        train_seconds=[metrics[SECONDS] for metrics in ended],
        weights=int(ended[0][WEIGHTS]),
        machine=_origin(runs[0][0].machine),
        instead=row.instead,
        tried=job.table.tried(row),
    )


def _add(found: Replication, table: Table, results: Results) -> None:
    """Write a row beside the table's other ones, in their order."""
    there = {(one.row, one.column): one for one in [*kept(results, table.name), found]}
    rows = table.in_order(there.values())
    keep(results, table.name, rows)
    write_whole(results.reference(table.name).with_suffix(".csv"), as_csv(rows))


def _trials_of(files: StudyFiles, number: int, results: Results) -> list[tuple[RunFiles, RunResult]]:
    """The confirming runs that were asked for, and how each ended.

    Raises:
        BenchError: one of them failed, or is lacking.
    """
    asked = files.asked["confirm_seeds"]
    lines = [line for line in files.confirmed(number) if line.seed < FRESH_SEEDS_FROM + asked]
    runs = [(run, run.result) for run in (results.run(line.run) for line in lines)]
    found = [(run, result) for run, result in runs if result and result.status not in FAILED]
    if len(found) < asked:
        raise BenchError(
            f"study {files.name}: {asked - len(found)} of {asked} trials failed; {files.path}/trials.jsonl says how"
        )
    return found


def _origin(machine: Mapping[str, Any]) -> dict[str, Any]:
    """What a table says of where a run was made: no host, no process."""
    versions = {name: version for name, version in machine["versions"].items() if name in COMPUTES}
    return {name: machine[name] for name in ORIGIN if name in machine} | {"versions": versions}


def _holds(metrics: Mapping[str, float], task: Task) -> bool:
    """Whether a reading meets a task's criterion: see `learners.judged.Criterion`."""
    bounds: Any = told(task, "criterion", None)
    wrong = round(metrics["valid/wrong"] * told(task, "eval_sequences", 1))
    return bool(wrong < bounds.allowed and metrics["valid/error"] < bounds.mean)


def _mean(tested: Sequence[Mapping[str, float]], name: str) -> float | None:
    values = [metrics[name] for metrics in tested if name in metrics]
    return statistics.fmean(values) if values else None
