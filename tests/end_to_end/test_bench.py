"""The whole house on tiny budgets: the real command, real tasks, a real Optuna journal, a real MLflow store."""

import json
from collections import Counter
from pathlib import Path

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from shell import call

from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles

SUITE = """
[[study]]
task = "digits"
trials = 6
model.hidden = 16
train = { steps = 60, eval_every = 10 }
search."train.lr" = { low = 1e-4, high = 3e-2, log = true }

[[study]]
task = "adding"
trials = 2
options.length = 8
model.hidden = 16
train = { steps = 400, eval_every = 50, lr = 2e-2 }
search."model.forget_bias" = { low = 0.0, high = 2.0 }

[[study]]
task = "asv-chars"
trials = 2
confirm_seeds = 2
model.hidden = 16
model.embedding = 8
train = { steps = 4, eval_every = 2 }
search."train.lr" = [1e-2, 2e-2]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory):
    """One bench of the tiny suite: the folder, and what the command said."""
    folder = tmp_path_factory.mktemp("bench")
    (folder / "tiny.toml").write_text(SUITE)
    return folder, call(folder, "bench", "tiny.toml")


def runs_of(folder: Path, task: str) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    experiment = client.get_experiment_by_name(task)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


def test_bench_ends_well_and_prints_one_table_and_the_way_on(house) -> None:
    _, done = house
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    table = done.stdout[done.stdout.index("\n\n") :]
    for word in ("digits", "adding", "asv-chars", "95 %", "floor", "logistic regression", "n-gram 0-5", "constant",
                 "target", "throughput", "peak memory", "MiB RSS", "6 of 6", "3 fresh seeds", "2 fresh seeds",
                 "make ui"):  # fmt: skip
        assert word in table, word


def test_the_boards_hold_what_the_runs_files_say(house) -> None:
    folder, _ = house
    results = Results(folder / "results")
    for study in results.studies():
        board = study.board
        assert board is not None
        confirming = [results.run(run).result for run in board["confirmed"]["runs"]]
        metric = board["goal"]["metric"]
        assert [result.metrics[f"test/{metric}"] for result in confirming if result] == board["confirmed"]["scores"]
        searching = [line for trial in study.searched for line in trial.runs]
        assert min(board["confirmed"]["seeds"]) > max(line.seed for line in searching)
        for line in searching:
            result = results.run(line.run).result
            assert result is not None
            assert not any(name.startswith("test/") for name in result.metrics)
            assert result.floors == {}


def test_mlflow_has_one_experiment_a_task_one_parent_a_study_one_child_a_run(house) -> None:
    folder, _ = house
    for study in Results(folder / "results").studies():
        runs = runs_of(folder, study.asked["task"])
        (parent,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        children = [run for run in runs if run is not parent]
        assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
        assert {run.data.tags["run"] for run in children} == {line.run for line in study.lines}
        assert parent.info.status == "FINISHED"
        assert "Best setting" in parent.data.tags["mlflow.note.content"]
        client = MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
        curve = client.get_metric_history(parent.info.run_id, f"best/{study.board['goal']['metric']}")
        assert curve[-1].step == len(study.searched)


def test_a_childs_parameters_metrics_and_status_are_the_files(house) -> None:
    folder, _ = house
    results = Results(folder / "results")
    client = MlflowClient(f"sqlite:///{folder}/results/mlflow.db")
    truth = {"finished": "FINISHED", "solved": "FINISHED", "pruned": "KILLED"}
    for study in results.studies():
        for run in runs_of(folder, study.asked["task"]):
            if "run" not in run.data.tags:
                continue
            files = results.run(run.data.tags["run"])
            assert files.result is not None
            assert run.data.params == {path: str(value) for path, value in files.spec.flat().items()}
            assert run.info.status == truth[files.result.status.value]
            assert run.data.tags["status"] == files.result.status.value
            assert files.result.metrics.items() <= run.data.metrics.items()
            assert {"memory/peak_rss_mib", "memory/peak_private_mib", "speed/timesteps_per_second"} <= set(
                run.data.metrics
            )
            history = client.get_metric_history(run.info.run_id, "train/loss")
            assert [(m.step, m.value, m.timestamp) for m in history] == [
                (r.step, r.metrics["train/loss"], r.time_ms) for r in files.readings
            ]


def test_every_run_says_what_share_of_the_machine_it_used_and_the_table_does(house) -> None:
    folder, done = house
    peaks = [json.loads(line) for line in (folder / "results" / "peaks.jsonl").read_text().splitlines()]
    found = [RunFiles(path).result for path in (folder / "results" / "runs").iterdir()]
    shares = [result.metrics["speed/mfu"] for result in found if result]
    assert len(shares) == len(found)
    assert all(0 < share < 1 for share in shares)
    precisions = [peak["place"]["precision"] for peak in peaks]
    assert sorted(precisions) == sorted(set(precisions))  # each once
    assert all(peak["flops_per_second"] > 1e9 for peak in peaks)
    assert done.stdout.count("% of peak") == 3


def test_optuna_has_the_same_trials(house) -> None:
    folder, _ = house
    storage = JournalStorage(JournalFileBackend(str(folder / "results" / "studies.journal")))
    for study in Results(folder / "results").studies():
        told = optuna.load_study(study_name=study.name, storage=storage).trials
        assert not any(trial.state.name == "RUNNING" for trial in told)
        assert {t.number: t.params for t in told} == {line.number: dict(line.settings) for line in study.searched}
        values = {line.number: line.objective for line in study.searched if line.objective is not None}
        assert {t.number: t.value for t in told if t.state.name == "COMPLETE"} == values


def test_a_second_bench_runs_nothing_again_and_says_so(house) -> None:
    folder, first = house
    runs = sorted(path.name for path in (folder / "results" / "runs").iterdir())
    again = call(folder, "bench", "tiny.toml")
    assert again.returncode == 0
    assert Counter(again.stdout.split("\n"))[
        "tiny-digits: all trials and confirming runs are done; nothing is run again"
    ]
    assert sorted(path.name for path in (folder / "results" / "runs").iterdir()) == runs
    assert again.stdout[again.stdout.index("\n\n") :] == first.stdout[first.stdout.index("\n\n") :]


def test_compare_judges_real_studies_against_those_of_a_folder(house) -> None:
    """The same ones: what is paired or counted is equivalent, and none is better or worse."""
    folder, _ = house
    done = call(folder, "compare", "tiny.toml", "results", "--margin", "score=5%")
    assert done.returncode == 0, done.stderr
    lines = map(str.split, done.stdout.partition("over 3 tasks")[0].splitlines())
    rows = {words[0]: words[1:] for words in lines if words and words[0] in ("digits", "adding", "asv-chars")}
    assert len(rows) == 3
    assert {words[-1] for words in rows.values()} == {"equivalent"}
    assert {task: words[0] for task, words in rows.items()} == {
        "digits": "equivalent",
        "adding": "equivalent",
        "asv-chars": "undecided",  # two seeds pair nothing
    }
    assert not any({"better", "worse"} & {*words} for words in rows.values())
    for title in ("digits: tiny-digits of results against tiny-digits of tiny.toml", "both had the 3 seeds", "±5 %"):
        assert title in done.stdout


def test_compare_sets_studies_side_by_side_with_the_address_that_does_so_in_mlflow(house) -> None:
    folder, _ = house
    done = call(folder, "compare", "tiny-digits", "tiny-adding")
    assert done.returncode == 2, done.stderr
    assert "not comparable: tiny-adding is of task adding, tiny-digits of digits" in done.stdout
    assert "logistic regression" in done.stdout
    parents = [
        run.info.run_id
        for task in ("digits", "adding")
        for run in runs_of(folder, task)
        if run.data.tags["kind"] == "study"
    ]
    assert all(f'"{parent}"' in done.stdout for parent in parents)
    assert "/#/compare-runs?runs=[" in done.stdout
    unknown = call(folder, "compare", "tiny-digits", "tiny-ading")
    assert unknown.returncode == 2
    assert "Did you mean 'tiny-adding'" in unknown.stderr


def test_studies_are_listed(house) -> None:
    folder, _ = house
    said = call(folder, "studies").stdout
    for name in ("tiny-digits", "tiny-adding", "tiny-asv-chars"):
        assert name in said


def test_what_is_written_is_valid_json_and_says_its_schema(house) -> None:
    folder, _ = house
    artifacts = folder / "results" / "artifacts"  # MLflow's own
    for path in {*(folder / "results").rglob("*.json")} - {*artifacts.rglob("*.json")}:
        assert json.loads(path.read_text())["schema"] == 1
