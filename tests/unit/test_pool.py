import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import spec_of
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.pool.local import LocalPool
from lstm_bench.pool.nursery import Spawner
from lstm_bench.record.files import Results, new_run_id
from lstm_bench.result import Status

ENDLESS = {"options.fault": "slow", "options.at": 0, "train.steps": 100_000}


def job(results: Results, **settings: object) -> Job:
    spec, _ = spec_of({"task": "toy:Toy"}, {path.replace("__", "."): value for path, value in settings.items()})
    return Job(spec, results.run(new_run_id("toy")).path)


def execute_all(jobs: list[Job], workers: int = 2) -> list[Event]:
    waiting = list(jobs)
    with LocalPool(jobs[0].spec, workers) as pool:
        return list(pool.run(lambda: waiting.pop(0) if waiting else None))


def ended(events: list[Event]) -> dict[str, Ended]:
    return {event.job.run_id: event for event in events if isinstance(event, Ended)}


def descendants(pid: int) -> set[int]:
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended since
            parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_every_event_of_a_run_is_told_and_its_files_say_the_same(results: Results) -> None:
    first, second = job(results), job(results, seed=1)
    events = execute_all([first, second])
    for one in (first, second):
        own = [event for event in events if event.job.run_id == one.run_id]
        assert isinstance(own[0], Started)
        assert isinstance(own[-1], Ended)
        files = results.run(one.run_id)
        assert [event.reading for event in own if isinstance(event, Heard)] == files.readings
        assert own[-1].result == files.result
        assert files.spec == one.spec
        assert files.result is not None
        assert files.result.status is Status.FINISHED


def test_a_run_is_the_same_whatever_runs_beside_it(results: Results) -> None:
    alone, busy = job(results), [job(results), job(results, seed=5)]
    execute_all([alone], workers=1)
    execute_all(busy, workers=2)
    curves = [
        [reading.metrics["train/loss"] for reading in results.run(one.run_id).readings] for one in (alone, busy[0])
    ]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("raise", Status.CRASHED, "RuntimeError: the toy broke"),
        ("memory", Status.OUT_OF_MEMORY, "MemoryError: the toy ate it all"),
        ("exit", Status.CRASHED, "exit code 7"),
        ("nan", Status.DIVERGED, "train/loss nan"),
    ],
)
def test_one_bad_run_harms_nobody(results: Results, fault: str, status: Status, reason: str) -> None:
    bad, good = job(results, options__fault=fault), job(results, seed=1)
    found = ended(execute_all([bad, good], workers=1))
    assert found[bad.run_id].result.status is status
    assert reason in (found[bad.run_id].result.reason or "")
    assert results.run(bad.run_id).result == found[bad.run_id].result
    assert found[good.run_id].result.status is Status.FINISHED
    assert ("the toy" in (found[bad.run_id].result.traceback or "")) == (fault in ("raise", "memory"))


def test_a_run_told_to_stop_ends_at_its_next_reading(results: Results) -> None:
    waiting = [job(results, options__fault="slow", options__at=0, train__steps=1000, train__eval_every=5)]
    readings = 0
    with LocalPool(waiting[0].spec, 1) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard):
                readings += 1
                if readings == 2:
                    pool.stop(event.job.run_id, Status.PRUNED)
            if isinstance(event, Ended):
                assert event.result.status is Status.PRUNED
    assert readings <= 3  # at once where the word is there before the run looks, else one evaluation later


def test_a_run_shot_from_outside_is_told_so_and_the_next_one_runs(results: Results) -> None:
    endless, good = job(results, **ENDLESS), job(results)
    waiting = [good, endless]
    with LocalPool(good.spec, 1) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard) and event.job is endless:
                (server,) = [p for p in descendants(os.getpid()) if descendants(p)]
                for child in descendants(server):
                    os.kill(child, signal.SIGKILL)
            if isinstance(event, Ended) and event.job is endless:
                assert event.result.status is Status.CRASHED
                assert "SIGKILL" in (event.result.reason or "")
                assert results.run(endless.run_id).readings
    assert results.run(good.run_id).result.status is Status.FINISHED  # type: ignore[union-attr]


def test_a_server_shot_from_outside_ends_its_runs_as_killed_and_another_takes_over(results: Results) -> None:
    endless, good = job(results, **ENDLESS), job(results)
    waiting = [good, endless]
    children: set[int] = set()
    with LocalPool(good.spec, 1) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard) and event.job is endless and not children:
                (server,) = [p for p in descendants(os.getpid()) if descendants(p)]
                children = descendants(server)
                os.kill(server, signal.SIGKILL)
    assert results.run(endless.run_id).result.status is Status.KILLED  # type: ignore[union-attr]
    assert results.run(good.run_id).result.status is Status.FINISHED  # type: ignore[union-attr]
    deadline = time.monotonic() + 10
    while any(map(alive, children)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, children))


def test_when_the_driver_dies_nothing_is_left_running(results: Results, tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from lstm_bench.execute import spec_of\n"
        "from lstm_bench.pool import Job, Heard\n"
        "from lstm_bench.pool.local import LocalPool\n"
        f"spec, _ = spec_of({{'task': 'toy:Toy'}}, {ENDLESS!r})\n"
        "jobs = [Job(spec, Path(sys.argv[1]) / n) for n in 'ab']\n"
        "with LocalPool(spec, 2) as pool:\n"
        "    for event in pool.run(lambda: jobs.pop() if jobs else None):\n"
        "        if isinstance(event, Heard): print('heard', flush=True)\n"
    )
    plugins = str(Path(__file__).parents[1] / "plugins")
    driver = subprocess.Popen(
        [sys.executable, str(script), str(results.root)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": plugins},
    )
    assert driver.stdout
    assert driver.stdout.readline() == b"heard\n"
    family = descendants(driver.pid)
    assert len(family) == 3  # the server and two runs
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, family)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, family))
    driver.stdout.close()


def test_what_a_run_prints_goes_to_its_folder(results: Results, capfd: pytest.CaptureFixture[str]) -> None:
    bad = job(results, options__fault="raise")
    execute_all([bad])
    assert (bad.path / "output.log").exists()
    assert capfd.readouterr() == ("", "")


def test_where_nothing_can_be_forked_a_spawned_run_gives_the_same(results: Results) -> None:
    forked, spawned, shot = job(results), job(results), job(results, **ENDLESS)
    execute_all([forked])
    waiting = [spawned, shot]
    with LocalPool(spawned.spec, 1, Spawner) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard) and event.job is shot:
                pool.stop(shot.run_id, Status.KILLED)
    losses = [[r.metrics["train/loss"] for r in results.run(one.run_id).readings] for one in (forked, spawned)]
    assert losses[0] == losses[1]
    assert results.run(shot.run_id).result.status is Status.KILLED  # type: ignore[union-attr]


def test_data_that_cannot_be_read_are_one_line(results: Results) -> None:
    spec = job(results, options__fault="unreadable").spec
    with LocalPool(spec, 1) as pool, pytest.raises(BenchError, match="cannot be read: OSError: no disk"):
        _ = pool.data_digest
    assert not results.runs.exists()


def test_a_usage_error_in_the_server_is_one_here() -> None:
    spec, _ = spec_of({"task": "toy:Toy"}, {})
    unknown = spec.with_values({"task": "toy:Missing"})
    with LocalPool(unknown, 1) as pool, pytest.raises(UsageError, match="toy:Missing"):
        _ = pool.data_digest
