"""A recorded run once more: what is equal, what is not and from where on, and what is said of why."""

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lstm_bench import once, repro
from lstm_bench.analysis.equality import TEST, Off, compare, points
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import facts, spec_of
from lstm_bench.meter import machine
from lstm_bench.pool import Heard, Job
from lstm_bench.pool.local import LocalPool
from lstm_bench.pool.nursery import WarmServer
from lstm_bench.record.disk import as_json, write_whole
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.repro import differences, find_run, repeat
from lstm_bench.result import Reading, RunResult, Status

SPEC, _ = spec_of({"task": "toy:Toy"}, {})
DIGEST = "toy-1"  # of the toy's data
OLD = "20250101-000000-toy-00000000"


def reading(step: int, **metrics: float) -> Reading:
    return Reading(step, step, step, 0.1, 0, {name.replace("__", "/"): value for name, value in metrics.items()})


def off(before: Mapping[str, float], now: Mapping[str, float]) -> dict[str, Off]:
    return compare({10: before}, {10: now}).off


def test_runs_that_gave_the_same_are_equal_whatever_a_clock_said() -> None:
    before = [reading(10, train__loss=0.5, speed__x=1.0), reading(20, train__loss=math.nan, speed__x=2.0)]
    now = [reading(10, train__loss=0.5, speed__x=9.0), reading(20, train__loss=math.nan, speed__x=9.0)]
    equality = compare(points(before, None), points(now, None))
    assert (equality.first, equality.off, equality.alone) == (None, {}, set())
    assert equality.words() == "2 readings, 1 metric each"


def test_the_last_bit_counts() -> None:
    assert off({"a": 1.0}, {"a": math.nextafter(1.0, 0.0)}) == {"a": Off(2**-53, 2**-53)}
    assert off({"a": 0.0}, {"a": -0.0}) == {"a": Off(0.0, 0.0)}
    assert off({"a": math.nan}, {"a": 1.0}) == {"a": Off(math.inf, math.inf)}
    assert off({"a": -2.0}, {"a": 2.0}) == {"a": Off(4.0, 2.0)}
    assert not off({"a": math.inf}, {"a": math.inf})


def test_the_first_step_that_differs_is_named_and_the_worst_of_each_metric() -> None:
    before = {step: {"train/loss": 1.0, "valid/mse": 2.0} for step in (10, 20, 30)}
    now = {10: before[10], 20: {"train/loss": 1.0, "valid/mse": 1.0}, 30: {"train/loss": 1.1, "valid/mse": 1.9}}
    equality = compare(before, now)
    assert equality.first == 20
    assert equality.off["valid/mse"] == Off(1.0, 0.5)
    assert equality.off["train/loss"].absolute == pytest.approx(0.1)
    assert equality.words() == "from step 20 on; valid/mse off by at most 1 (relative 0.5)"


@pytest.mark.parametrize("missing", ["before", "now"])
def test_a_reading_that_one_of_them_lacks_is_a_difference(missing: str) -> None:
    long, short = {10: {"a": 1.0}, 20: {"a": 1.0}}, {10: {"a": 1.0}}
    equality = compare(short, long) if missing == "before" else compare(long, short)
    assert equality.words() == "from step 20 on; where one of the two has nothing"


def test_test_scores_are_compared_after_all_readings() -> None:
    readings = [reading(10, train__loss=0.5)]
    before, now = ({"best/mse": 1.0, "test/mse": score} for score in (2.0, 3.0))
    one, other = (points(readings, RunResult(Status.FINISHED, metrics)) for metrics in (before, now))
    assert compare(one, one).words() == "1 reading, 1 metric each, 1 test score"
    equality = compare(one, other)
    assert equality.first == TEST
    assert equality.words() == "in the test scores alone; test/mse off by at most 1 (relative 0.33)"


def test_a_metric_that_one_of_them_never_had_is_told_apart() -> None:
    equality = compare({10: {"a": 1.0, "old": 1.0}}, {10: {"a": 1.0, "new": 1.0}})
    assert (equality.first, equality.alone, equality.metrics) == (None, {"old", "new"}, 1)


HERE = {"facts": {"data": "d", "code": "c", "torch": "2"}, "cpu": "fast", "cores": 2, "commit": "abc",
        "versions": {"numpy": "2.4", "mlflow": "3"}}  # fmt: skip


def test_nothing_is_said_of_what_is_as_it_was() -> None:
    assert not list(differences(HERE, HERE))
    assert not list(differences({**HERE, "pid": 1, "command": "x", "versions": {"mlflow": "2"}}, HERE))


@pytest.mark.parametrize(
    ("then", "line"),
    [
        ({"facts": {**HERE["facts"], "data": "e"}}, "differs: the digest of the data, e then, d now"),
        ({"facts": {**HERE["facts"], "code": "e"}}, "differs: the digest of the code, e then, c now"),
        ({"facts": {**HERE["facts"], "torch": "1"}}, "differs: torch, 1 then, 2 now"),
        ({"cpu": "slow"}, "differs: the processor, slow then, fast now"),
        ({"cores": 64}, "differs: cores, 64 then, 2 now"),
        ({"commit": "abc+"}, "differs: the commit, abc+ then, abc now"),
        ({"python": "3.9"}, "differs: Python, 3.9 then, not known now"),
        ({"versions": {"numpy": "1.0"}}, "differs: numpy, 1.0 then, 2.4 now"),
    ],
)
def test_what_differs_beneath_is_a_line(then: dict[str, Any], line: str) -> None:
    assert list(differences({**HERE, **then}, HERE)) == [line]


