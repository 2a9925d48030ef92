"""What MLflow is to show of a results folder, told by its files alone. Knows nothing of MLflow's client."""

import colorsys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstm_bench.analysis.answer import best_trial, goal_asked
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Register
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import Key, Purpose, RunLine, StudyFiles, Trial
from lstm_bench.record.tail import Tail
from lstm_bench.report.table import figure, setting
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec, Value
from lstm_bench.suites import study_table

ASKED = ("seeds", "sampler", "pruner")
MAY_GROW = ("trials", "minutes", "confirm_seeds", "confirm_top")  # which MLflow allows no parameter, but a tag
KEPT = ("spec.toml", "machine.json", "result.json")
NAMED = ("model.cell", "model.hidden", "model.layers", "train.lr")  # what every run's name says


@dataclass(frozen=True, slots=True)
class Shown:
    """A run of MLflow's as the files want it.

    Attributes:
        key: what makes it one MLflow run, whoever sends it and how often: a run's id, or a place in a study.
        name: for people.
        tags: what it is found by.
        params: by the paths that `--set` takes.
        parent: the key of the run that it is shown under, if any.
        begun_ms: when it began, milliseconds since 1970; None where that is not known.
        data: what it learnt from.
    """

    key: str
    name: str
    tags: Mapping[str, str]
    params: Mapping[str, Value]
    parent: str | None = None
    begun_ms: int | None = None
    data: "Data | None" = None


@dataclass(frozen=True, slots=True)
class Data:
    """What a run learnt from: the task with its options, the digest of its data, and where these come from."""

    name: str
    digest: str
    source: str


@dataclass(frozen=True, slots=True)
class Point:
    """Figures of one moment: a reading's, or a study's best so far.

    Attributes:
        step: optimiser steps done; of a study, trials done.
        time_ms: milliseconds since 1970.
        metrics: by name.
    """

    step: int
    time_ms: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class End:
    """How it ended.

    Attributes:
        status: of a run.
        time_ms: when, milliseconds since 1970.
        metrics: its figures.
        tags: what is said of its end.
        files: what is worth keeping beside them.
    """

    status: Status
    time_ms: int
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    files: Sequence[Path] = ()


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
        tags = {"study": self.files.name, "kind": "study", **_spec_tags(base), **_place_tags(self.files.machine)}
        tags["mlflow.runColor"] = colour(study_key(self))
        params = {**_without_seed(base), **self._asked(ASKED)}
        begun = min(self._begun.values(), default=None)
        data = _data(base, self.asked.get("facts", {}), self._of_task("source"))
        own = tags | self.budget | _family_tag(self._of_task("family"))
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
        return Shown(key, name, tags, _without_seed(spec), study_key(self), self._begun[first.key])

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
        data = _data(spec, files.machine.get("facts", {}), self._of_task("source"))
        return Shown(self.key(line), name, tags, spec.flat(), parent, begun, data)

    def _of_task(self, name: str) -> str | None:
        """What its task's class said of itself; an older study did not keep it."""
        return self.asked.get(name) if "family" in self.asked else of_task(self.asked["task"], name)

    def _tags(self, line: RunLine) -> dict[str, str]:
        place = {"study": self.files.name, "purpose": line.purpose, "trial": str(line.number)}
        return {**place, **_family_tag(self._of_task("family"))}

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


def colour(key: str) -> str:
    """A study's own, as `#rrggbb`: MLflow draws all runs that have others under them in one and the same blue."""
    hue = zlib.crc32(key.encode()) / 2**32
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.42, 0.65))


def single_run(files: RunFiles) -> Shown:
    """A run outside of any study."""
    spec = files.spec
    tags = {**run_tags(files, spec), **_family_tag(of_task(spec.task, "family"))}
    begun = files.machine.get("begun_ms")
    name = f"{speaking_name(spec)} seed {spec.seed}"
    data = _data(spec, files.machine.get("facts", {}), of_task(spec.task, "source"))
    return Shown(files.id, name, tags, spec.flat(), begun_ms=begun, data=data)


