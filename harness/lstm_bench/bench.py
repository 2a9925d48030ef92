"""A study or a suite from question to answer: where search, tracking and screen meet."""

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from optuna.distributions import BaseDistribution
from rich.console import Console

from lstm_bench.analysis.board import Board, best_trial, make_board
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import facts, spec_of
from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Job, Pool, Started
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results, StudyFiles, new_run_id
from lstm_bench.report.note import study_note
from lstm_bench.report.screen import Screen
from lstm_bench.report.table import setting
from lstm_bench.result import Reading, RunResult
from lstm_bench.search.loop import TrialJob, confirm, search
from lstm_bench.search.space import DEFAULT, distributions
from lstm_bench.search.study import StudySpec, differences, open_study
from lstm_bench.spec import RunSpec, Value, fingerprint
from lstm_bench.suites import StudyTable
from lstm_bench.task import Goal, Task

if TYPE_CHECKING:
    from lstm_bench.record.mlflow import Tracker

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Question:
    """A study as it is asked, checked: nothing in it can be refused later but its data."""

    spec: StudySpec
    task: Task
    space: dict[str, BaseDistribution]

    @classmethod
    def of(cls, table: StudyTable, settings: Mapping[str, Value]) -> "Question":
        """The question of a file's table, with the settings of `--set` on top.

        Raises:
            UsageError: something in it does not exist or cannot be.
        """
        base, task = spec_of(table.run, settings)
        spec = StudySpec.from_dict(base, table.budget, table.search or DEFAULT, table.confirm)
        return cls(spec, task, distributions(spec.space, base))


def run_study(
    question: Question, *, name: str | None, stem: str, results: Results, workers: int, console: Console
) -> Board:
    """Search, confirm, and write the answer; go on with what a study of the same question has done already.

    Args:
        question: what is asked.
        name: the study's name, where the user gave one: it must be this question's.
        stem: else the name is this, or this with a number, whichever is this question's or free.
        results: where everything is kept.
        workers: runs at once.
        console: where progress is shown.

    Raises:
        BenchError: the data cannot be had, the name is another question's, or no trial was complete.
        KeyboardInterrupt: after the running trials have ended as `killed`.
    """
    spec, goal = question.spec, question.task.goal
    with LocalPool(spec.base, workers) as pool:
        from lstm_bench.record.mlflow import Tracker  # takes 1 s, while the server gets warm

        with console.status(f"{stem}: reading the data"):
            beneath = facts(spec.base, pool.data_digest)
        files = place(results, name, stem, spec, beneath)
        left = runs_left(spec, files, goal)
        if left == 0:
            console.print(f"{files.name}: all trials and confirming runs are done; nothing is run again")
            return make_board(results, files, goal)
        files.begin(spec.to_toml(beneath))
        tracker = Tracker(results, spec.base.task)
        tracker.begin_study(files.name, {"task": spec.base.task, "family": question.task.family})
        with Screen(console, files.name, goal, left) as screen:
            desk = Desk(tracker, screen, goal, files, beneath)
            status = "FAILED"
            try:
                for event in trials_then_confirm(question, pool, results, files):
                    desk.take(event)
                status = "FINISHED"
            except KeyboardInterrupt:
                status = "KILLED"
                raise
            finally:
                board = make_board(results, files, goal)
                files.write_board(board)
                tracker.end_study(status, study_note(board), answer(board))
    if board["best"] is None:
        raise BenchError(f"study {files.name}: no trial was complete; {files.path}/trials.jsonl says how each ended")
    return board


def trials_then_confirm(
    question: Question, pool: Pool, results: Results, files: StudyFiles
) -> Generator[Event, None, None]:
    """All that is still to be run of a study, in order."""
    spec, goal = question.spec, question.task.goal
    study = open_study(results, files, spec, goal)
    yield from search(spec, study, question.space, goal, pool, results, files)
    best = best_trial(files.searched, goal)
    if best:
        yield from confirm(spec, best, goal, pool, results, files)