def test_of_an_old_run_it_is_said_that_what_lay_beneath_is_not_known() -> None:
    (line,) = differences({name: value for name, value in HERE.items() if name != "facts"}, HERE)
    assert line.startswith("not known of it: the digests of its data and its code")


def test_a_run_is_found_by_as_much_of_its_id_as_no_other_has(results: Results) -> None:
    for name in ("20250101-toy-aa", "20250101-toy-ab", "20250101-toy-a"):
        results.run(name).begin(SPEC, {})
    assert find_run(results, "20250101-toy-ab").id == "20250101-toy-ab"
    assert find_run(results, "20250101-toy-a").id == "20250101-toy-a", "whole, though others begin with it"
    with pytest.raises(UsageError, match=r"may be any of 3: 20250101-toy-a \.\.\. 20250101-toy-ab; expected more"):
        find_run(results, "2025")
    with pytest.raises(UsageError, match=r"unknown run '20250101-toy-bb'. Did you mean '20250101-toy-ab'"):
        find_run(results, "20250101-toy-bb")


def test_of_many_runs_the_nearest_alone_are_named(results: Results) -> None:
    for number in range(9):
        results.run(f"run-{number}").begin(SPEC, {})
    with pytest.raises(UsageError) as raised:
        find_run(results, "run-77")
    assert "Did you mean 'run-7'?" in str(raised.value)
    assert str(raised.value).endswith(" and 4 more")
    with pytest.raises(UsageError, match="None is available"):
        find_run(Results(results.root / "empty"), "x")


class Lent(WarmServer):
    """A warm server that outlives the pools which use it."""

    def close(self) -> None:
        pass

    def really_close(self) -> None:
        super().close()


class Silent:
    """What stands for MLflow's writer here."""

    def __init__(self, *_: object) -> None:
        self.followed: tuple[str, ...] = ()

    def __enter__(self) -> "Silent":
        return self

    def __exit__(self, *_: object) -> None:
        assert self.followed[0] == "run", "the repetition is sent as any single run"

    def follow(self, *what: str) -> None:
        self.followed = what

    def news(self) -> list[str]:
        return []

    def finish(self, *_: str) -> list[str]:
        return []


@pytest.fixture(scope="module")
def server() -> Iterator[Lent]:
    server = Lent(SPEC)
    yield server
    server.really_close()


Record = Callable[..., RunFiles]


