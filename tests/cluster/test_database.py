"""Optuna's studies in a real PostgreSQL."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from postgres import Postgres
from shell import call, start

from lstm_bench.errors import BenchError, RecordError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.tuning.database import database, number_of, open_database

pytestmark = pytest.mark.cluster
STUDY = ["search", "toy:Toy", "--name", "s", "--trials", "6", "--workers", "2", "--deterministic",
         "--confirm-seeds", "1", "--set", "train.eval_every=5"]  # fmt: skip


def trials(results: Results, name: str) -> list[tuple[Any, ...]]:
    return [(t.number, dict(t.settings), t.status, t.objective) for t in results.study(name).trials]


def test_a_study_is_the_same_in_the_database_and_in_the_journal(tmp_path: Path, postgres: Postgres) -> None:
    for name, before in {"file": [], "database": ["--storage", postgres.address]}.items():
        (tmp_path / name).mkdir()
        done = call(tmp_path / name, *before, *STUDY)
        assert done.returncode == 0, done.stderr
    found = {name: trials(Results(tmp_path / name / "results"), "s") for name in ("file", "database")}
    assert found["file"] == found["database"]
    assert not Results(tmp_path / "database" / "results").journal.exists()
    kept = optuna.load_study(study_name="s", storage=open_database(postgres.address)).trials
    assert [trial.number for trial in kept] == list(range(6))
    assert all(trial.state.is_finished() for trial in kept)


def test_one_driver_to_a_study_and_a_dead_ones_is_taken_over(tmp_path: Path, postgres: Postgres) -> None:
    more = ["--storage", postgres.address, *STUDY, "--set", "options.fault=slow", "--set", "options.at=0"]
    asked = ["t" if word == "s" else word for word in more]
    first = start(tmp_path, *asked)
    results = Results(tmp_path / "results")
    while not any(line.status for line in results.study("t").lines):
        assert first.poll() is None, first.communicate()
        time.sleep(0.1)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    second = call(elsewhere, *asked)
    assert second.returncode == UsageError.exit_code
    assert f"study 't' is being worked at by lstm-bench, process {first.pid} on " in second.stderr
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = call(elsewhere, "--results", str(results.root), *asked)
    assert done.returncode == 0, done.stderr
    kept = optuna.load_study(study_name="t", storage=open_database(postgres.address)).trials
    assert [trial.number for trial in kept] == list(range(6))
    assert {trial.state for trial in kept} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert [(t.number, t.objective) for t in results.study("t").trials if t.objective is not None] == [
        (trial.number, trial.value) for trial in kept if trial.state is TrialState.COMPLETE
    ]
    without = call(elsewhere, *asked)  # its files are elsewhere
    assert without.returncode == UsageError.exit_code
    assert "has trials in the database whose files are not in results" in without.stderr


def test_a_connection_that_is_made_anew_holds_the_lock_anew(postgres: Postgres) -> None:
    with database(postgres.address, "u") as storage:
        assert storage is not None
        postgres.stop()
        with pytest.raises(RecordError, match="the database of --storage cannot be written"):
            storage.get_all_studies()
        postgres.start()
        storage.get_all_studies()
        script = "import sys; from lstm_bench.tuning.database import database; database(*sys.argv[1:]).__enter__()"
        second = subprocess.run(
            [sys.executable, "-c", script, postgres.address, "u"], capture_output=True, text=True, check=False
        )
        assert "study 'u' is being worked at by" in second.stderr
    with database(postgres.address, "u"):
        pass


def test_two_studies_may_be_worked_at_together(postgres: Postgres) -> None:
    with database(postgres.address, "v"), database(postgres.address, "w"):
        assert number_of("study/v") != number_of("study/w")


def test_no_database_at_an_address_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    address = f"postgresql+psycopg://nobody@/optuna?host={tmp_path}"
    with pytest.raises(BenchError, match="the database cannot be used"), database(address, "s"):
        pass
