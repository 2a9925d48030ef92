"""Who is pruned. Judges quality alone, on the running mean over a setting's seeds, at equal step.

It is a memory of its own beside the journal: Optuna refuses to prune where there are several objectives, and a
deterministic study must judge by what a trial may know, not by what has happened to end.
"""

import copy
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import optuna
from optuna.pruners import BasePruner
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy.special import stdtrit


class Judge:
    """Learns from trials as they end, and says of a running one whether to go on.

    Args:
        name: the study's.
        maximize: whether a larger objective is better.
        make_pruner: makes a pruner; each lane has its own.
        lanes: 1: every trial is judged by all that has ended. W in a deterministic study of W workers: the trial
            numbered k is judged by those up to k - W; it shares a lane with k - W and k + W, which are never at once.
    """

    def __init__(self, name: str, *, maximize: bool, make_pruner: Callable[[], BasePruner], lanes: int = 1) -> None:
        direction = StudyDirection.MAXIMIZE if maximize else StudyDirection.MINIMIZE
        self._lanes = [
            optuna.create_study(study_name=name, direction=direction, pruner=make_pruner()) for _ in range(lanes)
        ]
        self._running: dict[int, optuna.Trial] = {}
        self._verdicts: dict[int, dict[int, bool]] = {}  # of the running ones, by step
        self._ended: dict[int, FrozenTrial] = {}
        self._learnt = [0] * lanes  # numbers below this are in the lane

    def begin(self, number: int) -> None:
        """A trial begins, or is taken up again."""
        if number not in self._running:
            lane = number % len(self._lanes)
            if len(self._lanes) > 1:
                self._learn(lane, number - len(self._lanes))
            self._running[number] = self._lanes[lane].ask()
            self._verdicts[number] = {}

    def _learn(self, lane: int, last: int) -> None:
        """Let a lane know the trials up to the one numbered `last`, in order; its own it knows."""
        for number in range(self._learnt[lane], last + 1):
            if number % len(self._lanes) != lane and number in self._ended:
                self._lanes[lane].add_trial(self._ended[number])
        self._learnt[lane] = max(self._learnt[lane], last + 1)

    def heard(self, number: int, step: int, value: float, since: int = 0) -> bool:
        """Whether a trial should end after a point of its curve; points before `since` are other seeds' and not asked.

        A point that was heard before has the verdict that it had: some pruners judge a step but once.
        """
        verdicts = self._verdicts[number]
        if step not in verdicts:
            trial = self._running[number]
            trial.report(value, step)
            own = copy.copy(trial.storage.get_trial(trial._trial_id))  # noqa: SLF001  # a Trial does not show its own
            own.intermediate_values = {at: v for at, v in own.intermediate_values.items() if since < at}
            verdicts[step] = trial.study.pruner.prune(trial.study, own)
        return verdicts[step]

    def end(self, number: int, state: TrialState, objective: float | None) -> None:
        """A trial has ended, whichever way."""
        trial = self._running.pop(number)
        del self._verdicts[number]
        self._ended[number] = trial.study.tell(trial, objective, state=state)


@dataclass(frozen=True, slots=True)
class Rivals:
    """What is known of how settings differ and how their seeds scatter.

    Attributes:
        best: the best mean over all seeds so far.
        squares: sum over the complete trials of squared deviations of a seed from its setting's mean.
        freedom: degrees of freedom of that sum.
    """

    maximize: bool
    best: float | None = None
    squares: float = 0.0
    freedom: int = 0

    def joined_by(self, objectives: Sequence[float]) -> "Rivals":
        """The same, after a trial that was complete on all its seeds."""
        mean = statistics.mean(objectives)
        best = mean if self.best is None else (max if self.maximize else min)(mean, self.best)
        squares = self.squares + sum((value - mean) ** 2 for value in objectives)
        return Rivals(self.maximize, best, squares, self.freedom + len(objectives) - 1)

    def beat(self, objectives: Sequence[float], seeds: int, confidence: float = 0.99) -> bool:
        """Whether a setting is clearly lost on the seeds that it has had, of `seeds` in all.

        A one-sided t test of its mean against the best setting's: the difference of a mean over n seeds and one
        over K has standard error s sqrt(1/n + 1/K), with s pooled within all complete settings (Student 1908).
        Without two degrees of freedom nothing is clear.
        """
        if self.best is None or self.freedom < 2 or not objectives:
            return False
        behind = self.best - statistics.mean(objectives)  # exact: equals are equal
        behind = behind if self.maximize else -behind
        error = math.sqrt(self.squares / self.freedom * (1 / len(objectives) + 1 / seeds))
        return behind > float(stdtrit(self.freedom, confidence)) * error
