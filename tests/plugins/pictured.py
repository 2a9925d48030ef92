"""What an MLflow store in a file holds, as plain values that can be compared: without ids, and when it was written."""

import contextlib
import gc
import json
import sqlite3
from collections import defaultdict
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lstm_bench.record.files import Results
from lstm_bench.tracking.store import connect

RUN_KEY = "lstm_bench.run_key"
PARENT = "mlflow.parentRunId"
OF_THE_SENDER = {PARENT, "mlflow.user"}


def empty_store(results: Results) -> Path:
    """A store in a folder, to be copied: making one takes a second and more."""
    connect(results)
    with contextlib.closing(sqlite3.connect(results.mlflow_db)) as store:
        store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    gc.collect()
    gc.freeze()  # as the writer does: a collection of all that mlflow has imported takes 0.2 s
    return results.mlflow_db


def picture(store: Path, *, artifacts: bool = True) -> dict[str, Any]:
    """Every experiment by name: its note, its runs by key, and its models.

    Raises:
        AssertionError: a key is there twice.
    """
    with contextlib.closing(sqlite3.connect(store)) as database:
        database.row_factory = sqlite3.Row
        return {
            row["name"]: _experiment(database, row["experiment_id"], artifacts)
            for row in database.execute("SELECT * FROM experiments WHERE name != 'Default'")
        }


def _experiment(database: sqlite3.Connection, experiment: int, artifacts: bool) -> dict[str, Any]:
    note = {row["key"]: row["value"] for row in _rows(database, "experiment_tags", experiment_id=experiment)}
    rows = _rows(database, "runs", experiment_id=experiment, lifecycle_stage="active")
    tags = {row["run_uuid"]: _pairs(database, "tags", row["run_uuid"]) for row in rows}
    keys = [tags[row["run_uuid"]][RUN_KEY] for row in rows]
    assert len(set(keys)) == len(keys), f"twice: {sorted(key for key in keys if keys.count(key) > 1)}"
    runs = {}
    for key, row in zip(keys, rows, strict=True):
        own = tags[row["run_uuid"]]
        runs[key] = {
            "name": row["name"],
            "status": row["status"],
            "begun": row["start_time"],
            "ended": row["end_time"],
            "parent": tags[own[PARENT]][RUN_KEY] if PARENT in own else None,
            "tags": {name: value for name, value in own.items() if name not in OF_THE_SENDER},
            "params": _pairs(database, "params", row["run_uuid"]),
            "history": _history(database, row["run_uuid"]),
            "latest": {
                one["key"]: (one["step"], one["timestamp"], None if one["is_nan"] else one["value"])
                for one in _rows(database, "latest_metrics", run_uuid=row["run_uuid"])
            },
            "data": _data(database, row["run_uuid"]),
            "artifacts": _artifacts(row["artifact_uri"]) if artifacts else {},
        }
    models = [row["name"] for row in _rows(database, "logged_models", experiment_id=experiment)]
    return {"tags": note, "runs": runs, "models": models}


def _rows(database: sqlite3.Connection, table: str, **where: Any) -> list[sqlite3.Row]:
    condition = " AND ".join(f"{name} = ?" for name in where)
    return database.execute(f"SELECT * FROM {table} WHERE {condition}", tuple(where.values())).fetchall()  # noqa: S608


def _pairs(database: sqlite3.Connection, table: str, run: str) -> dict[str, str]:
    return {row["key"]: row["value"] for row in _rows(database, table, run_uuid=run)}


def _history(database: sqlite3.Connection, run: str) -> dict[str, list[tuple[int, int, float | None]]]:
    found = defaultdict(list)
    for row in _rows(database, "metrics", run_uuid=run):
        found[row["key"]].append((row["step"], row["timestamp"], None if row["is_nan"] else row["value"]))
    return {name: sorted(points, key=repr) for name, points in found.items()}


def _data(database: sqlite3.Connection, run: str) -> list[tuple[str, str, str]]:
    found = database.execute(
        "SELECT d.name, d.digest, d.dataset_source FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id "
        "WHERE i.destination_id = ? AND i.destination_type = 'RUN' AND i.source_type = 'DATASET'",
        (run,),
    )
    return sorted((row["name"], row["digest"], json.loads(row["dataset_source"])["source"]) for row in found)


def _artifacts(uri: str) -> dict[str, str]:
    root = Path(unquote(urlsplit(uri).path))
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def twice(history: dict[str, list[tuple[int, int, float | None]]]) -> list[tuple[str, int]]:
    """The metrics that have a step more than once, with that step."""
    return [
        (name, step)
        for name, points in history.items()
        for step in {step for step, _, _ in points}
        if [at for at, _, _ in points].count(step) > 1
    ]


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Where two pictures differ, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted({*one, *other}, key=str)
            for line in differences(one.get(key), other.get(key), f"{where} > {key}")
        ]
    return [] if one == other else [f"{where}: {one!r} != {other!r}"]
