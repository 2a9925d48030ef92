"""MLflow's store in our terms: made once, written to by several, and clear about what it will never take."""

import contextlib
import multiprocessing
import sqlite3
from multiprocessing.synchronize import Barrier
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import make_study
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric, _validate_metric_name, _validate_param
from pictured import picture

from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results
from lstm_bench.result import Status
from lstm_bench.tracking.sender import Sender
from lstm_bench.tracking.shown import Shown
from lstm_bench.tracking.store import (
    MOST,
    RefusedError,
    Sample,
    Store,
    connect,
    label,
    packed,
    place_of,
    run_status,
)
from lstm_bench.tracking.view import StudyView

TASK = "toy:Toy"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A folder with a store in it; making one takes a second and more."""
    results = Results(tmp_path_factory.mktemp("made") / "results")
    connect(results)
    return results


@pytest.fixture
def store(made: Results, request: pytest.FixtureRequest) -> Store:
    return Store(made, request.node.name)


def run_in(store: Store) -> str:
    return store.create(Shown("key", "name", {}, {}), None)


@given(st.text())
def test_any_name_becomes_one_that_mlflow_takes(name: str) -> None:
    _validate_metric_name(label(name))
    _validate_metric(label(name), 1.0, 0, 0)
    _validate_param(label(name), "value")


@given(st.from_regex(r"[/.a%]{0,20}", fullmatch=True) | st.text("a/.", min_size=240, max_size=260))
def test_any_path_becomes_one_that_mlflow_takes(name: str) -> None:
    _validate_metric(label(name), 1.0, 0, 0)


def test_a_name_that_mlflow_takes_stays() -> None:
    for name in ("train/loss", "speed/window_timesteps_per_second", "options.at", "floor/2-gram: backed off", "é"):
        assert label(name) == name


def test_a_new_store_lets_several_write(made: Results) -> None:
    with contextlib.closing(sqlite3.connect(made.mlflow_db)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_groups_are_put_together_into_calls_and_none_is_torn() -> None:
    groups = [[Sample(f"m{n}", 0.0, step, 0) for n in range(7)] for step in range(400)]
    parts = list(packed(groups))
    assert [sample for part in parts for sample in part] == [sample for group in groups for sample in group]
    assert all(len(part) <= MOST for part in parts)
    assert all(len(part) % 7 == 0 for part in parts)
    assert len(parts) == 4
    assert list(packed([])) == []


def test_parameters_go_first_and_tags_last(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(store.client, "log_batch", lambda _, **parts: calls.append(parts), raising=False)
    monkeypatch.setattr(store.client.log_batch, "__name__", "log_batch", raising=False)
    many = [[Sample("m", 0.0, step, 0)] for step in range(2 * MOST + 1)]
    store.send("run", many, params={"p": 1}, tags={"t": "end"})
    assert [(len(call["params"]), len(call["metrics"]), len(call["tags"])) for call in calls] == [
        (1, MOST, 0),
        (0, MOST, 0),
        (0, 1, 1),
    ]
    calls.clear()
    store.send("run", params={"p": 1}, tags={"t": "end"})
    assert [(len(call["params"]), len(call["metrics"]), len(call["tags"])) for call in calls] == [(1, 0, 1)]


def test_what_it_will_never_take_is_refused_and_what_failed_is_not(store: Store) -> None:
    run = run_in(store)
    for wrong in ({"tags": {"t" * 251: "x"}}, {"groups": [[Sample("m", "much", 0, 0)]]}):  # type: ignore[list-item]
        with pytest.raises(RefusedError):
            store.send(run, **wrong)  # type: ignore[arg-type]
    store.send(run, params={"p": 1})
    with pytest.raises(RefusedError, match="param"):
        store.send(run, params={"p": 2})
    with pytest.raises(MlflowException):
        store.send("0" * 32, [[Sample("m", 0.0, 0, 0)]])  # no such run: another store's; not for ever


def test_each_answer_counts_a_refusal_too(store: Store) -> None:
    run = run_in(store)
    before = store.answers
    store.send(run)
    with pytest.raises(RefusedError):
        store.send(run, tags={"t" * 251: "x"})
    assert store.answers == before + 2


def test_how_far_a_run_has_come_is_the_last_step_of_a_metric(store: Store) -> None:
    run = run_in(store)
    assert store.sent_to(run, "train/loss") == 0
    store.send(run, [[Sample("train/loss", float("nan"), step, step)] for step in (10, 30, 20)])
    assert store.sent_to(run, "train/loss") == 30


def test_runs_come_page_by_page_the_oldest_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_bench.tracking.store.PAGE", 2)
    for n in (3, 1, 2, 5, 4):
        store.create(Shown(str(n), "name", {}, {}, begun_ms=n), None)
    assert [one.key for one in store.runs("")] == ["1", "2", "3", "4", "5"]
    found = store.find("3")
    assert found
    assert found.key == "3"
    assert store.find("6") is None


@pytest.mark.parametrize("status", Status)
def test_only_what_did_all_it_was_asked_to_is_finished(status: Status) -> None:
    assert (run_status(status) == "FINISHED") == status.complete


def test_an_experiment_that_was_deleted_is_an_error_with_its_way_out(made: Results, store: Store) -> None:
    store.client.delete_experiment(store.experiment)
    name = store.client.get_experiment(store.experiment).name
    with pytest.raises(BenchError, match=f"mlflow experiments restore -x {store.experiment}"):
        Store(made, name)


def test_an_experiment_that_another_process_made_in_between_is_used(
    made: Results, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = store.client.get_experiment(store.experiment).name
    real, asked = MlflowClient.get_experiment_by_name, []

    def late(client: MlflowClient, name: str) -> object:
        asked.append(name)
        return real(client, name) if len(asked) > 1 else None

    monkeypatch.setattr(MlflowClient, "get_experiment_by_name", late)
    assert Store(made, name).experiment == store.experiment
    assert len(asked) == 2


@pytest.mark.parametrize("task", ["..", ".", "../../etc", "/etc", "a:../../b", "..:", "<b>|`$\n#?%"])
def test_a_task_s_artifacts_lie_in_the_artifacts_folder_whatever_it_is_called(task: str, made: Results) -> None:
    place = Path(unquote(urlsplit(place_of(made, task)).path))
    assert place.parent == made.artifacts.resolve()
    assert place.resolve().parent == place.parent
    store = Store(made, task)
    run = run_in(store)
    store.keep(run, made.mlflow_db)
    (kept,) = place.rglob("mlflow.db")
    assert kept.is_relative_to(made.artifacts.resolve())


def copied(made: Results, folder: Path) -> Results:
    """Another results folder with the same store."""
    other = Results(folder)
    other.root.mkdir()
    with (
        contextlib.closing(sqlite3.connect(made.mlflow_db)) as here,
        contextlib.closing(sqlite3.connect(other.mlflow_db)) as there,
    ):
        here.backup(there)
    return other


def test_a_store_that_was_made_in_another_folder_is_an_error_with_its_way_out(made: Results, tmp_path: Path) -> None:
    Store(made, TASK)
    moved = copied(made, tmp_path / "moved")
    with pytest.raises(BenchError, match=r"made in another folder.*sync --rebuild"):
        Store(moved, TASK)
    Store(moved, "a task that it has not seen")


def test_another_version_s_store_is_an_error_with_its_way_out(made: Results, tmp_path: Path) -> None:
    other = copied(made, tmp_path / "other")
    with contextlib.closing(sqlite3.connect(other.mlflow_db)) as store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        store.commit()
    with pytest.raises(BenchError, match=r"another MLflow version.*sync --rebuild"):
        connect(other)


def follow(root: Path, name: str, all_there: Barrier) -> None:
    """One of several studies: opens the store and sends; what a driver's writer does."""
    results, view = Results(root), StudyView(Results(root), Results(root).study(name))
    all_there.wait()
    store = Store(results, TASK)
    sender = Sender(results, store)
    view.look()
    sender.know_study(view)
    sender.study(view)
    sender.study(view, "finished")
    assert not sender.refused


@pytest.mark.slow
def test_four_studies_at_once_make_one_new_store_and_fill_it(results: Results) -> None:
    names = [f"study-{n}" for n in range(4)]
    for name in names:
        make_study(results, name, trials=2, readings=2, metrics=5, ends=[Status.FINISHED, Status.PRUNED])
    context = multiprocessing.get_context("spawn")
    all_there = context.Barrier(4)
    processes = [context.Process(target=follow, args=(results.root, name, all_there)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    shown = picture(results.mlflow_db)
    assert list(shown) == [TASK]
    runs = shown[TASK]["runs"]
    assert len(runs) == 4 * 3
    assert {run["status"] for run in runs.values()} == {"FINISHED", "KILLED"}
    assert all(name in shown[TASK]["tags"]["mlflow.note.content"].replace("\\", "") for name in names)
    with contextlib.closing(sqlite3.connect(results.mlflow_db)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
