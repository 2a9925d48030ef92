"""kill -9 of anything, at any moment, and the same command again: nothing is lost, doubled or left running."""

import json
import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from shell import call, descendants, gone_in_time, start

from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine
from lstm_bench.result import Status

TRIALS = 6
# The random sampler's draws follow from the seed and the trial's number alone: a study that was never killed has the
# same settings, so its readings are the ones to compare with.
STUDY = ["search", "toy:Toy", "--trials", str(TRIALS), "--workers", "2", "--sampler", "random", "--pruner", "none",
         "--confirm-seeds", "2", "--set", "options.fault=slow", "--set", "options.at=0",
         "--set", "train.steps=20", "--set", "train.eval_every=4", "--force"]  # fmt: skip


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int, int], list[float]]:
    """The losses of a study that nobody killed, by purpose, trial and seed."""
    folder = tmp_path_factory.mktemp("unharmed")
    assert call(folder, *STUDY, "--name", "s").returncode == 0
    return losses(Results(folder / "results"))


def losses(results: Results) -> dict[tuple[str, int, int], list[float]]:
    return {
        (line.purpose, line.number, line.seed): [r.metrics["train/loss"] for r in results.run(line.run).readings]
        for line in results.study("s").lines
    }


def test_a_driver_killed_once(tmp_path: Path, unharmed: dict[tuple[str, int, int], list[float]]) -> None:
    survive(tmp_path, random.Random(1), ["driver"])
    examine(Results(tmp_path / "results"), unharmed)


@pytest.mark.slow
def test_the_writer_of_mlflow_killed(tmp_path: Path, unharmed: dict[tuple[str, int, int], list[float]]) -> None:
    survive(tmp_path, random.Random(3), ["writer"])
    examine(Results(tmp_path / "results"), unharmed)


