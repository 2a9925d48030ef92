"""A run of a study, and its lines in the study's file."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lstm_bench.pool import Job
from lstm_bench.record.study import Key, Purpose, RunLine
from lstm_bench.result import RunResult, Status
from lstm_bench.tuning import measures
from lstm_bench.tuning.study import Question


@dataclass(frozen=True, slots=True)
class TrialJob(Job):
    """A run of a study.

    Attributes:
        purpose: `search` or `confirm`.
        number: the trial's number in the search.
        settings: the values that the search chose, by path.
        again: whether an earlier start began it.
        reused: whether it is known already: nothing is executed.
    """

    purpose: Purpose = "search"
    number: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    reused: bool = False

    @property
    def key(self) -> Key:
        """Its place in the study."""
        return self.purpose, self.number, self.spec.seed

    def begun(self) -> RunLine:
        """Its line in the study's file while it goes on."""
        return RunLine(
            run=self.run_id,
            purpose=self.purpose,
            number=self.number,
            seed=self.spec.seed,
            settings=self.settings,
            reused=self.reused,
        )

    def ended(self, result: RunResult, question: Question) -> RunLine:
        """Its line once it has ended: with an objective where it was complete and has every figure asked for."""
        goal = question.goal
        score = result.metrics.get(f"best/{goal.metric}")
        sequences = result.metrics.get("target/sequences") if result.status is Status.SOLVED else None
        told = None
        if result.status.complete and score is not None:
            told = measures.told(question.objectives, goal.objective(score, sequences), result, goal)
        return replace(
            self.begun(),
            status=result.status,
            score=score,
            objective=goal.objective(score, sequences) if told and score is not None else None,
            measures=told if told and len(told) > 1 else (),
        )
