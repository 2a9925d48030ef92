import ctypes
import gc
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
from shell import alive, children, descendants, gone_in_time
from toy import Toy

from lstm_bench.cells.lstm import LSTM
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import spec_of
from lstm_bench.pool import Ended, Event, Heard, Job, Started, local, verdict
from lstm_bench.pool.local import LocalPool
from lstm_bench.pool.nursery import Spawner, WarmServer
from lstm_bench.pool.verdict import how_it_ended, oom_kills
from lstm_bench.record.files import Results
from lstm_bench.record.run import new_run_id
from lstm_bench.result import RunResult, Status

ENDLESS = {"options.fault": "slow", "options.at": 0, "train.steps": 100_000}
HANGING = {"options.fault": "hang", "options.at": 12}
STUBBORN = {"task": "test_pool:Stubborn"}  # the module as a plugin: a second one beside this


@dataclass(frozen=True, slots=True, kw_only=True)
class Stubborn(Toy):
    """A toy that does not end when it is told to, or harms whom it should not."""

    def _go_wrong(self) -> None:
        match self.fault:
            case "defy":
                while True:
                    with suppress(KeyboardInterrupt):
                        time.sleep(60)
            case "numb":
                ctypes.PyDLL(None).sleep(60)  # holds the GIL: no thread of this process hears anything
            case "parricide":
                os.kill(os.getppid(), signal.SIGKILL)
                time.sleep(60)
            case "babble":
                shout(struct.pack("!i", 3) + b"no!")
                time.sleep(60)
            case "mumble":
                shout(struct.pack("!i", 30) + b"{")
                os._exit(3)


class Warmed(LSTM):
    """A cell whose runs want it to have been warm before they were forked."""

    by = 0

    @classmethod
    def warm(cls) -> None:
        cls.by = cls.by or os.getpid()

    def forward(self, *inputs: Any) -> Any:
        assert self.by == os.getppid()
        return super().forward(*inputs)


def shout(words: bytes) -> None:
    """Write into every socket that this process has: one is its pipe."""
    for descriptor in range(3, 64):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, words)


class Lent(WarmServer):
    """A warm server that outlives the pools which use it: they cost no 3 seconds each then."""

    def close(self) -> None:
        pass

    def really_close(self) -> None:
        super().close()


MakePool = Callable[..., LocalPool]


@pytest.fixture(scope="module")
def make_pool() -> Iterator[MakePool]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)  # test_pool:Stubborn, here and in the server
        warm, _ = spec_of({"task": "toy:Toy"}, {})
        server = Lent(warm)
        yield lambda workers=1, **more: LocalPool(warm, workers, lambda _: server, **more)
        server.really_close()


def job(results: Results, task: str = "toy:Toy", **settings: object) -> Job:
    spec, _ = spec_of({"task": task}, {path.replace("__", "."): value for path, value in settings.items()})
    return Job(spec, results.run(new_run_id("toy")).path)


def all_of(pool: LocalPool, *jobs: Job) -> Iterator[Event]:
    waiting = list(jobs)
    return pool.run(lambda: waiting.pop(0) if waiting else None)


def execute_all(pool: LocalPool, *jobs: Job) -> list[Event]:
    with pool:
        return list(all_of(pool, *jobs))


def ended(events: list[Event]) -> dict[str, RunResult]:
    return {event.job.run_id: event.result for event in events if isinstance(event, Ended)}


def result_of(results: Results, one: Job) -> RunResult:
    found = results.run(one.run_id).result
    assert found is not None
    return found


def steps(results: Results, one: Job) -> list[int]:
    return [reading.step for reading in results.run(one.run_id).readings]


def servers_of(pool: LocalPool) -> tuple[int, int]:
    """The warm one, and the task's, forked from it."""
    assert isinstance(pool._nursery, WarmServer)
    warm = pool._nursery._interpreter.process.pid
    (own,) = children(warm)
    return warm, own


