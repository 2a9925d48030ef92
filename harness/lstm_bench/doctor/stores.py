"""Where things are kept: the results folder, its disk, MLflow's store, Optuna's journal."""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

from lstm_bench.doctor.finding import Finding, State, failed
from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results
from lstm_bench.tracking.failure import why
from lstm_bench.tracking.store import connect
from lstm_bench.tuning.journal import open_journal

LEAST = 0.5  # GiB that a study may well take: its store, its artifacts
GIB = 2**30
BLOCK = 4096  # bytes
DEFAULT = "0"  # the experiment that MLflow makes by itself


def folder(results: Results) -> Finding:
    """Whether the results folder, or the one that it is to be made in, can be written to."""
    try:
        place = nearest(results.root)
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(BLOCK))
            file.flush()
            os.fsync(file.fileno())
        begun, runs = len(results.studies()), len(list(results.runs.glob("*/spec.toml")))
    except OSError as error:
        found = f"{results.root} cannot be written to: {error.strerror or error}"
        return Finding(State.FAILED, found, "name another: --results DIR before the command, or LSTM_BENCH_RESULTS")
    if place != results.root:
        return Finding(State.WELL, f"{results.root} is to be made by the first run")
    return Finding(
        State.WELL, f"{results.root}, studies: {begun}, runs: {runs}", figures={"studies": begun, "runs": runs}
    )


def space(results: Results) -> Finding:
    """How much the disk takes."""
    try:
        free = shutil.disk_usage(nearest(results.root)).free / GIB
    except OSError as error:
        return failed(error, "see `results`")
    found, figures = f"{free:,.1f} GiB free", {"free_gib": free}
    if free < LEAST:
        fix = "free some, or have the results on another disk: --results DIR before the command"
        return Finding(State.FAILED, f"{found}, expected {LEAST} at least", fix, figures)
    return Finding(State.WELL, found, figures=figures)


def nearest(path: Path) -> Path:
    """The path, or the innermost folder above it that is there.

    Raises:
        OSError: what is there may not be looked at.
    """
    return next(place for place in (path, *path.absolute().parents) if place.exists())


def mlflow(results: Results) -> Finding:
    """Whether MLflow's store answers, and is this version's."""
    if not results.tracking_uri and not results.mlflow_db.exists():
        return Finding(State.ABSENT, f"no store at {results.mlflow_db}: the first run makes it")
    try:
        client = connect(results)
        known = sum(experiment.experiment_id != DEFAULT for experiment in client.search_experiments())
    except BenchError as error:
        return failed(error, _remade(results))
    except Exception as error:  # noqa: BLE001  # whatever MLflow raises
        if results.tracking_uri:
            fix = "start that server; meanwhile runs are kept in files, and `lstm-bench sync` sends them"
            return Finding(State.FAILED, f"{results.tracking_uri} does not answer: {why(error)}", fix)
        said = why(error).partition(" [SQL")[0]
        return Finding(State.FAILED, f"{results.mlflow_db} cannot be read: {said}", _remade(results))
    told = f"{results.mlflow_uri}, experiments: {known}"
    schema = "" if results.tracking_uri else f", schema {_schema(results.mlflow_db)}"
    return Finding(State.WELL, told + schema, figures={"experiments": known})


def _remade(results: Results) -> str:
    if any(results.runs.glob("*/spec.toml")):
        return f"make it again from the files: lstm-bench --results {results.root} sync --rebuild"
    return f"it shows no run of this folder: mv {results.mlflow_db} {results.mlflow_db}.damaged"


def _schema(store: Path) -> str:
    """The version of a store's tables, as MLflow's migrations call it."""
    with contextlib.closing(sqlite3.connect(store)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def optuna(results: Results) -> Finding:
    """Whether Optuna's journal can be read."""
    if not results.journal.exists():
        return Finding(State.ABSENT, f"no journal at {results.journal}: the first study makes it")
    try:
        known = len(open_journal(results.journal).get_all_studies())
    except BenchError as error:
        away = f"{results.journal}.damaged"
        return failed(error, f"the studies are made again from their files: mv {results.journal} {away}")
    return Finding(State.WELL, f"{results.journal}, studies: {known}", figures={"studies": known})
