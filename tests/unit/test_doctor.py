"""The doctor: what is well, what is broken, and that each failure has its way out. Broken things are really broken."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import disks
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import make_study
from rich.console import Console
from shell import call

from lstm_bench.allocator import CHOICE, KEEP_MEMORY
from lstm_bench.doctor import machine, packages, steps, stores, timings
from lstm_bench.doctor.examination import CHECKS, Check, examined
from lstm_bench.doctor.finding import Finding, State
from lstm_bench.doctor.shown import NAMES, as_line, verdict
from lstm_bench.meter.machine import versions
from lstm_bench.record.files import Results
from lstm_bench.tuning.journal import open_journal

QUICK = [check.name for check in CHECKS if not check.takes_long]


@pytest.fixture
def stored(results: Results, empty: Path) -> Results:
    """A folder with a store and a journal, nothing in them."""
    shutil.copy(empty, results.mlflow_db)
    open_journal(results.journal)
    results.journal.touch()
    return results


@pytest.fixture(params=["ro,size=16m", "size=16m"], ids=["read-only", "small"])
def mounted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder on a disk of its own."""
    with disks.mounted(tmp_path / "disk", request.param) as place:
        yield place


def test_what_is_there_is_well(stored: Results) -> None:
    found = {name: look(stored) for name, look in (("mlflow", stores.mlflow), ("optuna", stores.optuna))}
    assert {finding.state for finding in found.values()} == {State.WELL}
    assert "experiments: 0, schema " in found["mlflow"].found
    assert "studies: 0" in found["optuna"].found
    assert stores.folder(stored).state is stores.space(stored).state is State.WELL


def test_an_empty_place_needs_nothing(tmp_path: Path) -> None:
    nowhere = Results(tmp_path / "not" / "yet")
    assert (stores.mlflow(nowhere).state, stores.optuna(nowhere).state) == (State.ABSENT, State.ABSENT)
    assert (stores.folder(nowhere).state, stores.space(nowhere).state) == (State.WELL, State.WELL)
    assert not nowhere.root.parent.exists()


def of_another_version(results: Results) -> None:
    with contextlib.closing(sqlite3.connect(results.mlflow_db)) as store:
        store.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        store.commit()


def follow(fix: str, folder: Path) -> None:
    """Do what a fix says behind its colon."""
    program, *arguments = fix.rpartition(": ")[2].split()
    if program == "lstm-bench":
        assert call(folder, *arguments).returncode == 0
    else:
        subprocess.run([program, *arguments], cwd=folder, check=True)


@pytest.mark.parametrize(
    ("harm", "said", "study"),
    [
        (lambda results: results.mlflow_db.write_text("no database"), "file is not a database", False),
        (of_another_version, "was written by another MLflow version", True),
    ],
    ids=["not a database", "another version"],
)
def test_a_broken_store_is_told_and_its_fix_mends_it(
    harm: Callable[[Results], Any], said: str, study: bool, stored: Results, tmp_path: Path
) -> None:
    if study:
        make_study(stored, "s", trials=2, readings=2)
    harm(stored)
    told = call(tmp_path, "doctor", "--quick", "--json")  # a process of its own, which lets go of the store
    found = json.loads(told.stdout)["checks"]["mlflow"]
    assert (found["state"], said in found["found"]) == ("failed", True)
    follow(found["fix"], tmp_path)
    assert stores.mlflow(stored).state is (State.WELL if study else State.ABSENT)


def test_a_broken_journal_is_told_and_its_fix_mends_it(stored: Results) -> None:
    stored.journal.write_bytes(b'{"op_code": 0}\nno record\n')
    found = stores.optuna(stored)
    assert found.state is State.FAILED
    assert "line 2 is no record" in found.found
    assert found.fix
    follow(found.fix, stored.root)
    assert stores.optuna(stored).state is State.ABSENT


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = stores.mlflow(Results(tmp_path, "http://127.0.0.1:9"))
    assert found.state is State.FAILED
    assert found.found == "http://127.0.0.1:9 does not answer: Connection refused"
    assert found.fix
    assert "lstm-bench sync" in found.fix


