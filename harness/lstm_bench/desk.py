"""Passes on what happens in a study to the screen."""

from dataclasses import dataclass

from lstm_bench.analysis.answer import best_trial
from lstm_bench.pool import Ended, Event, Heard, Started
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import Trial
from lstm_bench.report.screen import Screen
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.study import Question


@dataclass(slots=True)
class Desk:
    """Tells the screen, in its terms.

    Attributes:
        question: the study's.
        ledger: its runs.
    """

    question: Question
    ledger: Ledger
    screen: Screen
    _best: Trial | None = None

    def __post_init__(self) -> None:
        self._best = best_trial([trial for trial in self.ledger.trials if trial.done], self.question.goal)

    def take(self, event: Event) -> None:
        """Pass on one event."""
        match event:
            case Started(TrialJob() as job):
                self.screen.started(self._key(job), self._label(job), job.settings, job.spec.train.steps)
            case Heard(TrialJob() as job, reading):
                self.screen.heard(self._key(job), reading)
            case Ended(TrialJob() as job, result):
                if job.purpose == "search" and (trial := self.ledger.trial(job.number)).done:
                    self._best = best_trial([one for one in (self._best, trial) if one], self.question.goal)
                best = self._best.score if self._best else None
                self.screen.ended(self._key(job), result, best, reused=job.run_id if job.reused else None)

    def _key(self, job: TrialJob) -> str:
        """What a run is known by: a known one may happen twice."""
        return "/".join(map(str, job.key))

    def _label(self, job: TrialJob) -> str:
        if job.purpose == "confirm":
            return f"confirm seed {job.spec.seed}"
        return f"trial {job.number}" + (f" seed {job.spec.seed}" if self.question.budget.seeds > 1 else "")
