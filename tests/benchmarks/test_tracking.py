"""What tracking costs, and how far it goes. `make microbench`; figures, no assertions on time."""

import io
import os
import statistics
import time
from pathlib import Path

import pytest
from made import make_study
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console
from served import serving
from visitor import TRIAL, Visitor, chromium, started

from lstm_bench.bench import run_study
from lstm_bench.desk import Desk
from lstm_bench.pool import Event, Heard
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles, new_run_id
from lstm_bench.record.syncing import Syncing
from lstm_bench.result import Reading, Status
from lstm_bench.spec import RunSpec
from lstm_bench.suites import StudyTable
from lstm_bench.tracking.sync import sync
from lstm_bench.tuning.study import Question

READINGS = 2000
SHOWN = 5000  # runs


def test_a_store_made_anew_from_1000_runs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """`lstm-bench sync --rebuild` of 1,000 runs x 200 readings x 10 metrics, with as many processes as cores."""
    results, cores = Results(tmp_path / "results"), len(os.sched_getaffinity(0))
    make_study(results, "large", trials=1000, readings=200, metrics=10, ends=[Status.FINISHED])
    said = benchmark.pedantic(lambda: list(sync(results, rebuild=True, workers=cores)), rounds=1)
    assert said[-1] == "large: 1000 of 1000 runs sent"
    points, seconds = 1000 * 200 * 10, benchmark.stats.stats.mean
    benchmark.extra_info["says"] = {
        f"`sync --rebuild` of 1,000 runs x 200 readings x 10 metrics, {cores} processes": f"{seconds:.0f} s",
        f"the store of {points / 1e6:.0f} million points": f"{results.mlflow_db.stat().st_size / 2**20:.0f} MiB",
    }


def test_what_a_reading_costs_its_run(benchmark: BenchmarkFixture, results: Results) -> None:
    """Milliseconds of the run's own time to append a reading of ten metrics and see to it that it comes to the disk."""
    files = RunFiles(results.run(new_run_id("toy")).path)
    files.begin(RunSpec(task="adding"), {})
    syncing = Syncing(files.sync)
    metrics = {f"room/metric_{number}": 0.1 * number for number in range(10)}
    milliseconds: list[float] = []

    def log_all() -> None:
        for step in range(READINGS):
            since = time.perf_counter()
            files.log(Reading(step, step, step, float(step), step, metrics))
            syncing.due()
            milliseconds.append(1e3 * (time.perf_counter() - since))

    benchmark.pedantic(log_all, rounds=1)
    assert len(files.readings) == READINGS
    hundredths = statistics.quantiles(milliseconds, n=100)
    said = f"{hundredths[49]:.2f} ms median, {hundredths[98]:.2f} ms in 99 of 100"
    benchmark.extra_info["says"] = {"a reading of ten metrics, for its run": said}


def test_what_a_reading_costs_the_driver(
    benchmark: BenchmarkFixture, results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Milliseconds of the driver's processor time a reading: hearing it, Optuna's report, the pruner, the screen.

    One trial of 1,000 readings on one worker, so the pruner has no other to look at. MLflow is another process's.
    """
    question = Question.of(
        StudyTable({"task": "toy:Toy"}, {"trials": 1, "confirm_seeds": 1}),
        {"train.steps": READINGS // 2, "train.eval_every": 1},
    )
    heard: list[float] = []
    take = Desk.take

    def counted(desk: Desk, event: Event) -> None:
        take(desk, event)
        if isinstance(event, Heard):
            heard.append(time.process_time())

    monkeypatch.setattr(Desk, "take", counted)
    screen = Console(file=io.StringIO(), width=100)
    benchmark.pedantic(
        lambda: run_study(question, name="s", stem="s", results=results, workers=1, console=screen), rounds=1
    )
    readings = heard[: READINGS // 2]
    spent = 1e3 * (readings[-1] - readings[0]) / (len(readings) - 1)
    benchmark.extra_info["says"] = {"a reading, for the driver": f"{spent:.2f} ms of processor time"}


def test_the_run_table_at_5000_runs(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seconds from an address to its first run in a new browser; and of `mlflow.search_runs` of all of them."""
    import mlflow  # after our own package, which tells it not to call home

    path = chromium()
    if not path:
        pytest.skip("no Chromium: `apt-get install chromium`")
    results = Results(tmp_path / "results")
    make_study(results, "large", trials=SHOWN, readings=3, metrics=5, ends=[Status.FINISHED])
    list(sync(results, workers=len(os.sched_getaffinity(0))))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", results.mlflow_uri)
    since = time.perf_counter()
    frame = mlflow.search_runs(experiment_names=["toy:Toy"])
    searched = time.perf_counter() - since
    assert len(frame) == SHOWN + 1  # the study itself
    stood, unfolded = [], []
    with serving(tmp_path) as ui, started(path) as browser:

        def visit() -> None:
            visitor, since = Visitor(browser), time.perf_counter()
            visitor.go(ui.runs("toy:Toy"))
            visitor.run("large").wait_for()
            stood.append(time.perf_counter() - since)
            visitor.unfold("large")
            visitor.run(TRIAL).wait_for()
            unfolded.append(time.perf_counter() - since - stood[-1])
            visitor.leave()

        benchmark.pedantic(visit, rounds=5)
    benchmark.extra_info["says"] = {
        f"MLflow's table of a study of {SHOWN:,} runs, until it stands": f"{statistics.median(stood):.1f} s",
        "until it is unfolded": f"{statistics.median(unfolded):.1f} s more",
        f"`mlflow.search_runs` of {SHOWN:,} runs": f"{searched:.1f} s",
    }
