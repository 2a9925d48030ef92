"""The speeds that the README gives. `make microbench`; figures, not assertions: a busy machine fails no test."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from shell import call

from lstm_bench.execute import spec_of
from lstm_bench.pool import Heard, Job
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.run import new_run_id

SEARCH = """
task = "adding"
trials = 12
confirm_seeds = 1
options.length = 100
model.hidden = 32
train = { steps = 800, eval_every = 200, lr = 1e-4 }
search."model.forget_bias" = [1.0, 1.5]
prune_after = 1000
"""


def test_start_of_a_run_on_the_warm_server(benchmark: BenchmarkFixture, results: Results) -> None:
    """From the driver's request to the run's first reading, one step of the smallest model with it."""
    spec, _ = spec_of({"task": "toy:Toy"}, {"train.steps": 1})
    milliseconds: list[float] = []
    with LocalPool(spec, 1) as pool:
        assert pool.data_digest

        def start() -> None:
            waiting = [Job(spec, results.run(new_run_id("toy")).path)]
            began = time.perf_counter()
            told = pool.run(lambda: waiting.pop() if waiting else None)
            milliseconds.extend(1e3 * (time.perf_counter() - began) for event in told if isinstance(event, Heard))

        benchmark.pedantic(start, rounds=20, warmup_rounds=2)
    benchmark.extra_info["to_first_reading_ms"] = statistics.median(milliseconds)


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"]])
def test_answering_without_work(benchmark: BenchmarkFixture, arguments: list[str]) -> None:
    command = [str(Path(sys.executable).with_name("lstm-bench")), *arguments]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=10, warmup_rounds=1)


def test_two_workers_against_one(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Twelve trials of a small model, nothing pruned, by the whole command; alternating, three times each."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two workers need two cores")
    (tmp_path / "small.toml").write_text(SEARCH)
    seconds: dict[int, list[float]] = {1: [], 2: []}

    def both() -> None:
        for workers in (1, 2):
            name = f"w{workers}-{len(seconds[workers])}"
            done = call(tmp_path, "search", "small.toml", "--workers", str(workers), "--name", name, timeout=600)
            assert done.returncode == 0, done.stderr
            seconds[workers].append(searching_seconds(Results(tmp_path / "results"), name))

    benchmark.pedantic(both, rounds=3)
    ratios = [one / two for one, two in zip(seconds[1], seconds[2], strict=True)]
    benchmark.extra_info |= {"seconds": seconds, "ratios": ratios, "ratio_median": statistics.median(ratios)}


def searching_seconds(results: Results, name: str) -> float:
    """From the study's beginning to the end of its last trial, by the files' own times."""
    study = results.study(name)
    ends = [(results.run(line.run).path / "result.json").stat().st_mtime for line in study.searched]
    starts = [(results.run(line.run).path / "spec.toml").stat().st_mtime for line in study.searched]
    return max(ends) - min(starts)
