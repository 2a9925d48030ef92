"""One study by the real command: what it may touch, and what is left when it is interrupted."""

import re
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from shell import call, start

from lstm_bench.record.files import Results
from lstm_bench.result import Status


def test_confirm_alone_touches_test_on_seeds_that_the_search_never_had(tmp_path: Path) -> None:
    spy = tmp_path / "asked"
    done = call(tmp_path, "search", "toy:Toy", "--trials", "3", "--name", "spied", "--set", f"options.spy={spy}")
    assert done.returncode == 0, done.stderr
    asked = {tuple(line.split()) for line in spy.read_text().splitlines()}
    seeds = {split: {seed for s, seed in asked if s == split} for split in ("train", "valid", "test")}
    assert seeds["test"] == {"1000", "1001", "1002"}
    assert seeds["train"] == seeds["valid"] == {"0"} | seeds["test"]


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ["search", "toy:Toy", "--trials", "4", "--name", "mine", "--workers", "2",
                 "--set", "options.fault=slow", "--set", "options.at=0", "--set", "train.steps=100"]  # fmt: skip
    process = start(tmp_path, *arguments)
    results = Results(tmp_path / "results")
    while len(results.study("mine").searched) < 2:
        assert process.poll() is None
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.fullmatch(r"lstm-bench: interrupted.*\n", complaint)

    lines = results.study("mine").lines
    killed = [line for line in lines if line.status is Status.KILLED]
    assert killed
    assert all(results.run(line.run).result.status is line.status for line in lines)  # type: ignore[union-attr]
    assert statuses(results) == {line.run: "KILLED" if line in killed else "FINISHED" for line in lines} | {
        "mine": "KILLED"
    }
    assert "RUNNING" not in trial_states(results, "mine")

    again = call(tmp_path, *arguments)
    assert again.returncode == 0, again.stderr
    assert [trial.number for trial in results.study("mine").searched] == [0, 1, 2, 3]
    assert {line.run for line in killed} <= {line.run for line in results.study("mine").lines}  # taken up, not replaced
    assert statuses(results)["mine"] == "FINISHED"
    assert trial_states(results, "mine").count("COMPLETE") == 4


def test_a_study_without_a_complete_trial_says_so(tmp_path: Path) -> None:
    done = call(tmp_path, "search", "toy:Toy", "--trials", "2", "--name", "bad", "--set", 'options.fault="nan"')
    assert done.returncode == 4
    assert done.stderr.count("\n") == 1
    assert "no trial was complete" in done.stderr


@pytest.mark.slow
def test_a_name_of_another_question_is_refused_and_untouched(tmp_path: Path) -> None:
    assert call(tmp_path, "search", "toy:Toy", "--trials", "1", "--name", "mine").returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "results" / "studies").rglob("*") if path.is_file()}
    done = call(tmp_path, "search", "toy:Toy", "--trials", "1", "--name", "mine", "--set", "train.steps=50")
    assert done.returncode == 2
    assert "train.steps differ" in done.stderr
    after = {path: path.read_bytes() for path in (tmp_path / "results" / "studies").rglob("*") if path.is_file()}
    assert after == before


def test_a_run_alone_is_kept_and_tracked_too(tmp_path: Path) -> None:
    done = call(tmp_path, "run", "toy:Toy", "--set", "train.lr=1e-2", "--seed", "7")
    assert done.returncode == 0, done.stderr
    results = Results(tmp_path / "results")
    (path,) = results.runs.iterdir()
    files = results.run(path.name)
    assert files.spec.train.lr == 1e-2
    assert files.spec.seed == 7
    assert statuses(results) == {path.name: "FINISHED"}


@pytest.mark.slow
def test_a_run_alone_whose_driver_was_killed_is_closed_by_the_next_one(tmp_path: Path) -> None:
    endless = ["run", "toy:Toy", "--set", "options.fault=slow", "--set", "options.at=0", "--set", "train.steps=100000"]
    process = start(tmp_path, *endless)
    results = Results(tmp_path / "results")
    while not is_running_in(results.root / "mlflow.db"):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    (killed,) = statuses(results)
    assert statuses(results)[killed] == "RUNNING"
    assert call(tmp_path, "run", "toy:Toy").returncode == 0
    assert statuses(results)[killed] == "KILLED"


def is_running_in(store: Path) -> bool:
    """Whether MLflow has a run that goes on; asked without MLflow, which would make the store if it is not there."""
    if not store.exists():
        return False
    with closing(sqlite3.connect(store)) as database, suppress(sqlite3.OperationalError):
        return database.execute("SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'").fetchone()[0] > 0
    return False


def statuses(results: Results) -> dict[str, str]:
    """MLflow's status of every run by our run id, of every study by its name."""
    client = MlflowClient(results.mlflow_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    return {run.data.tags.get("run", run.data.tags.get("study", "?")): run.info.status for run in runs}


def trial_states(results: Results, name: str) -> list[str]:
    storage = JournalStorage(JournalFileBackend(str(results.journal)))
    return [trial.state.name for trial in optuna.load_study(study_name=name, storage=storage).trials]
