"""Passes on what happens in a study: to MLflow, and to the screen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lstm_bench.analysis.board import best_trial
from lstm_bench.meter import machine
from lstm_bench.pool import Ended, Event, Heard, Started
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.report.screen import Screen
from lstm_bench.report.table import setting
from lstm_bench.result import RunResult, Status
from lstm_bench.search.job import TrialJob
from lstm_bench.search.study import Question
from lstm_bench.spec import RunSpec, fingerprint

if TYPE_CHECKING:
    from lstm_bench.record.mlflow import Tracker


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
    tracker: "Tracker"
    screen: Screen
    _best: Trial | None = None
    _trials: set[int] = field(default_factory=set)  # open in MLflow, where a trial has several seeds

    def catch_up(self, closed: set[str]) -> None:
        """Send MLflow the runs that had ended when an earlier start was killed before it had sent them.

        Args:
            closed: the keys of the runs that MLflow knows the end of.
        """
        for line in list(self.ledger.lines.values()):
            if line.status and line.status.counts and self._key(line) not in closed:
                self._open(line, self._spec_of(line))
                files = self.results.run(line.run)
                for reading in files.readings:
                    self.tracker.heard(self._key(line), reading)
                self._close(line, files.result or RunResult(line.status))
        self._best = best_trial([trial for trial in self.ledger.trials if trial.done], self.question.goal)

    def _spec_of(self, line: RunLine) -> RunSpec:
        more = self.question.confirm if line.purpose == "confirm" else {}
        return self.question.run_spec({**line.settings, **more}, line.seed)

    def take(self, event: Event) -> None:
        """Pass on one event."""
        match event:
            case Started(TrialJob() as job):
                self._open(job.begun(), job.spec)
                self.screen.started(_place(job), self._label(job), job.settings, job.spec.train.steps)
            case Heard(TrialJob() as job, reading):
                self.tracker.heard(self._key(job.begun()), reading)
                self.screen.heard(_place(job), reading)
            case Ended(TrialJob() as job, result):
                self._close(job.begun(), result)
                if job.purpose == "search":
                    self._look_for_the_best(self.ledger.trial(job.number))
                best = self._best.score if self._best else None
                self.screen.ended(_place(job), result, best, reused=job.run_id if job.reused else None)

    def close(self) -> None:
        """Close the trials whose seeds were not all run."""
        for number in list(self._trials):
            self._close_trial(number, Status.KILLED)

    def _look_for_the_best(self, trial: Trial) -> None:
        if not trial.done:
            return
        self._best = best_trial([one for one in (self._best, trial) if one], self.question.goal)
        if self._best and self._best.score is not None:
            self.tracker.best_so_far(self.ledger.done, {f"best/{self.question.goal.metric}": self._best.score})

    def _open(self, line: RunLine, spec: RunSpec) -> None:
        """Open a run in MLflow, and first its trial's where that is another one."""
        from lstm_bench.record.mlflow import Entry

        grouped = line.purpose == "search" and self.question.budget.seeds > 1
        tags = self._tags(line, spec)
        if grouped and line.number not in self._trials:
            values = {path: value for path, value in spec.flat().items() if path != "seed"}
            name = f"trial {line.number}: {setting(line.settings)}"
            self.tracker.started(Entry(self._trial_key(line.number), name, values, {**tags, "kind": "trial"}))
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
        self.tracker.started(Entry(self._key(line), name, spec.flat(), {**tags, **more}, parent))

    def _close(self, line: RunLine, result: RunResult) -> None:
        self.tracker.ended(self._key(line), result)
        if line.number in self._trials and line.purpose == "search":
            trial = self.ledger.trial(line.number)
            if trial.status or result.status is Status.KILLED:
                self._close_trial(line.number, trial.status or Status.KILLED)

    def _close_trial(self, number: int, status: Status) -> None:
        self._trials.discard(number)
        trial, metric = self.ledger.trial(number), self.question.goal.metric
        figures = {"trial/seeds": float(len(trial.runs))} | ({f"best/{metric}": trial.score} if trial.score else {})
        self.tracker.ended(self._trial_key(number), RunResult(status, figures))

    def _key(self, line: RunLine) -> str:
        return f"{self.ledger.files.name}/{line.purpose}/{line.number}/{line.seed}"

    def _trial_key(self, number: int) -> str:
        return f"{self.ledger.files.name}/trial/{number}"

    def _tags(self, line: RunLine, spec: RunSpec) -> dict[str, str]:
        place = {"study": self.ledger.files.name, "purpose": line.purpose, "trial": str(line.number)}
        return {**run_tags(spec, self.facts), **place}

    def _label(self, job: TrialJob) -> str:
        if job.purpose == "confirm":
            return f"confirm seed {job.spec.seed}"
        return f"trial {job.number}" + (f" seed {job.spec.seed}" if self.question.budget.seeds > 1 else "")


def _place(job: TrialJob) -> str:
    """What the screen knows a run by: a known run may happen twice."""
    return f"{job.purpose}/{job.number}/{job.spec.seed}"


def run_tags(spec: RunSpec, facts: Mapping[str, str]) -> dict[str, str]:
    """What a run is found by in MLflow."""
    return {
        "task": spec.task,
        "cell": spec.model.cell,
        "device": spec.device,
        "fingerprint": fingerprint(spec, facts),
        "commit": machine().get("commit", "unknown"),
    }