def test_a_cell_is_warm_before_a_run_is_forked(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    one = job(results, model__cell="test_pool:Warmed")
    execute_all(LocalPool(one.spec, 1, WarmServer), one)
    assert result_of(results, one).status is Status.FINISHED


def test_every_event_of_a_run_is_told_and_its_files_say_the_same(results: Results, make_pool: MakePool) -> None:
    first, second = job(results), job(results, seed=1)
    events = execute_all(make_pool(2), first, second)
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


def test_a_run_is_the_same_whatever_runs_beside_it(results: Results, make_pool: MakePool) -> None:
    alone, busy = job(results), [job(results), job(results, seed=5)]
    execute_all(make_pool(1), alone)
    execute_all(make_pool(2), *busy)
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
def test_one_bad_run_harms_nobody(
    results: Results, make_pool: MakePool, fault: str, status: Status, reason: str
) -> None:
    bad, good = job(results, options__fault=fault), job(results, seed=1)
    found = ended(execute_all(make_pool(), bad, good))
    assert found[bad.run_id].status is status
    assert reason in (found[bad.run_id].reason or "")
    assert results.run(bad.run_id).result == found[bad.run_id]
    assert found[good.run_id].status is Status.FINISHED
    assert ("the toy" in (found[bad.run_id].traceback or "")) == (fault in ("raise", "memory"))


@pytest.mark.parametrize(("fault", "how"), [("babble", "exit code 1"), ("mumble", "exit code 3")])
def test_a_run_that_makes_no_sense_is_heard_no_more(
    results: Results, make_pool: MakePool, fault: str, how: str
) -> None:
    bad, good = job(results, **STUBBORN, options__fault=fault), job(results)
    found = ended(execute_all(make_pool(), bad, good))
    assert found[bad.run_id].status is Status.CRASHED
    assert how in (found[bad.run_id].reason or "")
    assert found[good.run_id].status is Status.FINISHED


def test_a_run_told_to_stop_ends_at_its_next_reading(results: Results, make_pool: MakePool) -> None:
    one = job(results, options__fault="slow", options__at=0, train__steps=1000, train__eval_every=5)
    readings = 0
    with make_pool() as pool:
        for event in all_of(pool, one):
            if isinstance(event, Heard):
                readings += 1
                if readings == 2:
                    pool.stop(event.job.run_id, Status.PRUNED)
    assert result_of(results, one).status is Status.PRUNED
    assert readings <= 3  # at once where the word is there before the run looks, else one evaluation later


def test_a_run_that_waits_trains_on_when_it_is_told_to_and_ends_at_the_very_reading(
    results: Results, make_pool: MakePool
) -> None:
    one = replace(job(results, train__steps=1000), waits=True)
    with make_pool() as pool:
        for event in all_of(pool, one):
            if isinstance(event, Heard):
                time.sleep(0.1)
                assert steps(results, one)[-1] == event.reading.step
                if event.reading.step == 30:
                    pool.stop(one.run_id, Status.PRUNED, "enough")
                    pool.stop(one.run_id, Status.FINISHED)  # the first word counts
                else:
                    pool.go_on(one.run_id)
    assert steps(results, one) == [10, 20, 30]
    assert result_of(results, one).status is Status.PRUNED
    assert "enough" in (result_of(results, one).reason or "")


def test_a_word_to_end_at_once_comes_before_one_that_waits(results: Results, make_pool: MakePool) -> None:
    one = job(results, **HANGING)
    with make_pool() as pool:
        for event in all_of(pool, one):
            if isinstance(event, Heard):
                pool.stop(one.run_id, Status.PRUNED)
                pool.stop(one.run_id, Status.KILLED)
                told = time.monotonic()
    assert time.monotonic() - told < local.GRACE
    assert result_of(results, one).status is Status.KILLED


def test_words_to_a_run_that_is_over_are_lost(results: Results, make_pool: MakePool) -> None:
    with make_pool() as pool:
        list(all_of(pool, one := job(results)))
        pool.stop(one.run_id, Status.PRUNED)
        pool.go_on(one.run_id)
    assert result_of(results, one).status is Status.FINISHED


def test_a_run_that_hangs_is_timed_out_by_itself_and_its_slot_is_free(results: Results, make_pool: MakePool) -> None:
    hanging, good = job(results, **HANGING), job(results)
    begun = time.monotonic()
    found = ended(execute_all(make_pool(run_timeout=1.5), hanging, good))
    assert time.monotonic() - begun < 1.5 + local.GRACE
    late = found[hanging.run_id]
    assert late.status is Status.TIMED_OUT
    assert (late.reason or "").startswith("no end after 1.5 s (--run-timeout); the last reading was at step 10")
    assert "time.sleep(10**6)" in (late.traceback or "")
    assert late == result_of(results, hanging)
    assert found[good.run_id].status is Status.FINISHED


@pytest.mark.parametrize(("at", "where"), [(12, "the last reading was at step 10"), (0, "there was no reading")])
def test_a_run_that_hears_nothing_is_timed_out_by_force(
    results: Results, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, at: int, where: str
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.5)
    numb, good = job(results, **STUBBORN, options__fault="numb", options__at=at), job(results)
    found = ended(execute_all(make_pool(run_timeout=2), numb, good))
    assert found[numb.run_id].status is Status.TIMED_OUT
    assert found[numb.run_id].reason == f"no end after 2 s (--run-timeout); {where}"
    assert ("best/accuracy" in found[numb.run_id].metrics) == (at > 0)
    assert found[numb.run_id] == result_of(results, numb)
    assert found[good.run_id].status is Status.FINISHED


def test_only_the_run_that_hangs_is_timed_out(results: Results, make_pool: MakePool) -> None:
    good = [job(results, seed=seed) for seed in range(6)]
    hanging = job(results, **HANGING)
    found = ended(execute_all(make_pool(2, run_timeout=2), hanging, *good))
    assert found.pop(hanging.run_id).status is Status.TIMED_OUT
    assert {result.status for result in found.values()} == {Status.FINISHED}


@pytest.mark.parametrize("fault", ["defy", "numb"])
def test_runs_that_do_not_end_with_the_pool_are_ended_by_force(
    results: Results, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(local, "GRACE", 0.5)
    jobs = [job(results, **STUBBORN, options__fault=fault, options__at=12, seed=seed) for seed in range(2)]
    heard = 0
    with make_pool(2) as pool:
        for event in all_of(pool, *jobs):
            heard += isinstance(event, Heard)
            if heard == 2:
                time.sleep(0.3)  # they hang by now
                _, server = servers_of(pool)
                family = descendants(server)
                break
    assert len(family) == 2
    assert not any(map(alive, family))
    assert [result_of(results, one).status for one in jobs] == [Status.KILLED] * 2


def test_ctrl_c_ends_the_runs_as_killed_and_tells_of_them(results: Results, make_pool: MakePool) -> None:
    jobs = [job(results, **ENDLESS), job(results, **HANGING)]
    events = []
    with make_pool(2) as pool, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for event in all_of(pool, *jobs):
            events.append(event)
            if isinstance(event, Heard) and event.job is jobs[1]:
                os.kill(os.getpid(), signal.SIGINT)
    assert [ended(events)[one.run_id].status for one in jobs] == [Status.KILLED] * 2


@pytest.mark.parametrize(
    ("kills", "status", "reason"),
    [
        (4, Status.OUT_OF_MEMORY, "the kernel, short of memory, ended its process"),
        (3, Status.CRASHED, "its process was ended by SIGKILL and left no result: somebody's kill"),
    ],
)
def test_a_run_shot_from_outside_is_told_so_and_the_next_one_runs(
    results: Results,
    make_pool: MakePool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kills: int,
    status: Status,
    reason: str,
) -> None:
    counter = tmp_path / "memory.events"
    counter.write_text("oom 9\noom_kill 3\n")
    monkeypatch.setattr(verdict, "OOM_COUNTERS", (str(counter), "/absent"))
    endless, good = job(results, **ENDLESS), job(results)
    with make_pool() as pool:
        for event in all_of(pool, endless, good):
            if isinstance(event, Heard) and event.job is endless:
                counter.write_text(f"oom 9\noom_kill {kills}\n")
                _, server = servers_of(pool)
                for child in descendants(server):
                    os.kill(child, signal.SIGKILL)
    shot = result_of(results, endless)
    assert shot.status is status
    assert reason in (shot.reason or "")
    assert f"the last reading was at step {steps(results, endless)[-1]}" in (shot.reason or "")
    assert result_of(results, good).status is Status.FINISHED


@pytest.mark.parametrize("which", [0, 1], ids=["warm", "task's"])
def test_a_server_shot_from_outside_ends_its_runs_as_killed_and_another_takes_them_up(
    results: Results, which: int
) -> None:
    slow = job(results, options__fault="slow", options__at=0, train__eval_every=2)
    waiting = [slow]
    results_told, heard, runs = [], [], set()
    with LocalPool(slow.spec, 1) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard):
                heard.append(event.reading.step)
            if heard[-1:] == [20] and not runs:
                time.sleep(0.3)
                servers = servers_of(pool)
                runs = descendants(servers[which])
                os.kill(servers[which], signal.SIGKILL)
                assert gone_in_time({*servers, *runs}, 3)  # and there is more in the pipe
            if isinstance(event, Ended):
                results_told.append(event.result)
                if event.result.status is Status.KILLED:
                    assert heard == steps(results, slow)
                    waiting.append(slow)
    killed, finished = results_told
    assert "SIGKILL" in (killed.reason or "")
    assert finished.status is Status.FINISHED
    assert finished == result_of(results, slow)
    assert steps(results, slow) == list(range(2, 41, 2))


def test_a_server_that_dies_again_and_again_is_one_line(
    results: Results, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    del make_pool  # for its path to Stubborn
    monkeypatch.setattr(local, "MOST_DEATHS", 2)
    bad = job(results, **STUBBORN, options__fault="parricide", options__at=0)
    events = []
    with LocalPool(job(results).spec, 1) as pool:
        _ = pool.data_digest
        servers = servers_of(pool)
        os.kill(servers[0], signal.SIGKILL)
        assert gone_in_time({*servers}, 3)  # the first one dies before it is asked for a run
        with pytest.raises(BenchError, match=r"ended 2 times, .* SIGKILL\. Where memory is short, use fewer --workers"):
            events.extend(pool.run(lambda: bad))
    assert [type(event) for event in events] == [Started, Ended] * 2
    assert {result.status for result in ended(events).values()} == {Status.KILLED}


def test_a_result_in_the_files_is_the_truth(results: Results, make_pool: MakePool) -> None:
    finished, taken_up, held = job(results), job(results), job(results)
    for one, status in ((finished, Status.FINISHED), (taken_up, Status.KILLED), (held, Status.KILLED)):
        files = results.run(one.run_id)
        files.begin(one.spec, {})
        files.end(RunResult(status))
    with make_pool() as pool, results.run(held.run_id).lock():
        found = {one.run_id: pool._end(_lost(pool, one), -signal.SIGKILL).result for one in (finished, taken_up)}
        assert found[finished.run_id].status is Status.FINISHED
        assert found[taken_up.run_id].status is Status.CRASHED  # that it was killed is an earlier process's word
        assert result_of(results, taken_up).status is Status.CRASHED
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(local, "GRACE", 0.1)
            assert pool._end(_lost(pool, held), 1).result.status is Status.CRASHED
        assert result_of(results, held).status is Status.KILLED  # another process is at it


def _lost(pool: LocalPool, one: Job) -> Any:
    """A run as the pool knows it whose process left no word."""
    ours, theirs = Pipe()
    theirs.close()
    run = pool._running[one.run_id] = local._Run(job=one, driver=ours, oom_kills=oom_kills())
    return run


def test_when_the_driver_dies_nothing_is_left_running(results: Results, tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    numb = {"options.fault": "numb", "options.at": 12}
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from lstm_bench.execute import spec_of\n"
        "from lstm_bench.pool import Job, Heard\n"
        "from lstm_bench.pool.local import LocalPool\n"
        f"slow, _ = spec_of({{'task': 'toy:Toy'}}, {ENDLESS!r})\n"
        f"numb, _ = spec_of({STUBBORN!r}, {numb!r})\n"
        "jobs = [Job(slow, Path(sys.argv[1]) / 'slow'), Job(numb, Path(sys.argv[1]) / 'numb')]\n"
        "with LocalPool(slow, 2) as pool:\n"
        "    for event in pool.run(lambda: jobs.pop() if jobs else None):\n"
        "        if isinstance(event, Heard): print(event.job.run_id, flush=True)\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])  # the same code as here
    driver = subprocess.Popen(
        [sys.executable, str(script), str(results.root)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert driver.stdout
    assert {driver.stdout.readline(), driver.stdout.readline()} == {b"slow\n", b"numb\n"}
    time.sleep(0.2)  # it hangs by now
    family = descendants(driver.pid)
    assert len(family) == 4  # two servers and two runs
    driver.kill()
    driver.wait()
    assert gone_in_time(family, 3)
    driver.stdout.close()


def test_nothing_of_a_run_that_ended_is_kept(results: Results, make_pool: MakePool) -> None:
    def held() -> tuple[int, int]:
        gc.collect()
        runs = [one for one in gc.get_objects() if type(one) is local._Run]
        return len(list(Path("/proc/self/fd").iterdir())), len(runs)

    with make_pool(2) as pool:
        list(all_of(pool, job(results, train__steps=10)))
        before = held()
        waiting = [job(results, train__steps=10, seed=seed) for seed in range(30)]
        found = ended(list(pool.run(lambda: waiting.pop() if waiting else None)))
        assert held() == before
    assert {result.status for result in found.values()} == {Status.FINISHED}
    assert len(found) == 30


def test_what_a_run_prints_goes_to_its_folder(
    results: Results, make_pool: MakePool, capfd: pytest.CaptureFixture[str]
) -> None:
    bad = job(results, options__fault="raise")
    execute_all(make_pool(), bad)
    assert (bad.path / "output.log").exists()
    assert capfd.readouterr() == ("", "")


def test_where_nothing_can_be_forked_a_spawned_run_gives_the_same(results: Results, make_pool: MakePool) -> None:
    forked, spawned, shot = job(results), job(results), job(results, **ENDLESS)
    execute_all(make_pool(), forked)
    with LocalPool(spawned.spec, 2, Spawner) as pool:
        for event in all_of(pool, spawned, shot):
            if isinstance(event, Heard) and event.job is shot:
                pool.stop(shot.run_id, Status.KILLED)
    losses = [[r.metrics["train/loss"] for r in results.run(one.run_id).readings] for one in (forked, spawned)]
    assert losses[0] == losses[1]
    assert result_of(results, shot).status is Status.KILLED


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


def test_a_job_is_the_same_on_the_other_side_of_the_socket(results: Results) -> None:
    one = replace(job(results), test=True, waits=True, facts={"data": "d"})
    assert Job.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_the_kernels_counters_are_added_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, text in {"a": "oom 5\noom_kill 2\n", "b": "pgfault 3\noom_kill 40\noom_kill_group 7\n"}.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(verdict, "OOM_COUNTERS", [str(tmp_path / name) for name in ("a", "b", "absent")])
    assert oom_kills() == 42


@pytest.mark.parametrize(
    ("code", "words"),
    [(3, "ended with exit code 3"), (-9, "was ended by SIGKILL"), (-40, "was ended by signal 40")],
)
def test_an_exit_code_in_words(code: int, words: str) -> None:
    assert how_it_ended(code) == words
