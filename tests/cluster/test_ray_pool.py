"""The pool of a Ray cluster keeps the contract of the local one."""

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import facts, spec_of
from lstm_bench.pool import Ended, Event, Heard, Job, Pool, Started
from lstm_bench.pool.local import LocalPool
from lstm_bench.pool.place import Place
from lstm_bench.record.files import Results
from lstm_bench.record.run import new_run_id
from lstm_bench.result import RunResult, Status

pytestmark = pytest.mark.cluster
SLOW = {"options.fault": "slow", "options.at": 0}  # 0.05 s a step
MakePool = Callable[..., Any]


@pytest.fixture(scope="module")
def machine(cluster: Any) -> Any:
    return cluster.add_node(num_cpus=2)


@pytest.fixture
def make_pool(cluster: Any, machine: Any, monkeypatch: pytest.MonkeyPatch) -> MakePool:
    del machine  # it is there
    monkeypatch.setenv("LSTM_BENCH_CHECKPOINT_SECONDS", "0")
    warm, _ = spec_of({"task": "toy:Toy"}, {})

    def make(workers: int = 1, run_timeout: float | None = None, **options: Any) -> Any:
        place = Place(kind="ray", ray_address=cluster.address, **options)
        return place.pool(warm, workers, run_timeout)

    return make


def job(results: Results, settings: dict[str, Any] | None = None, **more: Any) -> Job:
    spec, _ = spec_of({"task": "toy:Toy"}, settings or {})
    return Job(spec, results.run(new_run_id("toy")).path, **more)


def all_of(pool: Pool, *jobs: Job) -> Iterator[Event]:
    waiting = list(jobs)
    return pool.run(lambda: waiting.pop(0) if waiting else None)


def ended(events: list[Event]) -> dict[str, RunResult]:
    return {event.job.run_id: event.result for event in events if isinstance(event, Ended)}


def steps(results: Results, one: Job) -> list[int]:
    return [reading.step for reading in results.run(one.run_id).readings]


def test_a_run_is_told_and_kept_as_on_the_local_pool(results: Results, make_pool: MakePool) -> None:
    here, there = job(results, test=True), job(results, test=True)
    with LocalPool(here.spec, 1) as pool:
        beneath = facts(here.spec, pool.data_digest)
        list(all_of(pool, replace(here, facts=beneath)))
    with make_pool() as pool:
        assert pool.data_digest == beneath["data"]
        events = list(all_of(pool, replace(there, facts=beneath)))
    assert [type(event) for event in events] == [Started, Heard, Heard, Heard, Heard, Ended]
    ours, theirs = results.run(here.run_id), results.run(there.run_id)
    assert [event.reading for event in events if isinstance(event, Heard)] == theirs.readings
    assert ended(events) == {there.run_id: theirs.result}
    for readings in (ours.readings, theirs.readings):
        assert len(readings) == 4
    alike = [[(one.step, one.metrics["train/loss"], one.metrics["valid/accuracy"]) for one in files.readings]
             for files in (ours, theirs)]  # fmt: skip
    assert alike[0] == alike[1]
    assert {path.name for path in ours.path.iterdir()} == {path.name for path in theirs.path.iterdir()}
    assert ours.weights.read_bytes() == theirs.weights.read_bytes()
    assert ours.machine["fingerprint"] == theirs.machine["fingerprint"]


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("raise", Status.CRASHED, "RuntimeError: the toy broke"),
        ("exit", Status.CRASHED, "its process ended and left no result; the last reading was at step 10"),
    ],
)
def test_one_bad_run_harms_nobody(
    results: Results, make_pool: MakePool, fault: str, status: Status, reason: str
) -> None:
    bad, good = job(results, {"options.fault": fault}), job(results)
    with make_pool(2) as pool:
        found = ended(list(all_of(pool, bad, good)))
    assert found[bad.run_id].status is status
    assert reason in (found[bad.run_id].reason or "")
    assert results.run(bad.run_id).result == found[bad.run_id]
    assert found[good.run_id].status is Status.FINISHED


def test_a_run_that_waits_hears_each_word_and_ends_at_the_very_reading(results: Results, make_pool: MakePool) -> None:
    one = job(results, {"train.steps": 1000}, waits=True)
    with make_pool() as pool:
        for event in all_of(pool, one):
            if isinstance(event, Heard):
                assert steps(results, one)[-1] == event.reading.step
                if event.reading.step == 30:
                    pool.stop(one.run_id, Status.PRUNED, "enough")
                else:
                    pool.go_on(one.run_id)
    assert steps(results, one) == [10, 20, 30]
    found = results.run(one.run_id).result
    assert found is not None
    assert (found.status, found.reason) == (Status.PRUNED, "enough")