@pytest.fixture
def record(results: Results, server: Lent, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Records a run; what repeats it has the same warm server."""
    monkeypatch.setattr(once, "Shipper", Silent)
    monkeypatch.setattr(repro, "LocalPool", lambda spec, workers, **_: LocalPool(spec, workers, lambda _: server))

    def recorded(*, cut_at: int = 0, status: Status = Status.PRUNED, test: bool = False, **values: Any) -> RunFiles:
        spec, _ = spec_of({"task": "toy:Toy"}, {path.replace("__", "."): value for path, value in values.items()})
        files = results.run(OLD)
        jobs = [Job(spec, files.path, test=test, waits=bool(cut_at), facts=facts(spec, DIGEST))]
        with LocalPool(spec, 1, lambda _: server) as pool:
            for event in pool.run(lambda: jobs.pop() if jobs else None):
                if isinstance(event, Heard) and cut_at:
                    if event.reading.step == cut_at:
                        pool.stop(OLD, status)
                    else:
                        pool.go_on(OLD)
        return files

    return recorded


def said(results: Results, *, equal: bool) -> list[str]:
    """What a repetition prints."""
    out = io.StringIO()
    assert repeat(OLD[:8], results=results, console=Console(file=out, width=120, highlight=False)) is equal
    return out.getvalue().splitlines()


def again(results: Results) -> RunFiles:
    (name,) = {path.name for path in results.runs.iterdir()} - {OLD}
    return results.run(name)


def tamper(files: RunFiles, line: int, **metrics: float) -> None:
    lines = [json.loads(text) for text in (files.path / "readings.jsonl").read_text().splitlines()]
    lines[line]["metrics"] |= {name.replace("__", "/"): value for name, value in metrics.items()}
    write_whole(files.path / "readings.jsonl", "".join(json.dumps(one) + "\n" for one in lines))


def test_a_run_repeated_is_equal_to_the_last_bit_and_a_run_of_its_own(
    results: Results, record: Record, tmp_path: Path
) -> None:
    files = record(seed=3, options__spy=str(tmp_path / "spy"))
    lines = said(results, equal=True)
    assert lines[0] == f"run {OLD} again: it ended as finished"
    assert lines[1] == f"run {again(results).id}", "nothing differs beneath"
    assert lines[-1] == "bit-equal: 4 readings, 6 metrics each"
    assert again(results).spec == files.spec
    assert again(results).machine["facts"] == files.machine["facts"]
    assert "test" not in (tmp_path / "spy").read_text(), "the test split is for confirming runs"


def test_a_reading_that_is_not_the_same_is_found_at_its_step(results: Results, record: Record) -> None:
    files = record()
    value = files.readings[2].metrics["valid/accuracy"]
    tamper(files, 2, valid__accuracy=value / 2)
    *_, row, answer = said(results, equal=False)
    assert answer.startswith("not equal: from step 30 on; valid/accuracy off by at most ")
    assert answer.endswith("(relative 0.5)")
    assert row.split() == ["valid/accuracy", f"{value / 2:.2g}", "0.5"]


def test_a_digest_that_changed_is_said_before_anything_is_run(results: Results, record: Record) -> None:
    files = record()
    values = files.machine
    values["facts"]["data"] = "toy-0"
    write_whole(files.path / "machine.json", as_json(values))
    lines = said(results, equal=True)
    assert lines[1] == "differs: the digest of the data, toy-0 then, toy-1 now"
    assert lines[2].startswith("run ")


@pytest.mark.parametrize("status", [Status.PRUNED, Status.KILLED, Status.TIMED_OUT])
def test_a_run_that_was_ended_from_outside_is_repeated_as_far_as_it_had_come(
    results: Results, record: Record, status: Status
) -> None:
    files = record(cut_at=20, status=status)
    assert files.result
    assert files.result.status is status
    assert said(results, equal=True)[-1] == "bit-equal: 2 readings, 6 metrics each"
    result = again(results).result
    assert result
    assert (result.status, [r.step for r in again(results).readings]) == (Status.PRUNED, [10, 20])
    assert result.reason == f"run {OLD}, which it repeats, has no more readings"


def test_a_run_without_a_result_was_killed(results: Results, record: Record) -> None:
    files = record()
    (files.path / "result.json").unlink()
    assert said(results, equal=True)[0] == f"run {OLD} again: it ended as killed"


def test_a_confirming_run_is_tested_again(results: Results, record: Record) -> None:
    files = record(test=True)
    assert said(results, equal=True)[-1] == "bit-equal: 4 readings, 6 metrics each, 1 test score"
    assert again(results).result.floors  # type: ignore[union-attr]
    assert files.result
    values = {**files.result.to_dict(), "metrics": {**files.result.metrics, "test/accuracy": 0.25}}
    files.end(RunResult.from_dict(values))
    for path in again(results).path.iterdir():
        path.unlink()
    again(results).path.rmdir()
    assert said(results, equal=False)[-1].startswith("not equal: in the test scores alone; test/accuracy off by")


@pytest.mark.parametrize(
    ("fault", "status"), [("nan", Status.DIVERGED), ("raise", Status.CRASHED), ("memory", Status.OUT_OF_MEMORY)]
)
def test_a_run_that_went_wrong_goes_wrong_again(results: Results, record: Record, fault: str, status: Status) -> None:
    files = record(options__fault=fault)
    assert said(results, equal=True)[-1] == "bit-equal: 1 reading, 6 metrics each"
    assert files.result
    result = again(results).result
    assert result
    assert (result.status, result.reason) == (status, files.result.reason)


def test_a_run_that_crashed_and_does_not_any_more_is_not_equal(results: Results, record: Record) -> None:
    files = record()
    crashed = RunResult(Status.CRASHED, reason="RuntimeError: odd")
    files.end(crashed)
    expected = "not equal: it ended as crashed (RuntimeError: odd) then, as finished now"
    assert said(results, equal=False)[-1] == expected


def test_a_run_that_crashes_for_another_reason_is_not_equal(results: Results, record: Record) -> None:
    files = record(options__fault="raise")
    assert files.result
    files.end(RunResult(Status.CRASHED, reason="RuntimeError: odd"))
    answer = said(results, equal=False)[-1]
    assert answer.endswith("then, as crashed (RuntimeError: the toy broke) now")


def test_where_the_repetition_breaks_down_there_is_no_answer(results: Results, record: Record) -> None:
    files = record(options__fault="raise")
    files.end(RunResult(Status.FINISHED))
    with pytest.raises(BenchError, match=rf"ended as crashed \(RuntimeError: the toy broke\).* compared with {OLD}"):
        said(results, equal=False)


def test_a_run_without_readings_or_without_its_task_is_one_line(results: Results) -> None:
    files = results.run(OLD)
    files.begin(SPEC, machine())
    with pytest.raises(BenchError, match=f"run {OLD} has no reading to compare with: it ended as killed"):
        said(results, equal=False)
    files.log(reading(10, train__loss=0.5))
    text = (files.path / "spec.toml").read_text()
    (files.path / "spec.toml").write_text(text.replace("toy:Toy", "nowhere:Toy"))
    with pytest.raises(BenchError, match=f"run {OLD} cannot be run here: .*nowhere") as raised:
        said(results, equal=False)
    assert raised.value.exit_code == 4