def test_a_disk_that_takes_nothing_or_little_is_told(mounted: Path) -> None:
    results = Results(mounted / "results")
    writable = os.statvfs(mounted).f_flag & os.ST_RDONLY == 0
    folder, space = stores.folder(results), stores.space(results)
    assert folder.state is (State.WELL if writable else State.FAILED)
    assert space.state is State.FAILED
    assert space.figures["free_gib"] < 16 / 1024 + 1e-6
    if not writable:
        assert "Read-only file system" in folder.found
        assert folder.fix
        assert "--results" in folder.fix


@pytest.mark.parametrize("file", [True, False], ids=["a file", "below a file"])
def test_a_results_folder_that_is_none_is_told(file: bool, tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    found = stores.folder(Results(tmp_path / "taken" if file else tmp_path / "taken" / "results"))
    assert (found.state, "Not a directory" in found.found) == (State.FAILED, True)


def test_tested_versions_are_those_of_the_constraints() -> None:
    lines = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
    expected = packages.tested()
    assert len(expected) == sum("==" in line for line in lines) > 20
    assert packages.compared(expected, expected).state is State.WELL
    assert packages.compared({**expected, "torch": expected["torch"] + "+cpu"}, expected).state is State.WELL
    assert {"torch", "mlflow", "optuna"} <= versions().keys() & expected.keys()


def test_an_untested_version_is_named_with_the_one_that_was() -> None:
    found = packages.compared({"torch": "2.0.0+cpu", "rich": "15.0.0"}, {"torch": "2.13.0", "rich": "15.0.0", "x": "1"})
    assert (found.state, found.found) == (State.NOTE, "torch 2.0.0+cpu (2.13.0 was tested)")
    assert found.fix == "pip install torch==2.13.0"
    assert found.figures == {"compared": 2, "differing": 1}


def test_an_extra_is_there_when_all_of_it_is() -> None:
    extras = {"data": {"a", "b"}, "hub": {"c"}}
    found = packages.told_extras(extras, {"a": "1", "c": "1"})
    assert (found.state, found.found) == (State.WELL, "hub; not data")
    assert found.fix == "pip install 'lstm-bench[data]', should you want them"
    assert packages.told_extras(extras, dict.fromkeys("abc", "1")) == Finding(State.WELL, "data, hub")
    known = packages.parts_of_extras()
    assert known["dashboard"] == {"optuna-dashboard"}
    assert not {"dev", "testing"} & known.keys()


@pytest.mark.parametrize(
    ("quota", "state", "fix"),
    [("50000 100000\n", State.NOTE, "--workers 1"), ("max 100000\n", None, None), ("99900000 100000\n", None, None)],
)
def test_a_container_with_less_time_than_cores_is_told(
    quota: str, state: State | None, fix: str | None, results: Results, tmp_path: Path
) -> None:
    path = tmp_path / "cpu.max"
    path.write_text(quota)
    found = machine.threads(results, quota=path)
    assert ("allowed_cores" in found.figures) == (state is not None)
    if state:
        assert (found.state, found.fix) == (state, fix)


@settings(deadline=None, max_examples=25)
@given(low=st.floats(1e-4, 1e-2), more=st.floats(1.0, 3.0))
def test_an_uneven_clock_is_told(low: float, more: float) -> None:
    """Every second piece of work takes `more` times as long, so half of the spread is theirs."""
    lasts = [low, more * low]
    now, calls = 0.0, 0

    def clock() -> float:
        nonlocal now, calls
        calls += 1
        works = calls > machine.TIMES and (calls - machine.TIMES) % 2 == 0
        now += lasts[calls // 2 % 2] if works else 1e-9
        return now

    found = machine.timer(Results(Path()), clock)
    spread = found.figures["spread"]
    assert spread == pytest.approx((more - 1) / ((1 + more) / 2), abs=1e-3)
    assert (found.state is State.NOTE) == (spread > machine.UNEVEN)


@pytest.mark.parametrize(("spread", "state"), [(0.01, State.WELL), (0.2, State.NOTE)])
def test_the_noise_between_equals(spread: float, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers alone: a quiet and a busy machine cannot both be had."""
    ratios = [1 - spread, 1.0, 1 + spread] * 5
    monkeypatch.setattr(timings, "apart", lambda *_: ratios)
    found = timings.noise(Results(Path()))
    assert found.state is state
    assert found.figures == {"ratio": pytest.approx(1.0), "floor": pytest.approx(2 * statistics.stdev(ratios))}


@pytest.mark.parametrize(
    ("freed", "choice", "state"),
    [
        (0.16, "tuned", State.WELL),
        (0.08, "tuned", State.NOTE),
        (0.16, "system", State.NOTE),
        (0.08, "system", State.WELL),
    ],
)
def test_what_glibc_s_memory_is_worth(freed: float, choice: str, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers alone, likewise."""
    monkeypatch.setattr(timings, "apart", lambda *_, without=(), **kept: freed if without or not kept else 0.1)
    monkeypatch.setattr("platform.libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setenv(CHOICE, choice)
    for name in KEEP_MEMORY:
        monkeypatch.delenv(name, raising=False)
    found = timings.allocator(Results(Path()))
    assert (found.state, bool(found.fix)) == (state, state is State.NOTE)
    assert found.found.endswith("started so" if choice == "tuned" else "started without")
    assert found.figures == {
        "kept_ms": pytest.approx(100),
        "freed_ms": pytest.approx(1e3 * freed),
        "gain": pytest.approx(freed / 0.1),
    }
    monkeypatch.setattr("platform.libc_ver", lambda: ("", ""))
    assert timings.allocator(Results(Path())).state is State.ABSENT


def test_the_short_trainings_train(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("HIDDEN", 4), ("BATCH", 2), ("STEPS", 3), ("SECONDS", 0.001), ("PAIRS", 3)):
        monkeypatch.setattr(steps, name, value)
    assert steps.lstm() > 0
    assert len(steps.noise()) == 3


@pytest.mark.gpu
def test_a_training_on_the_card_is_compared_with_itself(results: Results) -> None:
    assert timings.cudnn(results).state in (State.WELL, State.NOTE)


def test_a_check_that_breaks_is_a_failure_and_not_the_end(results: Results) -> None:
    def broken(_: Results) -> Finding:
        raise ZeroDivisionError("by\nzero")

    found = examined(Check("broken", broken), results)
    assert (found.state, found.found) == (State.FAILED, "by zero")
    assert found.fix


@pytest.mark.parametrize("width", [80, 120])
def test_every_line_fits_and_nothing_is_lost(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    words = [f"word{n}" for n in range(40)]
    console.print(as_line("allocator", Finding(State.FAILED, " ".join(words), "do/" * 60)))
    told = console.export_text()
    assert all(len(line.rstrip()) <= width for line in told.splitlines())
    assert all(word in told.split() for word in words)
    assert told.count("do/") >= 58  # one may be cut at each line's end
    assert max(len(check.name) for check in CHECKS) == NAMES


def test_the_last_line_names_what_matters_most() -> None:
    well, note, failed = (Finding(state, "x") for state in (State.WELL, State.NOTE, State.FAILED))
    assert verdict({"a": well}).plain == "\nall is well"
    assert verdict({"a": well, "b": note}).plain == "\nnothing failed; worth knowing: b"
    assert verdict({"a": failed, "b": note, "c": failed}).plain == "\nfailed: a, c"


def test_quick_as_json_for_machines(tmp_path: Path) -> None:
    done = call(tmp_path, "doctor", "--quick", "--json")
    told = json.loads(done.stdout)
    assert done.stderr == ""
    assert list(told["checks"]) == QUICK
    assert told["machine"]["versions"]["torch"]
    assert done.returncode == (4 if any(check["state"] == "failed" for check in told["checks"].values()) else 0)
    assert not list(tmp_path.iterdir())


def test_a_failure_is_exit_code_4_and_every_check_is_told_on_any_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    (tmp_path / "results").touch()
    done = call(tmp_path, "doctor", "--quick")
    assert done.returncode == 4
    assert [
        line.split()[1] for line in done.stdout.splitlines() if line.split() and line.split()[0] in set(State)
    ] == QUICK
    assert done.stdout.splitlines()[-1] == "failed: results"


@pytest.mark.slow
def test_the_whole_of_it(tmp_path: Path) -> None:
    told = json.loads(call(tmp_path, "doctor", "--json").stdout)["checks"]
    assert list(told) == [check.name for check in CHECKS]
    assert told["peak"]["figures"]["float32_gflops"] > 1
    assert 0.5 < told["noise"]["figures"]["ratio"] < 2
    assert (tmp_path / "results" / "peaks.jsonl").exists()
    assert all(check["fix"] for check in told.values() if check["state"] == "failed")
