import json
import os
import platform
import re
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.record.disk import append_line, read_lines, write_whole
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles, new_run_id
from lstm_bench.record.study import Purpose, RunLine, Trial
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec, fingerprint

SPEC = RunSpec(task="adding", options={"length": 10})
LINES = [{"step": 1, "name": "é"}, {"step": 22}, {"step": 333, "metrics": {"train/loss": 0.5}}]
WHOLE = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)
calm = settings(deadline=None)


def reading(step: int, **metrics: float) -> Reading:
    return Reading(step, 2 * step, 4 * step, step / 8, 10**12 + step, metrics)


def line(number: int, status: Status | None = Status.FINISHED, purpose: Purpose = "search", seed: int = 0) -> RunLine:
    return RunLine(
        run=f"run-{number}-{seed}",
        purpose=purpose,
        number=number,
        seed=seed,
        settings={"train.lr": 0.01},
        status=status,
        trial_status=status if purpose == "search" else None,
        score=0.9,
        objective=0.9,
    )


@calm
@given(cut=st.integers(0, len(WHOLE)))
def test_a_torn_last_line_is_passed_over_and_not_glued_to(cut: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "torn.jsonl"
    path.write_bytes(WHOLE[:cut])
    ends = [len(b"\n".join(WHOLE.split(b"\n")[: n + 1])) for n in range(len(LINES))]
    whole = [line for line, end in zip(LINES, ends, strict=True) if end <= cut]
    assert list(read_lines(path)) == whole
    append_line(path, {"step": 4444})
    append_line(path, {"step": 55555})
    assert list(read_lines(path)) == [*whole, {"step": 4444}, {"step": 55555}]
    assert path.read_bytes().startswith(WHOLE[:cut])  # what was written stays


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert list(read_lines(tmp_path / "none.jsonl")) == []


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    write_whole(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "new" * 10_000 + "\udc80")
    assert path.read_text() == "old"
    write_whole(path, "new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    path, texts = tmp_path / "board.json", ("a" * 2**20, "b" * 2**19)
    write_whole(path, texts[0])
    writer = threading.Thread(target=lambda: [write_whole(path, texts[n % 2]) for n in range(40)])
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(path.read_text())
    writer.join()
    assert seen <= set(texts)


def test_a_run_comes_back_from_its_files(results: Results) -> None:
    run = results.run("one")
    facts = {"data": "d", "code": "c"}
    run.begin(SPEC, {"cpu": "fast"}, facts)
    assert (run.id, run.spec, run.readings, run.result) == ("one", SPEC, [], None)
    here = {"host": platform.node(), "pid": os.getpid(), "begun_ms": run.machine["begun_ms"]}
    assert run.machine == {"schema": 1, "cpu": "fast", "facts": facts, "fingerprint": fingerprint(SPEC, facts), **here}
    assert abs(run.machine["begun_ms"] - 1e3 * time.time()) < 60_000
    found = [reading(1, **{"train/loss": 0.1 + 0.2}), reading(2, **{"train/loss": float("inf")})]
    for each in found:
        run.log(each)
    assert results.run("one").readings == found
    result = RunResult(Status.CRASHED, {"best/mse": 0.3}, "RuntimeError: no", "Traceback\n  é", {"constant": 1 / 6})
    assert run.ended_ms is None
    run.end(result)
    assert results.run("one").result == result
    assert 0 <= (run.ended_ms or 0) - run.machine["begun_ms"] < 60_000


def test_a_diff_is_kept_once_for_all_runs_that_had_it(results: Results) -> None:
    for name in ("one", "two"):
        results.run(name).begin(SPEC, {}, None, ("0123", "- a\n+ ä\n"))
    assert (results.root / "diffs" / "0123.patch").read_text("utf-8") == "- a\n+ ä\n"
    RunFiles(results.root / "elsewhere" / "three").begin(SPEC, {}, None, ("4567", "- b\n"))
    assert [path.name for path in (results.root / "diffs").glob("*.patch")] == ["0123.patch"]


def test_a_run_takes_no_other_ones_folder(results: Results) -> None:
    results.run("one").begin(SPEC, {})
    with pytest.raises(FileExistsError):
        results.run("one").begin(SPEC.with_values({"seed": 1}), {})
    assert results.run("one").spec == SPEC


def test_a_run_that_is_taken_up_again_keeps_what_it_wrote(results: Results) -> None:
    run = results.run("one")
    run.begin(SPEC, {"cpu": "fast"})
    kept, later = reading(1), reading(2)
    run.log(kept)
    run.log(later)
    run.checkpoint.write_bytes(b"state")
    run.end(RunResult(Status.KILLED))
    assert run.checkpoint.exists()  # a killed run goes on from it
    run.begin(SPEC, {"cpu": "slow"})
    run.reopen()
    assert (run.result, run.machine["cpu"]) == (None, "fast")
    run.cut([kept])
    assert run.readings == [kept]
    run.end(RunResult(Status.FINISHED))
    assert not run.checkpoint.exists()


def test_a_study_comes_back_from_its_files(results: Results) -> None:
    study = results.study("first")
    assert not study.exists
    assert (study.lines, study.trials, study.board) == ([], [], None)
    study.begin('task = "adding"\ntrials = 3\n')
    assert study.exists
    own = study.asked["id"]
    assert study.asked == {"id": own, "task": "adding", "trials": 3}
    study.begin("trials = 4\n", {"command": "first"})
    study.begin("trials = 5\n", {"command": "second"})
    study.begin("trials = 6\n", {"command": "first"})
    assert study.asked == {"id": own, "trials": 6}, "it keeps its id"
    assert study.commands == ["first", "second"]
    lines = [line(0), line(1, Status.PRUNED), line(2, Status.KILLED), line(0, purpose="confirm", seed=1000)]
    for each in lines:
        study.add(each)
    study.write_board({"best": None})
    again = results.study("first")
    assert again.lines == lines
    assert again.trials == [Trial((each,)) for each in lines[:3]]
    assert again.board == {"schema": 1, "best": None}


def test_a_study_of_an_older_version_stays_without_an_id(results: Results) -> None:
    study = results.study("first")
    study.begin("trials = 3\n")
    (study.path / "study.toml").write_text("trials = 3\n")
    study.begin("trials = 4\n")
    assert study.asked == {"trials": 4}


def test_a_killed_run_of_a_study_does_not_count(results: Results) -> None:
    study = results.study("first")
    study.begin("")
    confirming = [
        line(0, purpose="confirm", seed=1001),
        line(0, purpose="confirm", seed=1000),
        line(0, Status.KILLED, purpose="confirm", seed=1002),
        line(0, None, purpose="confirm", seed=1003),
        line(1, purpose="confirm", seed=1000),
    ]
    searching = [line(n, status) for n, status in enumerate([*Status, None])]
    for each in [*searching, *confirming]:
        study.add(each)
    counted = [each for each in searching if each.status not in (Status.KILLED, None)]
    assert study.searched == [Trial((each,)) for each in counted]
    assert study.confirmed(0) == [confirming[1], confirming[0]]  # by seed


def test_studies_are_listed_oldest_first(results: Results) -> None:
    import os

    for age, name in enumerate(["b", "c", "a"]):
        results.study(name).begin("")
        os.utime(results.study(name).path / "study.toml", (age, age))
    results.study("empty").path.mkdir()
    assert [study.name for study in results.studies()] == ["b", "c", "a"]


def test_a_run_id_names_its_time_and_task_and_no_two_meet() -> None:
    ids = {new_run_id("my.module:Task") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(r"\d{8}-\d{6}-my\.module\.Task-[0-9a-f]+", run_id) for run_id in ids)
