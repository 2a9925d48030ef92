"""MLflow's store is made up to the files, or anew from them alone."""

import contextlib
import shutil
import sqlite3
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from made import make_study
from pictured import differences, picture
from shell import call

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles
from lstm_bench.result import Status
from lstm_bench.tracking import sender as sender_module
from lstm_bench.tracking import sync as sync_module
from lstm_bench.tracking.sender import Sender
from lstm_bench.tracking.store import Store
from lstm_bench.tracking.sync import persistent, set_aside, single_runs, sync
from lstm_bench.tracking.view import StudyView

TASK = "toy:Toy"
FINISHED, CRASHED, KILLED = Status.FINISHED, Status.CRASHED, Status.KILLED


@pytest.fixture
def ready(empty: Path, results: Results) -> Results:
    """With an empty store."""
    shutil.copy(empty, results.mlflow_db)
    return results


@pytest.fixture
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without drawings, which take their time."""
    monkeypatch.setattr(sender_module, "publish", lambda *_: None)


def small(results: Results, name: str = "toys", **asked: Any) -> StudyFiles:
    return make_study(results, name, **{"trials": 2, "readings": 2, "metrics": 5, "ends": [FINISHED, CRASHED], **asked})


def of_another_task(results: Results, files: StudyFiles, task: str) -> None:
    for path in [files.path / "study.toml", *(results.run(line.run).path / "spec.toml" for line in files.lines)]:
        path.write_text(tomli_w.dumps(tomllib.loads(path.read_text()) | {"task": task}))


def make_single(results: Results, name: str) -> str:
    """A run outside of any study: of a study that is then forgotten."""
    files = small(results, name, trials=1, ends=[FINISHED])
    run = files.lines[0].run
    shutil.rmtree(files.path)
    return run


def test_everything_is_sent_once_with_its_drawings(ready: Results) -> None:
    small(ready, trials=3, confirm_seeds=1)
    single = make_single(ready, "single")
    assert list(sync(ready)) == ["toys: 4 of 4 runs sent", f"{TASK}: 1 runs outside of studies are there"]
    found = picture(ready.mlflow_db)
    runs = found[TASK]["runs"]
    own = next(run for key, run in runs.items() if key.startswith("study/"))
    assert {"study.toml", "machine.json", "board.json", "trials.jsonl", "report.html"} <= set(own["artifacts"])
    assert any(path.startswith("figures/") and path.endswith(".png") for path in own["artifacts"])
    assert single in runs
    assert list(sync(ready)) == ["toys: its 4 runs were there", f"{TASK}: 1 runs outside of studies are there"]
    assert differences(picture(ready.mlflow_db), found) == []


@pytest.mark.usefixtures("_plain")
def test_two_tasks_of_a_folder_are_two_experiments(ready: Results) -> None:
    small(ready, "first")
    of_another_task(ready, small(ready, "second"), "nowhere:Task")  # whose plugin is not installed here
    of_another_task(ready, small(ready, "third"), "..")
    lines = list(sync(ready))
    assert sorted(lines) == [f"{name}: 2 of 2 runs sent" for name in ("first", "second", "third")]
    shown = picture(ready.mlflow_db)
    assert {task: len(one["runs"]) for task, one in shown.items()} == {TASK: 3, "nowhere:Task": 3, "..": 3}
    assert all(run["status"] != "RUNNING" for one in shown.values() for run in one["runs"].values())


def test_a_study_whose_task_is_not_installed_is_sent_and_what_cannot_be_made_of_it_is_said(ready: Results) -> None:
    of_another_task(ready, small(ready, trials=9, ends=[FINISHED]), "nowhere:Task")
    first, *rest = sync(ready)
    assert first == "toys: 9 of 9 runs sent"
    assert len(rest) <= 1
    own = next(run for key, run in picture(ready.mlflow_db)["nowhere:Task"]["runs"].items() if key.startswith("study/"))
    assert own["status"] == "FINISHED"
    assert "board.json" in own["artifacts"]


def test_what_cannot_be_drawn_stops_no_other_study(ready: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = small(ready, "one"), small(ready, "two")

    def publish(_store: Store, _run: str, view: StudyView) -> None:
        if view.files.name == "one":
            raise UsageError("cell 'gone' cannot be imported")

    monkeypatch.setattr(sender_module, "publish", publish)
    key = f"study/one/{one.asked['id']}"
    *sent, said = sync(ready)
    assert sent == ["one: 2 of 2 runs sent", "two: 2 of 2 runs sent"]
    assert said == f"MLflow refused {key}, its drawings and model: cell 'gone' cannot be imported"
    assert picture(ready.mlflow_db)[TASK]["runs"][key]["status"] == "FINISHED"


@pytest.mark.usefixtures("_plain")
def test_a_killed_study_is_sent_once_too(ready: Results) -> None:
    files = small(ready, ends=[FINISHED, KILLED], trials=3)
    files.add(replace(files.lines[0], run="never-begun", number=5, status=None, trial_status=None))
    last = replace(files.lines[2], status=None, trial_status=None)
    (ready.run(last.run).path / "result.json").unlink()
    files.add(last)
    (files.path / "holder.json").write_text("{}")  # its driver was shot
    assert list(sync(ready)) == ["toys: 3 of 4 runs sent"]
    found = picture(ready.mlflow_db)
    assert "RUNNING" not in {run["status"] for run in found[TASK]["runs"].values()}
    assert list(sync(ready)) == ["toys: its 4 runs were there"]
    assert differences(picture(ready.mlflow_db), found) == []


@pytest.mark.usefixtures("_plain")
def test_what_is_going_on_is_left_to_its_own_driver(ready: Results) -> None:
    held, _ = small(ready, "held"), small(ready, "free")
    alive = make_single(ready, "single")
    with held.held(), ready.run(alive).lock():
        lines = list(sync(ready))
    assert lines == [
        "held: is being worked at; its own driver sends it",
        "free: 2 of 2 runs sent",
        f"{alive}: goes on; its own driver sends it",
    ]
    runs = picture(ready.mlflow_db)[TASK]["runs"]
    assert len(runs) == 3
    assert not any(key.startswith("held") or key == alive for key in runs)


@pytest.mark.usefixtures("_plain")
def test_a_store_made_anew_is_what_live_following_had_made(ready: Results, tmp_path: Path) -> None:
    files = small(ready, seeds=2, confirm_seeds=1, trials=3)
    store, view = Store(ready, TASK), StudyView(ready, files)
    sender = Sender(ready, store)
    view.look()
    for ended in (None, "finished"):
        sender.study(view, ended)
    live = picture(ready.mlflow_db)
    with contextlib.closing(sqlite3.connect(ready.mlflow_db)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = Results(tmp_path / "copy")  # this process has the other store open
    shutil.copytree(ready.root, copy.root, ignore=shutil.ignore_patterns("artifacts"))
    first, *_ = sync(copy, rebuild=True)
    assert differences(picture(copy.mlflow_db), live) == []
    (kept,) = copy.root.glob("mlflow-*.db")
    assert first == f"the store that there was is kept as {kept}"
    assert differences(picture(kept, artifacts=False), _without_artifacts(live)) == []
    assert not list(copy.root.glob("mlflow-*.db-wal"))


def _without_artifacts(shown: dict[str, Any]) -> dict[str, Any]:
    return {
        task: one | {"runs": {key: run | {"artifacts": {}} for key, run in one["runs"].items()}}
        for task, one in shown.items()
    }


@pytest.mark.usefixtures("_plain")
def test_a_copied_folder_is_sent_anew_or_says_how_its_store_is_made_again(ready: Results, tmp_path: Path) -> None:
    small(ready)
    list(sync(ready))
    shown = picture(ready.mlflow_db)
    with contextlib.closing(sqlite3.connect(ready.mlflow_db)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    without, kept = Results(tmp_path / "without"), Results(tmp_path / "kept")
    for copy in (without, kept):
        shutil.copytree(ready.root, copy.root)
    for path in without.root.glob("mlflow.db*"):
        path.unlink()
    shutil.rmtree(ready.root)  # as on another machine
    assert list(sync(without)) == ["toys: 2 of 2 runs sent"]
    assert differences(picture(without.mlflow_db), shown) == []
    with pytest.raises(BenchError, match=r"made in another folder.*sync --rebuild"):
        list(sync(kept))
    assert not ready.root.exists()  # nothing is written to where it once was


def test_a_copied_folder_s_store_is_made_again_by_the_command_that_it_names(ready: Results, tmp_path: Path) -> None:
    small(ready)
    with contextlib.closing(sqlite3.connect(ready.mlflow_db)) as database:
        database.execute(
            "INSERT INTO experiments (name, artifact_location, lifecycle_stage, workspace) "
            "SELECT ?, 'file:///elsewhere', 'active', workspace FROM experiments",
            (TASK,),
        )
        database.commit()
    told = call(tmp_path, "sync")
    assert told.returncode == 4
    assert "Traceback" not in told.stderr
    assert "sync --rebuild" in told.stderr
    mended = call(tmp_path, "sync", "--rebuild")
    assert mended.returncode == 0, mended.stderr
    assert "toys: 2 of 2 runs sent" in mended.stdout
    assert len(picture(ready.mlflow_db)[TASK]["runs"]) == 3


@contextlib.contextmanager
def busy(results: Results, how: str) -> Iterator[str]:
    files = small(results)
    if how == "study":
        with files.held():
            yield files.name
    elif how == "run":
        run = make_single(results, "single")
        with results.run(run).lock():
            yield run
    else:
        with contextlib.closing(sqlite3.connect(results.mlflow_db)) as reader:
            reader.execute("PRAGMA journal_mode=WAL")
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM experiments").fetchone()
            yield "is open"


@pytest.mark.parametrize("how", ["study", "run", "reader"])
def test_a_store_that_somebody_writes_to_is_not_set_aside(how: str, ready: Results) -> None:
    before = ready.mlflow_db.read_bytes()
    with busy(ready, how) as who, pytest.raises(UsageError, match=rf"--rebuild.*{who}"):
        list(sync(ready, rebuild=True))
    assert not list(ready.root.glob("mlflow-*"))
    assert how == "reader" or ready.mlflow_db.read_bytes() == before


def test_a_server_s_store_is_not_set_aside(ready: Results) -> None:
    small(ready)
    with pytest.raises(UsageError, match="--rebuild with --tracking-uri"):
        list(sync(Results(ready.root, "http://127.0.0.1:9"), rebuild=True))
    assert ready.mlflow_db.exists()


@pytest.mark.usefixtures("_plain")
def test_a_damaged_store_is_set_aside_and_made_anew(results: Results) -> None:
    small(results)
    results.mlflow_db.write_bytes(b"no database at all" * 100)
    first, *rest = sync(results, rebuild=True)
    assert first.startswith("the store that there was is kept as ")
    assert rest == ["toys: 2 of 2 runs sent"]
    assert len(picture(results.mlflow_db)[TASK]["runs"]) == 3


def test_where_there_is_no_store_none_is_set_aside(results: Results) -> None:
    assert set_aside(results, [], []) is None


def test_where_there_is_nothing_to_send_it_says_so(results: Results) -> None:
    with pytest.raises(UsageError, match="nothing to send"):
        list(sync(results))
    assert not results.mlflow_db.exists()


def test_runs_of_studies_are_no_single_runs(results: Results) -> None:
    small(results)
    single = make_single(results, "single")
    (results.runs / "not-begun").mkdir()
    assert [run.id for run in single_runs(results)] == [single]


def test_a_call_is_made_again_some_times_and_then_it_is_an_error(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_module, "PAUSES", (0.0, 0.0))
    calls = []

    def call(succeeds_at: int) -> int:
        calls.append(1)
        if len(calls) < succeeds_at:
            raise OSError("away")
        return len(calls)

    assert persistent(results, lambda: call(3)) == 3
    calls.clear()
    with pytest.raises(BenchError, match="does not take what it is sent: away"):
        persistent(results, lambda: call(4))
    assert len(calls) == 3
    calls.clear()
    assert persistent(results, lambda: call(7), lambda: len(calls) // 2) == 7  # it gets on
    with pytest.raises(UsageError):
        persistent(results, lambda: list(sync(results)))


@pytest.mark.slow
def test_several_processes_send_what_one_would_have(
    ready: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small(ready, seeds=2, trials=8, confirm_seeds=1)
    monkeypatch.setattr(sync_module, "MANY", 2)
    copy = Results(tmp_path / "copy")
    shutil.copytree(ready.root, copy.root)
    list(sync(ready, workers=2))
    list(sync(copy))
    assert differences(picture(ready.mlflow_db, artifacts=False), picture(copy.mlflow_db, artifacts=False)) == []