def runs_left(spec: StudySpec, files: StudyFiles, goal: Goal) -> int:
    """How many runs a study still needs, searching and confirming."""
    searching = max(0, spec.budget.trials - len(files.searched))
    best = best_trial(files.searched, goal)
    had = {line.seed for line in files.confirmed(best.number)} if best and not searching else set()
    return searching + len(set(spec.fresh_seeds) - had)


def place(results: Results, name: str | None, stem: str, spec: StudySpec, beneath: Mapping[str, str]) -> StudyFiles:
    """The study's files: those of the same question, or a name that is free.

    Raises:
        UsageError: the user's name is no name, or is another question's.
    """
    if name is not None and not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: expected letters, digits, '.', '_' and '-', such as --name first")
    for number in count(1):
        files = results.study(name or (stem if number == 1 else f"{stem}-{number}"))
        if not files.exists:
            return files
        differing = differences(files.asked, spec.asked(beneath))
        if not differing:
            return files
        if name:
            raise UsageError(
                f"study '{name}' asked something else ({', '.join(differing)} differ): choose another --name"
            )
    raise AssertionError("count does not end")


@dataclass(slots=True)
class Desk:
    """Passes on what happens in a study: to MLflow, and to the screen."""

    tracker: "Tracker"
    screen: Screen
    goal: Goal
    files: StudyFiles
    beneath: Mapping[str, str]
    _last: dict[str, Reading] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Pass on one event."""
        match event:
            case Started(TrialJob() as job):
                settings = dict(job.settings)
                label = f"trial {job.number}" if job.purpose == "search" else f"confirm seed {job.spec.seed}"
                tags = run_tags(job.spec, self.beneath) | {
                    "study": self.files.name,
                    "purpose": job.purpose,
                    "trial": str(job.number),
                }
                self.tracker.started(job.run_id, job.spec, f"{label}: {setting(settings)}", tags)
                self.screen.started(job.run_id, label, settings, job.spec.train.steps)
            case Heard(job, reading):
                self._last[job.run_id] = reading
                self.tracker.heard(job.run_id, reading)
                self.screen.heard(job.run_id, reading)
            case Ended(TrialJob() as job, result):
                searched = self.files.searched
                best = best_trial(searched, self.goal)
                self.tracker.ended(job.run_id, result, self._last.pop(job.run_id, None))
                self.screen.ended(job.run_id, result, best.score if best else None)
                if job.purpose == "search" and best and best.score is not None:
                    self.tracker.best_so_far(len(searched), {f"best/{self.goal.metric}": best.score})


def run_tags(spec: RunSpec, beneath: Mapping[str, str]) -> dict[str, str]:
    """What a run is found by in MLflow."""
    return {
        "cell": spec.model.cell,
        "seed": str(spec.seed),
        "device": spec.device,
        "fingerprint": fingerprint(spec, beneath),
        "commit": machine().get("commit", "unknown"),
    }


def run_once(spec: RunSpec, *, results: Results, console: Console) -> RunResult:
    """One run, outside of any study; its readings are printed as they come.

    Raises:
        BenchError: the data cannot be had.
        KeyboardInterrupt: after the run has ended as `killed`.
    """
    jobs = [Job(spec, results.run(new_run_id(spec.task)).path)]
    result = RunResult.from_dict({"status": "killed"})
    last: Reading | None = None
    with LocalPool(spec, 1) as pool:
        from lstm_bench.record.mlflow import Tracker

        beneath = facts(spec, pool.data_digest)
        tracker = Tracker(results, spec.task)
        for event in pool.run(lambda: jobs.pop() if jobs else None):
            match event:
                case Started(job):
                    tracker.started(job.run_id, spec, f"run, seed {spec.seed}", run_tags(spec, beneath))
                    console.print(f"run {job.run_id}")
                case Heard(job, reading):
                    last = reading
                    tracker.heard(job.run_id, reading)
                    shown = {k: v for k, v in reading.metrics.items() if k.startswith(("train/", "valid/"))}
                    figures = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
                    console.print(f"step {reading.step}  {figures}  {reading.seconds:.1f} s", soft_wrap=True)
                case Ended(job, result):
                    tracker.ended(job.run_id, result, last)
    return result


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
