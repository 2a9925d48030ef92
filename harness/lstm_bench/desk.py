"""Passes on what happens in a study: to MLflow, and to the screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lstm_bench.analysis.board import Board, best_trial
from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Started
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.shipper import Entry, Shipper
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.report.note import study_note
from lstm_bench.report.screen import Screen
from lstm_bench.report.table import setting
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec, fingerprint
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.study import Question


@dataclass(slots=True)
class Desk:
    """Tells MLflow and the screen, in the terms of each.

    Attributes:
        question: the study's.
        ledger: its runs.
        results: where their files lie.
        facts: beneath every run of the study.
    """

    question: Question
    ledger: Ledger
    results: Results
    facts: Mapping[str, str]
    shipper: Shipper
    screen: Screen
    _best: Trial | None = None
    _trials: set[int] = field(default_factory=set)  # open in MLflow, where a trial has several seeds

    def begin(self) -> None:
        """Open the study in MLflow, and send the runs whose end it does not know: an earlier driver was killed."""
        tags = {"task": self.question.base.task, "family": self.question.task.family}
        closed = self.shipper.begin_study(self.ledger.files.name, tags)
        for line in list(self.ledger.lines.values()):
            if line.status and line.status.counts and not self._is_told(line, closed):
                self._open(line, self.question.run_spec(line.settings, line.seed, line.purpose))
                files = self.results.run(line.run)
                for reading in files.readings:
                    self.shipper.heard(self._key(line), reading)
                self._close(line, files.result or RunResult(line.status))
        self._best = best_trial([trial for trial in self.ledger.trials if trial.done], self.question.goal)

    def _is_told(self, line: RunLine, closed: set[str]) -> bool:
        """Whether MLflow knows the end of a run, and of its trial where that is another MLflow run."""
        if self._key(line) not in closed:
            return False
        whole = self._is_grouped(line) and self.ledger.trial(line.number).done
        return not whole or self._trial_key(line.number) in closed

    def _is_grouped(self, line: RunLine) -> bool:
        return line.purpose == "search" and self.question.budget.seeds > 1

    def end(self, status: str, board: Board) -> None:
        """Close the study in MLflow, with its answer."""
        for number in list(self._trials):  # their seeds were not all run
            self._close_trial(number, Status.KILLED)
        self.shipper.end_study(status, study_note(board), answer(board))

    def take(self, event: Event) -> None:
        """Pass on one event."""
        match event:
            case Started(TrialJob() as job):
                self._open(job.begun(), job.spec)
                self.screen.started(self._key(job), self._label(job), job.settings, job.spec.train.steps)
            case Heard(TrialJob() as job, reading):
                self.shipper.heard(self._key(job), reading)
                self.screen.heard(self._key(job), reading)
            case Ended(TrialJob() as job, result):
                self._close(job.begun(), result)
                if job.purpose == "search":
                    self._look_for_the_best(self.ledger.trial(job.number))
                best = self._best.score if self._best else None
                self.screen.ended(self._key(job), result, best, reused=job.run_id if job.reused else None)

    def _look_for_the_best(self, trial: Trial) -> None:
        if not trial.done:
            return
        self._best = best_trial([one for one in (self._best, trial) if one], self.question.goal)
        if self._best and self._best.score is not None:
            self.shipper.best_so_far(self.ledger.done, {f"best/{self.question.goal.metric}": self._best.score})

    def _open(self, line: RunLine, spec: RunSpec) -> None:
        """Open a run in MLflow, and first its trial's where that is another one."""
        grouped = self._is_grouped(line)
        tags = self._tags(line, spec)
        if grouped and line.number not in self._trials:
            values = {path: value for path, value in spec.flat().items() if path != "seed"}
            name = f"trial {line.number}: {setting(line.settings)}"
            self.shipper.started(Entry(self._trial_key(line.number), name, values, {**tags, "kind": "trial"}))
            self._trials.add(line.number)
        if grouped:
            name = f"seed {line.seed}"
        else:
            name = f"trial {line.number}" if line.purpose == "search" else f"confirm seed {line.seed}"
            name += f": {setting(line.settings)}"
        more = {"kind": "run", "run": line.run, "seed": str(line.seed)} | (
            {"reused_from": line.run} if line.reused else {}
        )
        parent = self._trial_key(line.number) if grouped else None
        self.shipper.started(Entry(self._key(line), name, spec.flat(), {**tags, **more}, parent))

    def _close(self, line: RunLine, result: RunResult) -> None:
        self.shipper.ended(self._key(line), result)
        if line.number in self._trials and line.purpose == "search":
            trial = self.ledger.trial(line.number)
            if trial.status or result.status is Status.KILLED:
                self._close_trial(line.number, trial.status or Status.KILLED)

    def _close_trial(self, number: int, status: Status) -> None:
        self._trials.discard(number)
        trial, metric = self.ledger.trial(number), self.question.goal.metric
        figures = {"trial/seeds": float(len(trial.runs))} | ({f"best/{metric}": trial.score} if trial.score else {})
        self.shipper.ended(self._trial_key(number), RunResult(status, figures))

    def _key(self, run: RunLine | TrialJob) -> str:
        """What a run is known by: a known one may happen twice."""
        return "/".join([self.ledger.files.name, *map(str, run.key)])

    def _trial_key(self, number: int) -> str:
        return f"{self.ledger.files.name}/trial/{number}"

    def _tags(self, line: RunLine, spec: RunSpec) -> dict[str, str]:
        place = {"study": self.ledger.files.name, "purpose": line.purpose, "trial": str(line.number)}
        return {**run_tags(spec, self.facts), **place}

    def _label(self, job: TrialJob) -> str:
        if job.purpose == "confirm":
            return f"confirm seed {job.spec.seed}"
        return f"trial {job.number}" + (f" seed {job.spec.seed}" if self.question.budget.seeds > 1 else "")


def run_tags(spec: RunSpec, facts: Mapping[str, str]) -> dict[str, str]:
    """What a run is found by in MLflow."""
    return {
        "task": spec.task,
        "cell": spec.model.cell,
        "device": spec.device,
        "fingerprint": fingerprint(spec, facts),
        "commit": machine().get("commit", "unknown"),
    }


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