@pytest.mark.slow
def test_a_driver_killed_before_anything_ran(tmp_path: Path, unharmed: dict[tuple[str, int, int], list[float]]) -> None:
    process = start(tmp_path, *STUDY, "--name", "s")
    wait_for(tmp_path / "results" / "studies.journal", process)
    process.kill()
    process.communicate()
    survive(tmp_path, random.Random(2), [])
    examine(Results(tmp_path / "results"), unharmed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_anything_killed_at_random_moments(
    tmp_path: Path, seed: int, unharmed: dict[tuple[str, int, int], list[float]]
) -> None:
    chance = random.Random(seed)
    victims = ["driver", "server", "worker", "driver", "writer", "driver"]
    chance.shuffle(victims)
    survive(tmp_path, chance, victims)
    examine(Results(tmp_path / "results"), unharmed)


DETERMINISTIC = ["search", "toy:Toy", "--trials", "8", "--workers", "2", "--seeds", "2", "--deterministic",
                 "--confirm-seeds", "1", "--set", "options.fault=slow", "--set", "options.at=0",
                 "--set", "train.steps=20", "--set", "train.eval_every=4"]  # fmt: skip


@pytest.mark.slow
def test_a_deterministic_study_is_the_same_whatever_is_killed(tmp_path: Path) -> None:
    """Settings, verdicts of the pruner, values: all of them, on the mean over two seeds."""
    whole, shot = tmp_path / "whole", tmp_path / "shot"
    whole.mkdir()
    shot.mkdir()
    survive(whole, random.Random(0), [], DETERMINISTIC)
    survive(shot, random.Random(7), ["driver", "server", "driver", "writer", "driver"], DETERMINISTIC)
    found = [
        [(t.number, dict(t.settings), t.status, t.objective, [(r.seed, r.status, r.score) for r in t.runs])
         for t in Results(folder / "results").study("s").trials]
        for folder in (whole, shot)
    ]  # fmt: skip
    assert found[0] == found[1]
    assert {status for _, _, status, *_ in found[0]} >= {Status.FINISHED, Status.PRUNED}, "a study that says something"
    for folder in (whole, shot):
        results = Results(folder / "results")
        client = MlflowClient(results.mlflow_uri)
        runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
        kinds = Counter(run.data.tags["kind"] for run in runs)
        assert kinds == {"study": 1, "trial": 8, "run": len(results.study("s").lines)}
        ends = {Status.FINISHED: "FINISHED", Status.PRUNED: "KILLED"}
        trials = {run.data.tags["trial"]: run.info.status for run in runs if run.data.tags["kind"] == "trial"}
        assert trials == {str(t.number): ends[t.status] for t in results.study("s").trials if t.status}


def survive(folder: Path, chance: random.Random, victims: list[str], study: list[str] = STUDY) -> None:
    """Run the study to its end, killing one victim after the other on the way."""
    waiting = list(victims)
    while True:
        process = start(folder, *study, "--name", "s")
        while waiting and process.poll() is None:
            time.sleep(chance.uniform(0.2, 1.5) if work_has_begun(folder) else 0.2)
            if work_has_begun(folder) and kill(process, waiting[0], chance):
                waiting.pop(0)
        _, complaint = process.communicate(timeout=240)
        if process.returncode == 0:
            return
        server_shot = process.returncode == 4 and "before it was ready: it was ended by SIGKILL" in complaint
        assert server_shot or process.returncode == -signal.SIGKILL, complaint


def work_has_begun(folder: Path) -> bool:
    return (folder / "results" / "studies" / "s" / "trials.jsonl").exists()


def kill(driver: "subprocess.Popen[str]", victim: str, chance: random.Random) -> bool:
    """Shoot one of the study's processes, if there is such a one; with the driver everything must end."""
    forked = [pid for pid in descendants(driver.pid) if "lstm_bench.pool.server" in command_of(pid)]
    beneath = {pid: len(descendants(pid)) for pid in forked}
    servers = sorted(forked, key=lambda pid: -beneath[pid])[:2]  # the warm one, and the task's, forked from it
    if victim == "driver":
        family = descendants(driver.pid)
        driver.kill()
        driver.wait()
        assert gone_in_time(family, 3), "orphans"
        return True
    writers = [pid for pid in descendants(driver.pid) if "lstm_bench.tracking.writer" in command_of(pid)]
    workers = [pid for pid in forked if pid not in servers]
    targets = {"server": servers, "worker": workers, "writer": writers}[victim]
    if not targets:
        return False
    with suppress(ProcessLookupError):
        os.kill(chance.choice(sorted(targets)), signal.SIGKILL)
    return True


def command_of(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


def examine(results: Results, unharmed: dict[tuple[str, int, int], list[float]]) -> None:
    """Everything that a study must be at its end, whatever happened on the way."""
    study = results.study("s")
    assert [trial.number for trial in study.searched] == list(range(TRIALS))
    assert len(study.trials) == TRIALS
    lines = study.lines
    assert {path.name for path in results.runs.iterdir()} == {line.run for line in lines}, "one folder a run"
    for line in lines:
        shot = line.status is Status.CRASHED
        assert line.status is Status.FINISHED or (shot and "SIGKILL" in reason_of(results, line))
        found = [reading.metrics["train/loss"] for reading in results.run(line.run).readings]
        expected = unharmed.get((line.purpose, line.number, line.seed))
        if expected:  # which trial is confirmed depends on which was shot
            assert found == expected[: len(found)] if shot else found == expected, line
    assert_optuna_agrees(results)
    assert_mlflow_agrees(results, lines)
    board = study.board
    assert board
    assert sum(board["statuses"].values()) == TRIALS
    assert board["confirmed"]


def reason_of(results: Results, line: RunLine) -> str:
    result = results.run(line.run).result
    return (result.reason if result else None) or ""


def assert_optuna_agrees(results: Results) -> None:
    storage = JournalStorage(JournalFileBackend(str(results.journal)))
    told = optuna.load_study(study_name="s", storage=storage).trials
    names = {Status.FINISHED: "COMPLETE", Status.CRASHED: "FAIL"}
    assert {t.number: t.state.name for t in told} == {
        trial.number: names[trial.status] for trial in results.study("s").trials if trial.status
    }
    assert {t.number: t.params for t in told} == {t.number: dict(t.settings) for t in results.study("s").trials}
    assert {t.number: t.value for t in told} == {t.number: t.objective for t in results.study("s").trials}


def assert_mlflow_agrees(results: Results, lines: list[RunLine]) -> None:
    client = MlflowClient(results.mlflow_uri)
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = client.search_runs(experiments)
    assert Counter(run.info.status for run in runs)["RUNNING"] == 0
    parent, *others = [run for run in runs if "run" not in run.data.tags]
    assert not others
    assert parent.info.status == "FINISHED"
    children = {run.data.tags["run"]: run for run in runs if "run" in run.data.tags}
    assert len(children) == len(runs) - 1, "one MLflow run a run"
    assert set(children) == {line.run for line in lines}
    for line in lines:
        files, run = results.run(line.run), children[line.run]
        assert run.info.status == ("FINISHED" if line.status is Status.FINISHED else "FAILED")
        assert run.data.params == {path: str(value) for path, value in files.spec.flat().items()}
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(m.step, m.value) for m in history] == [(r.step, r.metrics["train/loss"]) for r in files.readings]


@pytest.mark.slow
def test_a_second_driver_says_who_holds_the_study_and_stops(tmp_path: Path) -> None:
    arguments = [*STUDY, "--name", "s", "--set", "train.steps=1000"]
    study = tmp_path / "results" / "studies" / "s"
    first = start(tmp_path, *arguments)
    wait_for(study / "trials.jsonl", first)
    before = (study / "study.toml").read_bytes()
    second = call(tmp_path, *arguments)
    assert second.returncode == 2
    assert f"study 's' is being worked at by process {first.pid} on " in second.stderr
    assert second.stderr.count("\n") == 1
    assert (study / "study.toml").read_bytes() == before
    assert first.poll() is None
    first.kill()
    first.communicate()
    third = start(tmp_path, *arguments)  # what the first one left behind holds nothing
    while json.loads((study / "holder.json").read_text())["pid"] != third.pid:
        assert third.poll() is None
        time.sleep(0.05)
    third.kill()
    third.communicate()
