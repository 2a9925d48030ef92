"""A results folder as pandas frames, from its record files alone: nothing else need be installed or at hand."""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import StudyFiles, trials_of
from lstm_bench.spec import flattened

CORE = {  # the columns that `runs` always begins with
    "run": "str",
    "study": "category",
    "task": "category",
    "purpose": "category",
    "trial": "Int64",
    "seed": "Int64",
    "status": "category",
    "trial_status": "category",
    "reused": "bool",
    "score": "float64",
    "objective": "float64",
}
FACTS = {  # and always ends with
    "host": "str",
    "cpu": "str",
    "cores": "Int64",
    "torch": "str",
    "commit": "str",
    "fingerprint": "str",
}
COUNTS = {"step": "int64", "sequences": "int64", "timesteps": "int64", "seconds": "float64"}  # of a reading


class Frames(NamedTuple):
    """All that a results folder holds.

    Attributes:
        runs: a row for each run of a study, by study and in the order in which they began, then one for each single
            run. A run that several studies have (`reused`) has a row in each. Columns: those of `CORE`, the spec by
            dotted path, the result's metrics by name, `floor/<name>`, and the facts of the machine (`FACTS`).
            What is not known is missing: `study`, `purpose` and `trial` of a single run, `status` of one that goes on.
            `trial_status` is the whole trial's on each of its runs; `score` the run's best valid score.
        readings: a row for each reading, by run, once each: `run`, `step`, `sequences`, `timesteps`, `seconds`, `time`
            (UTC), and the metrics by name.
    """

    runs: pd.DataFrame
    readings: pd.DataFrame


class _Record(NamedTuple):
    """What one run's own files say, as far as they are there."""

    spec: Mapping[str, Any]
    result: Mapping[str, Any]
    facts: Mapping[str, Any]


Row = tuple[dict[str, Any], _Record]  # the values of CORE, and the run's record


def load_results(root: str | Path = "results") -> Frames:
    """Read a results folder, as `runs, readings`.

    It may be a copy from another machine, may still be written to, and may be empty: what is torn or not there yet is
    missing in the frames. Columns stand in a fixed order.

    Args:
        root: the folder; `results/README.md` says what lies in it.

    Raises:
        UsageError: it is no folder.
    """
    results = Results(Path(root))
    if not results.root.is_dir():
        found = "a file" if results.root.exists() else "nothing there"
        raise UsageError(f"results folder '{root}' is {found}: expected a folder that `lstm-bench --results` wrote")
    rows = list(_rows(results))
    return Frames(_runs_frame(rows), _readings_frame(results, sorted({core["run"] for core, _ in rows})))


def _rows(results: Results) -> Iterator[Row]:
    known: dict[str, _Record] = {}
    for study in sorted(results.studies(), key=lambda files: files.name):
        yield from _study_rows(results, study, known)
    for asked in sorted(results.runs.glob("*/spec.toml")):
        files = RunFiles(asked.parent)
        if files.id not in known:
            record = _record(files)
            core = {"run": files.id, "reused": False, "score": _best(record.result.get("metrics", {}))}
            yield _completed(core, record), record


def _study_rows(results: Results, study: StudyFiles, known: dict[str, _Record]) -> Iterator[Row]:
    """The runs of one study; each run's own files are read once for all studies that have it."""
    task = _tables(study.path / "study.toml", tomllib.loads).get("task")
    lines = study.lines
    ended = {trial.number: trial.status and trial.status.value for trial in trials_of(lines)}
    for line in lines:
        if line.run not in known:
            known[line.run] = _record(results.run(line.run))
        record = known[line.run]
        core = {
            "run": line.run,
            "study": study.name,
            "task": task,
            "purpose": line.purpose,
            "trial": line.number,
            "seed": line.seed,
            "status": line.status and line.status.value,
            "trial_status": ended.get(line.number) if line.purpose == "search" else None,
            "reused": line.reused,
            "score": line.score,
            "objective": line.objective,
        }
        yield _completed(core, record), record._replace(spec={**line.settings, **record.spec})


def _completed(core: dict[str, Any], record: _Record) -> dict[str, Any]:
    """What a study does not say of a run, by the run's own files."""
    own = {"task": record.spec.get("task"), "seed": record.spec.get("seed"), "status": record.result.get("status")}
    return core | {name: value for name, value in own.items() if core.get(name) is None}


def _record(files: RunFiles) -> _Record:
    machine = _tables(files.path / "machine.json", json.loads)
    facts = {**machine, "torch": machine.get("versions", {}).get("torch")}
    spec = flattened(_tables(files.path / "spec.toml", tomllib.loads))
    return _Record(spec, _tables(files.path / "result.json", json.loads), facts)


def _tables(path: Path, parse: Callable[[str], Any]) -> dict[str, Any]:
    """A file's values; none where it is not there, or torn."""
    try:
        found = parse(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _best(metrics: Mapping[str, float]) -> float | None:
    """The best valid score, by whatever metric the run's task has."""
    return next((value for name, value in metrics.items() if name.startswith("best/") and name != "best/step"), None)


def _runs_frame(rows: Sequence[Row]) -> pd.DataFrame:
    cores, records = [core for core, _ in rows], [record for _, record in rows]
    specs = [{path: value for path, value in one.spec.items() if path not in CORE} for one in records]
    metrics = [one.result.get("metrics", {}) for one in records]
    floors = [{f"floor/{name}": v for name, v in one.result.get("floors", {}).items()} for one in records]
    columns = {name: _column(cores, name, kind) for name, kind in CORE.items()}
    columns |= {path: _column(specs, path, _kind(specs, path)) for path in _names(specs)}
    columns |= {name: _column(group, name, "float64") for group in (metrics, floors) for name in _names(group)}
    columns |= {name: _column([one.facts for one in records], name, kind) for name, kind in FACTS.items()}
    return pd.DataFrame(columns)


def _readings_frame(results: Results, runs: Sequence[str]) -> pd.DataFrame:
    found = [(run, reading) for run in runs for reading in results.run(run).readings]
    metrics = [reading.metrics for _, reading in found]
    columns: dict[str, pd.Series] = {"run": pd.Series([run for run, _ in found], dtype="str")}
    columns |= {name: pd.Series([getattr(one, name) for _, one in found], dtype=kind) for name, kind in COUNTS.items()}
    times = pd.Series([one.time_ms for _, one in found], dtype="int64")
    columns["time"] = pd.to_datetime(times, unit="ms", utc=True)
    columns |= {name: _column(metrics, name, "float64") for name in _names(metrics)}
    return pd.DataFrame(columns)


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({name for row in rows for name in row})


def _column(rows: Sequence[Mapping[str, Any]], name: str, kind: str) -> pd.Series:
    return pd.Series([row.get(name) for row in rows], dtype=kind)


def _kind(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The narrowest dtype that holds a column's values and gaps."""
    kinds = {type(row[name]) for row in rows if name in row}
    if kinds == {int, float}:
        return "float64"
    return {bool: "boolean", int: "Int64", float: "float64", str: "str"}[kinds.pop()] if len(kinds) == 1 else "object"
