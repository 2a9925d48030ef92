"""A run as MLflow shows it: its name, tags, parameters, points and end, told by its files alone."""

import colorsys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import Purpose
from lstm_bench.report.table import figure, setting
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec, Value

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


def colour(key: str) -> str:
    """A study's own, as `#rrggbb`: MLflow draws all runs that have others under them in one and the same blue."""
    hue = zlib.crc32(key.encode()) / 2**32
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.42, 0.65))


def single_run(files: RunFiles) -> Shown:
    """A run outside of any study."""
    spec, machine = files.spec, files.machine
    said = machine.get("task") or of_task(spec.task)
    tags = {**run_tags(files, spec), **family_tag(said.get("family"))}
    begun = machine.get("begun_ms")
    name = f"{speaking_name(spec)} seed {spec.seed}"
    data = data_of(spec, machine.get("facts", {}), said.get("source"))
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
    tags |= {"at floor": ", ".join(result.at_floor)} if result.at_floor else {}
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
    return {**spec_tags(spec), **found, **place_tags(machine)}


def spec_tags(spec: RunSpec) -> dict[str, str]:
    """What a spec, a study's base too, is found by."""
    return {"task": spec.task, "cell": spec.model.cell, "device": spec.device}


def place_tags(machine: Mapping[str, Any]) -> dict[str, str]:
    """Where it ran, and by which code and command: MLflow shows the latter two as its own."""
    known = {name: str(machine[name]) for name in ("commit", "host", "allocator") if name in machine}
    if "commit" in known:
        known["mlflow.source.git.commit"] = known["commit"].rstrip("+")
    if "command" in machine:
        known |= {"mlflow.source.name": machine["command"], "mlflow.source.type": "LOCAL"}
    return known


def family_tag(family: str | None) -> dict[str, str]:
    """The task's family, where it is known."""
    return {"family": family} if family else {}


def of_task(task: str) -> dict[str, str]:
    """What a task's class says of itself, for files of before they kept it. It imports torch, which takes seconds."""
    from lstm_bench.task import described

    return described(task)


def data_of(spec: RunSpec, facts: Mapping[str, str], source: str | None) -> Data | None:
    """What runs of a spec learn from; None where the facts beneath it are not known."""
    if "data" not in facts:
        return None
    options = setting({name: value for name, value in spec.options.items() if value != ""})
    return Data(f"{spec.task}: {options}" if options else spec.task, facts["data"], source or f"task {spec.task}")


def without_seed(spec: RunSpec) -> dict[str, Value]:
    """The parameters that all seeds of a setting share."""
    return {path: value for path, value in spec.flat().items() if path != "seed"}


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
