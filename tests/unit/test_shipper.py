"""MLflow's writer is a process that may die at any time, may hang, and never outlives its driver."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from made import make_study
from pictured import picture
from shell import alive, descendants, environment

from lstm_bench.errors import BenchError
from lstm_bench.interpreter import begun
from lstm_bench.record.files import Results
from lstm_bench.result import Status
from lstm_bench.tracking import writer as writer_module
from lstm_bench.tracking.shipper import Shipper
from lstm_bench.tracking.writer import Errand, Writer

TASK = "toy:Toy"
FINISHED, PRUNED = Status.FINISHED, Status.PRUNED


@pytest.fixture
def ready(empty: Path, results: Results) -> Results:
    """With an empty store, and a study that no one has sent."""
    shutil.copy(empty, results.mlflow_db)
    make_study(results, "toys", trials=6, readings=3, metrics=5, ends=[FINISHED, PRUNED])
    return results


def statuses(results: Results) -> list[str]:
    return sorted(run["status"] for run in picture(results.mlflow_db)[TASK]["runs"].values())


def until(true: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()


def shoot_once_it_has_sent_more(shipper: Shipper, results: Results, sent: int) -> None:
    if until(lambda: len(statuses(results)) > sent):
        shipper._writer.process.kill()


@pytest.mark.slow
def test_a_writer_that_is_shot_again_and_again_has_sent_everything_at_the_end(ready: Results) -> None:
    with Shipper(ready, TASK) as shipper:
        shipper.follow("study", "toys")
        time.sleep(0.1)  # it is in the midst of it
        shipper._writer.process.kill()
        sent = len(statuses(ready))
        again = threading.Thread(target=shoot_once_it_has_sent_more, args=(shipper, ready, sent))
        again.start()
        said = list(shipper.finish("finished"))
        again.join()
    assert said == []
    assert statuses(ready) == ["FINISHED"] * 4 + ["KILLED"] * 3
    assert shipper._writer.process.poll() is not None  # nobody is left


def test_within_begun_one_writer_sends_one_study_after_the_other(ready: Results) -> None:
    make_study(ready, "others", trials=2, readings=3, metrics=5, ends=[FINISHED])
    processes = []
    with begun():
        for name in ("toys", "others"):
            with Shipper(ready, TASK) as shipper:
                shipper.follow("study", name)
                assert list(shipper.finish("finished")) == []
                processes.append(shipper._writer.process)
    assert processes[0] is processes[1]
    assert processes[0].poll() is not None  # it does not outlive them
    assert len(statuses(ready)) == 10  # seven, and three


def test_a_store_of_another_version_is_said_before_anything_is_run(ready: Results) -> None:
    with contextlib.closing(sqlite3.connect(ready.mlflow_db)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    with Shipper(ready, TASK) as shipper, pytest.raises(BenchError, match=r"another MLflow version.*sync --rebuild"):
        shipper.follow("study", "toys")


def test_a_writer_that_cannot_start_is_tried_three_times_and_said(
    ready: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken, starts = tmp_path / "python", tmp_path / "starts"
    broken.write_text(f"#!/bin/sh\necho x >> {starts}\necho no such thing >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with Shipper(ready, TASK) as shipper:
        shipper.follow("study", "toys")
        assert list(shipper.news()) == []
        (said,) = shipper.finish("finished")
    assert said.startswith("MLflow's writer ended 3 times (no such thing)")
    assert "lstm-bench sync" in said
    assert 3 <= len(starts.read_text().split()) <= 5


def test_the_writer_ends_with_its_driver(ready: Results) -> None:
    driver = (
        "import sys, time; from pathlib import Path\n"
        "from lstm_bench.record.files import Results\n"
        "from lstm_bench.tracking.shipper import Shipper\n"
        f"shipper = Shipper(Results(Path({str(ready.root)!r})), {TASK!r})\n"
        "shipper.follow('study', 'toys'); print('ready', flush=True); time.sleep(1000)\n"
    )
    with subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        writers = descendants(process.pid)
        assert len(writers) == 1
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert until(lambda: not any(alive(pid) for pid in writers))


class Fake(Errand):
    """An errand of which each pass fails, or hangs, and is answered all the same."""

    def __init__(self, results: Results, go: Callable[[str | None], None]) -> None:
        super().__init__(results, TASK, "study", "toys")
        self._go, self.passes = go, 0

    def open(self) -> None:
        """There is none."""

    def go(self, ended: str | None) -> None:
        self.passes += 1
        self._go(ended)

    def progress(self, *, failing: bool) -> tuple[int, int]:
        return 0, 0 if failing else self.passes


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Connection, Connection]]:
    for name, seconds in (("SEND_EVERY", 0.02), ("PATIENCE", 0.5), ("TICK", 0.01)):
        monkeypatch.setattr(writer_module, name, seconds)
    ours, theirs = Pipe()
    yield ours, theirs
    ours.close()
    theirs.close()


def heard(pipe: Connection) -> list[dict[str, list[str]]]:
    found = []
    while pipe.poll():
        found.append(json.loads(pipe.recv_bytes()))
    return found


def test_passes_that_fail_for_ever_come_to_an_end(ready: Results, pipe: tuple[Connection, Connection]) -> None:
    def fail(_: str | None) -> None:
        raise ValueError("it cannot be drawn")

    ours, theirs = pipe
    errand = Fake(ready, fail)
    writer = Writer(theirs, errand)
    writer.finish("finished")
    *news, last = heard(ours)
    assert errand.passes > 1
    assert len([one for one in news if one.get("news")]) == 1  # said once, not at each try
    (said,) = last["finished"]
    assert "6 of 6 runs: it cannot be drawn" in said
    assert "lstm-bench sync" in said


def test_a_call_that_hangs_is_left_behind(ready: Results, pipe: tuple[Connection, Connection]) -> None:
    ours, theirs = pipe
    Writer(theirs, Fake(ready, lambda ended: time.sleep(1000) if ended else None)).finish("finished")
    (said,) = heard(ours)[-1]["finished"]
    assert "no answer for 0.5 s" in said


def test_what_failed_and_then_went_well_is_said_and_nothing_is_left(
    ready: Results, pipe: tuple[Connection, Connection]
) -> None:
    ours, theirs = pipe
    fails = [True, True]

    def go(_: str | None) -> None:
        if fails:
            fails.pop()
            raise OSError("away")

    writer = Writer(theirs, Fake(ready, go))
    assert until(lambda: not fails)
    writer.finish("finished")
    said = heard(ours)
    assert [one["news"][0].split("(")[0].strip() for one in said if one.get("news")] == [
        "MLflow does not take what it is sent",
        "MLflow takes again what it is sent",
    ]
    assert said[-1] == {"finished": []}


def test_what_no_other_try_mends_is_said_at_once(ready: Results, pipe: tuple[Connection, Connection]) -> None:
    def fail(_: str | None) -> None:
        raise BenchError("another version's")

    ours, theirs = pipe
    errand = Fake(ready, fail)
    Writer(theirs, errand).finish("finished")
    assert errand.passes == 1
    assert {"failed": "another version's"} in heard(ours)


def test_a_writer_whose_driver_is_gone_does_not_go_on_sending(
    ready: Results, pipe: tuple[Connection, Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "PATIENCE", 1000.0)
    ours, theirs = pipe
    writer = Writer(theirs, Fake(ready, lambda ended: time.sleep(1000) if ended else None))
    assert until(ours.poll)
    ours.close()

    def finish() -> None:
        with contextlib.suppress(EOFError, OSError):  # at which its process ends
            writer.finish("finished")

    finishing = threading.Thread(target=finish, daemon=True)
    finishing.start()
    finishing.join(20)
    assert not finishing.is_alive()


def test_an_errand_says_what_the_store_lacks(ready: Results) -> None:
    errand = Errand(ready, TASK, "study", "toys")
    (before,) = errand.left("away")
    assert "lacks 6 of 6 runs: away" in before
    errand.open()
    errand.go(None)
    (after,) = errand.left("away")
    assert "lacks the study's answer: away" in after
    errand.go("finished")
    assert errand.left(None) == []
    run = ready.run(ready.study("toys").lines[0].run)
    assert f"lacks run {run.id}: away" in Errand(ready, TASK, "run", run.id).left("away")[0]
