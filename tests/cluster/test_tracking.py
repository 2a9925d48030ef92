"""A study in PostgreSQL, shown by an MLflow server over PostgreSQL: as beside a cluster."""

from pathlib import Path
from typing import Any

import pytest
from agreement import assert_agrees
from mlflow import MlflowClient
from mlflow_server import mlflow_server
from postgres import Postgres
from shell import call

from lstm_bench.record.files import Results

pytestmark = pytest.mark.cluster
TRIALS = 4


def test_a_server_over_postgresql_shows_what_the_files_say(tmp_path: Path, cluster: Any, postgres: Postgres) -> None:
    cluster.add_node(num_cpus=2)
    asked = ["search", "toy:Toy", "--name", "s", "--trials", str(TRIALS), "--confirm-seeds", "2",
             "--pool", "ray", "--ray-address", cluster.address]  # fmt: skip
    results = Results(tmp_path / "results")
    with mlflow_server(tmp_path / "server", postgres.database("mlflow")) as server:
        for _ in range(2):  # the second one has nothing left to do
            done = call(tmp_path, "--storage", postgres.address, "--tracking-uri", server.address, *asked)
            assert done.returncode == 0, done.stderr
            assert_agrees(MlflowClient(server.address), results, "s")
    assert len(results.study("s").searched) == TRIALS
