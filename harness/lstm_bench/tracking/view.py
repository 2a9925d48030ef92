"""A study as MLflow is to show it, told by its files alone. Knows nothing of MLflow's client."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lstm_bench.analysis.answer import best_trial, goal_asked
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Register
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import Key, RunLine, StudyFiles, Trial
from lstm_bench.record.tail import Tail
from lstm_bench.result import Status
from lstm_bench.spec import RunSpec, Value
from lstm_bench.suites import study_table
from lstm_bench.tracking.shown import (
    End,
    Point,
    Shown,
    colour,
    data_of,
    family_tag,
    of_task,
    place_tags,
    run_tags,
    setting_tags,
    speaking_name,
    spec_tags,
    without_seed,
)

ASKED = ("seeds", "sampler", "pruner")
MAY_GROW = ("trials", "minutes", "confirm_seeds", "confirm_top")  # which MLflow allows no parameter, but a tag


@dataclass
class StudyView:
    """A study as MLflow is to show it: itself, its trials where they have several seeds, its runs.

    Attributes:
        results: where its runs' files lie.
        files: its own.
    """

    results: Results
    files: StudyFiles
    register: Register = field(default_factory=Register)
    curve: list[Point] = field(default_factory=list)  # the best score by the number of trials done
    last_ms: int = 0  # when its file last grew
    _begun: dict[Key, int] = field(default_factory=dict)
    _ended: set[int] = field(default_factory=set)
    _best: Trial | None = None

    def __post_init__(self) -> None:
        self.asked = self.files.asked
        self.goal = goal_asked(self.asked)
        self._tail = Tail(self.files.path / "trials.jsonl")

    def look(self) -> None:
        """Take in what its file has got since the last look."""
        for values in self._tail.lines():
            line = RunLine.from_dict(values)
            self._begun.setdefault(line.key, line.time_ms)
            self.register.take(line)
            self.last_ms = max(self.last_ms, line.time_ms)
            ended = line.purpose == "search" and line.trial_status and line.trial_status.counts
            if ended and line.number not in self._ended:
                self._end_trial(self.register.trial(line.number), line.time_ms)

    def _end_trial(self, trial: Trial, time_ms: int) -> None:
        self._ended.add(trial.number)
        self._best = best_trial([one for one in (self._best, trial) if one], self.goal)
        if self._best and self._best.score is not None:
            best = {self.progress: self._best.score}
            self.curve.append(Point(len(self._ended), time_ms, best))

    @property
    def progress(self) -> str:
        """The metric of its curve."""
        return f"best/{self.goal.metric}"

    @property
    def place(self) -> str:
        """What the keys of its runs begin with: a name alone may be another folder's study, too."""
        own = self.asked.get("id")
        return f"{self.files.name}/{own}" if own else self.files.name

    def state(self, ended: str) -> str:
        """What changes when there is more to tell of it."""
        return f"{ended}, {len(self.register.lines)} runs, {self.last_ms}"

    def key(self, line: RunLine) -> str:
        """Of one of its runs; a known one may stand in several studies."""
        return "/".join([self.place, *map(str, line.key)])

    def trial_key(self, number: int) -> str:
        """Of a trial with several seeds."""
        return f"{self.place}/trial/{number}"

    def is_grouped(self, line: RunLine) -> bool:
        """Whether a run stands under its trial: where those have several seeds."""
        return line.purpose == "search" and self.asked.get("seeds", 1) > 1

    def shown(self) -> Shown:
        """The study itself."""
        base = RunSpec.from_dict(study_table(self.asked).run)
        tags = {"study": self.files.name, "kind": "study", **spec_tags(base), **place_tags(self.files.machine)}
        tags["mlflow.runColor"] = colour(study_key(self))
        params = {**without_seed(base), **self._asked(ASKED)}
        begun = min(self._begun.values(), default=None)
        data = data_of(base, self.asked.get("facts", {}), self._of_task("source"))
        own = tags | self.budget | family_tag(self._of_task("family"))
        return Shown(study_key(self), self.files.name, own, params, begun_ms=begun, data=data)

    @property
    def budget(self) -> dict[str, str]:
        """How much it may spend, as tags: a later start may ask for more."""
        return {name: str(value) for name, value in self._asked(MAY_GROW).items()}

    def _asked(self, keys: Sequence[str]) -> dict[str, Value]:
        return {f"study.{key}": _plain(self.asked[key]) for key in keys if key in self.asked}

    def shown_trial(self, trial: Trial, files: RunFiles) -> Shown:
        """A trial with several seeds, shown above their runs; the files are its first run's."""
        first, spec = trial.runs[0], files.spec
        tags = {**self._tags(first), **setting_tags(files, spec), "kind": "trial"}
        name, key = speaking_name(spec, trial.settings), self.trial_key(trial.number)
        return Shown(key, name, tags, without_seed(spec), study_key(self), self._begun[first.key])

    def shown_run(self, line: RunLine, files: RunFiles) -> Shown:
        """One of its runs; its files are there."""
        spec = files.spec
        tags = {**self._tags(line), **run_tags(files, spec)} | ({"reused_from": line.run} if line.reused else {})
        if self.is_grouped(line):
            parent, name = self.trial_key(line.number), f"seed {line.seed}"
        else:
            parent, name = study_key(self), speaking_name(spec, line.settings)
            # The seed first: the UI's column ends after some 17 letters.
            name = name if line.purpose == "search" else f"seed {line.seed} confirms {name}"
        begun = self._begun[line.key]
        if line.reused:  # its readings and its end are of then
            begun = files.machine.get("begun_ms", begun)
        data = data_of(spec, files.machine.get("facts", {}), self._of_task("source"))
        return Shown(self.key(line), name, tags, spec.flat(), parent, begun, data)

    def _of_task(self, name: str) -> str | None:
        """What its task's class said of itself; an older study did not keep it."""
        return self.asked.get(name) if "family" in self.asked else of_task(self.asked["task"]).get(name)

    def _tags(self, line: RunLine) -> dict[str, str]:
        place = {"study": self.files.name, "purpose": line.purpose, "trial": str(line.number)}
        return {**place, **family_tag(self._of_task("family"))}

    def trial_end(self, trial: Trial, status: Status) -> End:
        """How a trial with several seeds ended: the mean over them. A killed one goes on, and has no figures yet."""
        figures = {"trial/seeds": float(len(trial.runs))} if status.counts else {}
        if status.counts and trial.score is not None:
            figures[self.progress] = trial.score
        ended = max(line.time_ms for line in trial.runs)
        return End(status, ended, figures, {"status": status.value})


def study_key(view: StudyView) -> str:
    """The key of a study's own run."""
    return f"study/{view.place}"


def _plain(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool) else str(value)