def test_a_run_that_hangs_is_timed_out(results: Results, make_pool: MakePool) -> None:
    hanging = job(results, {"options.fault": "hang", "options.at": 12})
    with make_pool(run_timeout=3) as pool:
        found = ended(list(all_of(pool, hanging)))[hanging.run_id]
    assert found.status is Status.TIMED_OUT
    assert (found.reason or "").startswith("no end after 3 s (--run-timeout); the last reading was at step 10")
    assert "time.sleep(10**6)" in (found.traceback or "")


def test_ctrl_c_ends_runs_and_those_that_wait_for_room(results: Results, make_pool: MakePool) -> None:
    jobs = [job(results, {**SLOW, "train.steps": 100_000}) for _ in range(3)]  # and there is room for two
    events = []
    with make_pool(3) as pool, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        for event in all_of(pool, *jobs):
            events.append(event)
            if [type(one) for one in events].count(Heard) == 1 and isinstance(event, Heard):  # a second one cuts short
                os.kill(os.getpid(), signal.SIGINT)
    assert [ended(events)[one.run_id].status for one in jobs] == [Status.KILLED] * 3
    assert not any(results.run(one.run_id).is_alive for one in jobs)


@pytest.mark.parametrize("storage", [None, "kept"])
def test_a_run_whose_machine_dies_goes_on_elsewhere_from_its_checkpoint(
    results: Results, cluster: Any, make_pool: MakePool, tmp_path: Path, storage: str | None
) -> None:
    whole = job(results, {"train.steps": 60, "train.eval_every": 5})
    shot = job(results, {**SLOW, "train.steps": 60, "train.eval_every": 5})
    kept = tmp_path / storage if storage else None
    doomed = cluster.add_node(num_cpus=2, num_gpus=1)  # a run that claims a share of its card can be nowhere else
    results_told, heard, waiting, spare = [], [], [shot], None
    with make_pool(gpus_per_run=0.5, storage_path=kept and str(kept)) as pool:
        for event in pool.run(lambda: waiting.pop() if waiting else None):
            if isinstance(event, Heard):
                heard.append(event.reading.step)
                if event.reading.step == 20 and doomed:
                    cluster.remove_node(doomed, allow_graceful=False)
                    doomed = None
                    spare = cluster.add_node(num_cpus=2, num_gpus=1)
            if isinstance(event, Ended):
                results_told.append(event.result)
                if event.result.status is Status.KILLED:
                    resumed = len(heard)
                    waiting.append(shot)
    cluster.remove_node(spare)  # the next test's must be the only one with a card
    killed, finished = results_told
    assert "its machine is gone" in (killed.reason or "")
    assert finished.status is Status.FINISHED
    assert steps(results, shot) == list(range(5, 61, 5))
    assert heard[resumed:] == list(range(5, 61, 5))  # those that it kept are told once more
    with LocalPool(whole.spec, 1) as pool:
        list(all_of(pool, whole))
    losses = [[one.metrics["train/loss"] for one in results.run(run.run_id).readings] for run in (whole, shot)]
    assert losses[0] == losses[1]
    seconds = [one.seconds for one in results.run(shot.run_id).readings]
    assert seconds == sorted(seconds)
    if kept:
        assert list(kept.iterdir()) == []


def test_data_that_cannot_be_read_are_one_line(cluster: Any, machine: Any) -> None:
    del machine
    spec, _ = spec_of({"task": "toy:Toy"}, {"options.fault": "unreadable"})
    place = Place(kind="ray", ray_address=cluster.address)
    with place.pool(spec, 1) as pool, pytest.raises(BenchError, match="cannot be read: OSError: no disk"):
        _ = pool.data_digest


def test_a_machine_with_other_code_is_refused(results: Results, make_pool: MakePool) -> None:
    one = job(results)
    beneath = facts(one.spec, "toy-1") | {"code": "another"}
    with make_pool() as pool, pytest.raises(BenchError, match=r"is not like this one: code .* there, another here"):
        list(all_of(pool, replace(one, facts=beneath)))


def test_there_is_room_for_as_many_as_the_machines_have_cores(cluster: Any, machine: Any) -> None:
    del machine
    import ray

    found = Place(kind="ray", ray_address=cluster.address).workers()
    assert found == sum(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
    with pytest.raises(UsageError, match="no machine of the Ray cluster has the 1000 CPU that a run claims"):
        Place(kind="ray", ray_address=cluster.address, cpus_per_run=1000).workers()


def test_no_cluster_at_an_address_is_one_line() -> None:
    ray = pytest.importorskip("ray")
    ray.shutdown()
    with pytest.raises(UsageError, match=r"--ray-address 127\.0\.0\.1:1: no Ray cluster answers there"):
        Place(kind="ray", ray_address="127.0.0.1:1").workers()
