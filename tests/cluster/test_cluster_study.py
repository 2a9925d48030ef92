"""Studies on a Ray cluster, by the command: exactly the trials that were asked for, whatever dies."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from shell import call, start

from lstm_bench.record.files import Results
from lstm_bench.result import Status

pytestmark = pytest.mark.cluster
TRIALS = 6
DETERMINISTIC = ["search", "toy:Toy", "--name", "s", "--trials", str(TRIALS), "--workers", "2", "--deterministic",
                 "--confirm-seeds", "1", "--set", "train.steps=60", "--set", "train.eval_every=5",
                 "--set", "options.fault=slow", "--set", "options.at=0"]  # fmt: skip


def on(cluster: Any) -> list[str]:
    return ["--pool", "ray", "--ray-address", cluster.address]


def found(results: Results) -> list[tuple[Any, ...]]:
    return [
        (t.number, dict(t.settings), t.status, t.objective, [(run.seed, run.status, run.score) for run in t.runs])
        for t in results.study("s").trials
    ]


def test_a_machine_dies_and_the_study_is_as_on_one_that_nothing_befell(
    tmp_path: Path, cluster: Any, postgres: Postgres
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    assert call(here, *DETERMINISTIC).returncode == 0
    cluster.add_node(num_cpus=1)
    doomed = cluster.add_node(num_cpus=1)
    driver = start(there, "--storage", postgres.address, *DETERMINISTIC, *on(cluster))
    results = Results(there / "results")
    while sum(line.status is not None for line in results.study("s").lines) < 2:
        assert driver.poll() is None, driver.communicate()
        time.sleep(0.1)
    cluster.remove_node(doomed, allow_graceful=False)
    cluster.add_node(num_cpus=1)
    _, complaint = driver.communicate(timeout=240)
    assert driver.returncode == 0, complaint
    assert found(results) == found(Results(here / "results"))
    lines = results.study("s").lines
    assert Counter(line.key for line in lines).most_common(1)[0][1] == 1
    assert len({line.run for line in lines}) == len(lines)
    assert {line.status for line in lines} <= {Status.FINISHED, Status.SOLVED, Status.PRUNED}
    for line in lines:
        readings = [reading.step for reading in results.run(line.run).readings]
        assert readings == list(range(5, readings[-1] + 1, 5))  # none lost, none twice


def test_more_workers_than_there_is_room_for_wait_for_machines(tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    study = ["search", "toy:Toy", "--name", "s", "--trials", "3", "--workers", "8", "--confirm-seeds", "1"]
    done = call(tmp_path, *study, *on(cluster))
    assert done.returncode == 0, done.stderr
    assert len(Results(tmp_path / "results").study("s").searched) == 3
