"""Optuna's side of a study: proposes settings, and remembers what it was told, in the journal.

The journal follows the study's own files: what they say is told to it again where a kill came in between. A trial
that was killed waits there (WAITING) until it is asked for again, under its own number and with its own settings.
"""

import contextlib
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from lstm_bench.analysis.front import maximizes
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import Trial
from lstm_bench.result import Status
from lstm_bench.tuning.curve import Curve
from lstm_bench.tuning.database import Storage
from lstm_bench.tuning.journal import open_journal
from lstm_bench.tuning.methods import make_sampler
from lstm_bench.tuning.study import Question


class Asker:
    """Asks Optuna for settings and tells it what became of them.

    Args:
        question: the study's.
        results: where the journal is, and the runs are.
        ledger: the study's runs. Where it has none, what the journal knows of such a study is forgotten: its folder
            was deleted, or its first start was killed before a run began.
        storage: what takes the journal's place: a database, see `tuning.database`.

    Raises:
        UsageError: the database has trials of the study whose files are elsewhere.

    Attributes:
        untold: the trials that are done and that Optuna does not know of, by number.
    """

    def __init__(self, question: Question, results: Results, ledger: Ledger, storage: Storage | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._question, self._results = question, results
        self._storage = storage or open_journal(results.journal)
        name = ledger.files.name
        if not ledger.lines:
            with contextlib.suppress(KeyError):  # the usual case: the journal does not know it either
                if storage and _has_finished(name, storage):  # a database is not this folder's alone
                    raise UsageError(
                        f"study '{name}' has trials in the database whose files are not in {results.root}: expected "
                        "the --results that it was begun in, or another --name"
                    )
                optuna.delete_study(study_name=name, storage=self._storage)
        self._study = optuna.create_study(
            storage=self._storage, study_name=name, directions=_directions(question), load_if_exists=True
        )
        self._running: dict[int, optuna.Trial] = {}
        self._reported: dict[int, set[int]] = {}
        self._complete(ledger)
        self.untold: list[int] = []
        self._waiting: list[int] = []
        for trial in self._study.get_trials(deepcopy=False):
            if not trial.state.is_finished():
                self._take_over(trial, done=trial.number in ledger and ledger.trial(trial.number).done)
        self._next = len(self._study.get_trials(deepcopy=False))

    def _complete(self, ledger: Ledger) -> None:
        """Put into the journal's study what it does not have: where it should begin, and the trials of the files."""
        first = self._question.strategy.enqueue  # these are the first trials
        wanted = max(len(first), 1 + max((trial.number for trial in ledger.trials), default=-1))
        for number in range(len(self._study.get_trials(deepcopy=False)), wanted):
            to_come = _to_be_drawn(first[number] if number < len(first) else {})
            self._study.add_trial(self._remembered(ledger.trial(number)) if number in ledger else to_come)

    def _remembered(self, trial: Trial) -> FrozenTrial:
        """A trial as the files know it; one that is not done is to be asked for again."""
        if not trial.done:
            return _to_be_drawn(trial.settings)
        distributions = {path: self._question.space.distributions[path] for path in trial.settings}
        curve = self._curve(trial) if len(self._question.objectives) == 1 else {}
        state, values = optuna_state(trial), self._values(trial)
        if state is TrialState.PRUNED and curve:
            values = [curve[max(curve)]]  # as `tell` has it
        return create_trial(
            state=state,
            values=values,
            params=dict(trial.settings),
            distributions=distributions,
            intermediate_values=curve,
        )

    def _curve(self, trial: Trial) -> dict[int, float]:
        """The points that Optuna was shown of a trial."""
        curve = Curve(self._question.span)
        readings = [(line.seed, reading) for line in trial.runs for reading in self._results.run(line.run).readings]
        points = [curve.take(self._question, seed, reading) for seed, reading in readings]
        return dict(point for point in points if point)

    def _take_over(self, trial: FrozenTrial, *, done: bool) -> None:
        """Nothing runs when a start begins: what the last one left is told, or waits to be asked for again."""
        state = TrialState.RUNNING if done else TrialState.WAITING  # what waits would be asked for
        if trial.state is not state:
            self._storage.set_trial_state_values(trial._trial_id, state)  # noqa: SLF001  # nowhere public
        (self.untold if done else self._waiting).append(trial.number)

    @property
    def next_number(self) -> int:
        """The number of the trial that the next ask gives."""
        return min(self._waiting, default=self._next)

    def ask(self) -> tuple[int, dict[str, Any]]:
        """A trial's number and settings: the first that waits to be taken up, else a new one.

        A new sampler each time, whose seed follows from the study's and the trial's number: what it draws depends
        on these and on what was told, not on how often the study was interrupted.
        """
        number, question = self.next_number, self._question
        self._study.sampler = make_sampler(question.sampler, question.space, seed=question.base.seed, number=number)
        trial = self._study.ask()
        assert trial.number == number, "Optuna gives the first that waits"
        self._draw_again(trial)
        settings = question.space.suggest(trial)
        if number in self._waiting:
            self._waiting.remove(number)
        self._next = max(self._next, number + 1)
        self._running[number] = trial
        self._reported[number] = set(self._storage.get_trial(trial._trial_id).intermediate_values)  # noqa: SLF001
        return number, settings

    def _draw_again(self, trial: optuna.Trial) -> None:
        """Draw what an earlier start drew of a trial before it was killed: the draws that follow are those then."""
        known = self._storage.get_trial(trial._trial_id)  # noqa: SLF001  # nowhere public
        if known.params.keys() >= self._question.space.distributions.keys():
            return  # nothing follows; and to look at `relative_params` draws them
        undrawn = {**known.system_attrs.get("fixed_params", {}), **trial.relative_params}
        for path, distribution in known.distributions.items():
            if path not in undrawn and not distribution.single():
                self._study.sampler.sample_independent(self._study, known, path, distribution)

    def report(self, number: int, step: int, value: float) -> None:
        """Show Optuna a point of a trial's curve, once. It takes none where there are several objectives."""
        if len(self._question.objectives) == 1 and step not in self._reported[number]:
            self._reported[number].add(step)
            self._running[number].report(value, step)

    def tell(self, trial: Trial) -> None:
        """Tell Optuna how a trial ended."""
        self._study.tell(trial.number, self._values(trial), state=optuna_state(trial))
        self._running.pop(trial.number, None)
        self._reported.pop(trial.number, None)

    def _values(self, trial: Trial) -> list[float] | None:
        """A complete trial's objectives in the order in which they were asked for; None of any other trial."""
        return None if trial.objective is None else list(trial.measures or (trial.objective,))

    def put_back(self, number: int) -> None:
        """Let a killed trial wait until it is asked for again."""
        self.set_aside(number)
        self._waiting.append(number)

    def set_aside(self, number: int) -> None:
        """Let a trial wait in the journal: nothing is running when a start has ended."""
        self._running.pop(number, None)
        trial = self._study.get_trials(deepcopy=False)[number]
        if trial.state is TrialState.RUNNING:
            self._storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)  # noqa: SLF001  # nowhere public


def _directions(question: Question) -> list[StudyDirection]:
    better = {True: StudyDirection.MAXIMIZE, False: StudyDirection.MINIMIZE}
    return [better[maximizes(name, question.goal)] for name in question.objectives]


def _has_finished(name: str, storage: Storage) -> bool:
    """Whether a study has trials that came to an end. A KeyError where there is no such study."""
    trials = optuna.load_study(study_name=name, storage=storage).get_trials(deepcopy=False)
    return any(trial.state.is_finished() for trial in trials)


def _to_be_drawn(settings: Any) -> FrozenTrial:
    """A trial that waits to be asked for, with the settings that it must have."""
    return create_trial(state=TrialState.WAITING, system_attrs={"fixed_params": dict(settings)} if settings else {})


def optuna_state(trial: Trial) -> TrialState:
    """What Optuna calls a trial's end: COMPLETE is what has a value."""
    if trial.objective is not None:
        return TrialState.COMPLETE
    return TrialState.PRUNED if trial.status is Status.PRUNED else TrialState.FAIL
