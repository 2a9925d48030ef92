"""What a trial costs the driver, from the first to the two thousandth. `make microbench`; figures, no assertions."""

import io
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from optuna.samplers import RandomSampler
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console

from lstm_bench.bench import run_study
from lstm_bench.desk import Desk
from lstm_bench.pool import Ended, Event
from lstm_bench.record.files import Results
from lstm_bench.suites import StudyTable
from lstm_bench.tuning.study import Question

TRIALS = 2000
MARKS = [100, 300, 500, 1000, 1500, TRIALS]  # trials between which a mean is taken


class Spent:
    """Seconds of processor time inside some of our calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        inner = getattr(owner, name)

        def timed(*arguments: Any, **named: Any) -> Any:
            since = time.process_time()
            try:
                return inner(*arguments, **named)
            finally:
                self.seconds += time.process_time() - since

        monkeypatch.setattr(owner, name, timed)


@pytest.mark.parametrize("pruner", ["none", "median"])
def test_driver_time_a_trial(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pruner: str
) -> None:
    """Two workers, runs of some 50 ms, random sampler: milliseconds of the driver's processor time a trial.

    The sampler's own draws are left out, and the forks are another process's; Optuna's journal, the files, the screen
    and what is said to MLflow's process are in it. Optuna's median goes through all trials at each reading: that part
    grows with the study.
    """
    table = StudyTable(
        {"task": "toy:Toy"},
        {"trials": TRIALS, "confirm_seeds": 1},
        {"sampler": "random", "pruner": pruner},
        {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "train.weight_decay": {"low": 0.0, "high": 1.0}},
    )
    question = Question.of(table, {"train.steps": 8, "train.eval_every": 4})
    sampler, ended = Spent(), []
    sampler.on(monkeypatch, RandomSampler, "sample_independent")
    take = Desk.take

    def counted(desk: Desk, event: Event) -> None:
        take(desk, event)
        if isinstance(event, Ended):
            ended.append(time.process_time() - sampler.seconds)

    monkeypatch.setattr(Desk, "take", counted)
    screen = Console(file=io.StringIO(), width=100)
    benchmark.pedantic(
        lambda: run_study(
            question, name="s", stem="s", results=Results(tmp_path / "results"), workers=2, console=screen
        ),
        rounds=1,
    )
    means = {
        f"{first} to {last}": 1e3 * (ended[last - 1] - ended[first - 1]) / (last - first)
        for first, last in pairwise(MARKS)
    }
    benchmark.extra_info |= {"driver_ms_a_trial": means, "runs_a_second": TRIALS / benchmark.stats.stats.mean}