def run_end(files: RunFiles, status: Status, purpose: Purpose | None = None) -> End:
    """How a run ended, by its own files or, where these do not say, with a status.

    Of a search's runs the files are kept beside the figures only where they say what went wrong: they are many. A
    study's killed run has no figures yet: it goes on, and MLflow would keep these beside its last ones.
    """
    result = files.result or RunResult(status)
    there = [path for name in KEPT if (path := files.path / name).exists()]
    ended = files.ended_ms or max((reading.time_ms for reading in files.readings), default=0)
    kept = there if result.traceback or purpose != "search" else ()
    tags = {"status": result.status.value} | ({"reason": result.reason} if result.reason else {})
    floors = {f"floor/{name}": score for name, score in result.floors.items()}
    figures = {**result.metrics, **floors} if result.status.counts or not purpose else {}
    return End(result.status, ended, figures, tags, kept)


def run_tags(files: RunFiles, spec: RunSpec) -> dict[str, str]:
    """What a run is found by, whether in a study or not."""
    return {"kind": "run", "run": files.id, "seed": str(spec.seed), **setting_tags(files, spec)}


def setting_tags(files: RunFiles, spec: RunSpec) -> dict[str, str]:
    """What all runs of a setting are found by."""
    machine = files.machine
    found = {"fingerprint": machine["fingerprint"]} if "fingerprint" in machine else {}
    return {**_spec_tags(spec), **found, **_place_tags(machine)}


def _spec_tags(spec: RunSpec) -> dict[str, str]:
    return {"task": spec.task, "cell": spec.model.cell, "device": spec.device}


def _place_tags(machine: Mapping[str, Any]) -> dict[str, str]:
    """Where it ran, and by which code and command: MLflow shows the latter two as its own."""
    known = {name: str(machine[name]) for name in ("commit", "host") if name in machine}
    if "commit" in known:
        known["mlflow.source.git.commit"] = known["commit"].rstrip("+")
    if "command" in machine:
        known |= {"mlflow.source.name": machine["command"], "mlflow.source.type": "LOCAL"}
    return known


def _family_tag(family: str | None) -> dict[str, str]:
    return {"family": family} if family else {}


def of_task(task: str, name: str) -> str | None:
    """What a task's class says of itself; None where it is not installed here: the files may be another machine's."""
    from lstm_bench.task import load_task

    with suppress(UsageError):
        return getattr(load_task(task), name, None)
    return None


def _data(spec: RunSpec, facts: Mapping[str, str], source: str | None) -> Data | None:
    if "data" not in facts:
        return None
    options = setting({name: value for name, value in spec.options.items() if value != ""})
    return Data(f"{spec.task}: {options}" if options else spec.task, facts["data"], source or f"task {spec.task}")


def _without_seed(spec: RunSpec) -> dict[str, Value]:
    return {path: value for path, value in spec.flat().items() if path != "seed"}


def _plain(value: Any) -> Value:
    return value if isinstance(value, str | int | float | bool) else str(value)


def speaking_name(spec: RunSpec, settings: Mapping[str, Any] | None = None) -> str:
    """A run's name as a person would call it: `lstm h64 lr 3.1e-3`, then whatever else the search chose."""
    return " ".join(_name_parts(spec, settings or {}))


def _name_parts(spec: RunSpec, settings: Mapping[str, Any]) -> Iterator[str]:
    yield spec.model.cell.rpartition(":")[2]
    yield f"h{spec.model.hidden}" + (f"x{spec.model.layers}" if spec.model.layers > 1 else "")
    yield f"lr {short(spec.train.lr)}"
    others = {path: value for path, value in settings.items() if path not in NAMED}
    if others:
        yield setting({path: short(v) if isinstance(v, float) else v for path, v in others.items()}, " ")


def short(value: float) -> str:
    """A number to two digits that matter: 0.0031 as 3.1e-3, 0.25 as 0.25."""
    if value and not 0.01 <= abs(value) < 10**4:
        mantissa, _, exponent = f"{value:.1e}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    return figure(float(f"{value:.2g}"))
