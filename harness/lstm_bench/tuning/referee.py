"""Which settings are lost: in the middle of a run, by the pruner, and between two seeds, by a t test."""

from collections.abc import Iterable, Sequence

from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import Reading
from lstm_bench.tuning.asker import optuna_state
from lstm_bench.tuning.curve import Curve, Point
from lstm_bench.tuning.judge import Judge, Rivals
from lstm_bench.tuning.study import Question


class Referee:
    """Follows a study's trials and judges them by each other.

    In a deterministic study each is judged by what it may know: the trials up to W before it (W workers).

    Args:
        question: the study's.
        name: the study's.
        results: where its runs' files lie.
    """

    def __init__(self, question: Question, name: str, results: Results) -> None:
        self._question, self._results = question, results
        self._judge = Judge(
            name,
            maximize=question.goal.search_maximizes,
            make_pruner=question.make_pruner,
            lanes=question.workers or 1,
        )
        self._curves: dict[int, Curve] = {}  # of the trials that go on
        self._rivals: dict[int, Rivals] = {}  # what these may know of the others
        self._after = [Rivals(question.goal.search_maximizes)]  # what there was to know after each trial that was told

    def begin(self, number: int, done: Iterable[RunLine] = ()) -> None:
        """A trial begins, or goes on after some of its seeds."""
        workers = self._question.workers
        self._judge.begin(number)
        self._curves[number] = Curve(self._question.span)
        self._rivals[number] = self._after[-1 if workers is None else max(0, number - workers + 1)]
        for line in done:
            for reading in self._results.run(line.run).readings:
                if point := self.point(number, line.seed, reading):
                    self.has_lost(number, point)  # what it was told then; the pruner has to hear it

    def point(self, number: int, seed: int, reading: Reading) -> Point | None:
        """A reading's point on its trial's curve; None where its score is no number."""
        return self._curves[number].take(self._question, seed, reading)

    def has_lost(self, number: int, point: Point) -> bool:
        """Whether the pruner has seen enough of a trial."""
        return self._judge.heard(number, *point, since=self._curves[number].start_of(point[0]))

    def is_beaten(self, number: int, objectives: Sequence[float]) -> bool:
        """Whether a setting is clearly lost after some of its seeds, by their objectives."""
        return self._rivals[number].beat(objectives, self._question.budget.seeds)

    def put_back(self, number: int) -> None:
        """A trial was killed."""
        del self._curves[number], self._rivals[number]

    def end(self, trial: Trial) -> None:
        """A trial has ended."""
        self.put_back(trial.number)
        self._judge.end(trial.number, optuna_state(trial), trial.objective)

    def learn(self, trial: Trial) -> None:
        """Let the trials to come know of one that was told."""
        found = [line.objective for line in trial.runs if line.objective is not None]
        complete = trial.objective is not None and len(found) > 1
        self._after.append(self._after[-1].joined_by(found) if complete else self._after[-1])

    def recall(self, trial: Trial) -> None:
        """Go again through a trial of an earlier start."""
        self.begin(trial.number, trial.runs)
        self.end(trial)
