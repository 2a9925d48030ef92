"""How far one driver goes: the real one, with a thousand workers that train nothing. `make measured WHAT=crowd`."""

import io
import statistics
import time
from pathlib import Path
from typing import Any

import pytest
from crowd import READINGS, Crowd, Square
from pytest_benchmark.fixture import BenchmarkFixture
from rich.console import Console

from lstm_bench.bench import run_study
from lstm_bench.record.files import Results
from lstm_bench.suites import StudyTable
from lstm_bench.tuning.asker import Asker
from lstm_bench.tuning.study import Question

WORKERS, SECONDS = 1000, 60.0  # runs at once, and how long one lasts in the mean
MINUTES = 4.0
ASKS = 100  # that a median is of
LEFT = SECONDS / WORKERS  # seconds from a run's end to the next one's: an ask that takes longer is the knee


def question(sampler: str, pruner: str) -> Question:
    space = {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}, "model.dropout": {"low": 0.0, "high": 0.5},
             "train.weight_decay": {"low": 0.0, "high": 1.0}}  # fmt: skip
    budget = {"trials": 10**6, "minutes": MINUTES, "confirm_seeds": 0}
    table = StudyTable({"task": "toy:Toy"}, budget, {"sampler": sampler, "pruner": pruner}, space)
    return Question.of(table, {"train.steps": 1000, "train.eval_every": 1000 // READINGS})


def spread(seconds: list[float]) -> str:
    """Their median and 99 % quantile; nothing where there are none."""
    if len(seconds) < 2:
        return ""
    return f"{1e3 * statistics.median(seconds):.0f} ms, 99 %: {1e3 * statistics.quantiles(seconds, n=100)[-1]:.0f} ms"


@pytest.mark.parametrize(("sampler", "pruner"), [("random", "none"), ("random", "median"), ("tpe", "none")])
def test_a_thousand_workers(
    benchmark: BenchmarkFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sampler: str, pruner: str
) -> None:
    crowd, asks = Crowd(WORKERS, SECONDS), []
    ask = Asker.ask

    def timed(asker: Asker) -> Any:
        since = time.perf_counter()
        try:
            return ask(asker)
        finally:
            asks.append(time.perf_counter() - since)

    monkeypatch.setattr(Asker, "ask", timed)

    def study() -> None:
        run_study(
            question(sampler, pruner),
            name="crowd",
            stem="crowd",
            results=Results(tmp_path / "results"),
            workers=WORKERS,
            console=Console(file=io.StringIO(), width=100),
            place=Square(crowd),  # type: ignore[arg-type]  # all that is asked of a place
        )

    benchmark.pedantic(study, rounds=1)
    behind = time.monotonic() - crowd.ended
    first, last = crowd.begun[WORKERS - 1], crowd.begun[-1]  # from when all had one until none was given any more
    driver = (crowd.computed[-1] - crowd.computed[WORKERS - 1]) / (last - first)
    waited = crowd.idle[WORKERS:]
    share = 1 - sum(waited) / (WORKERS * (last - first))
    later = {at: statistics.median(asks[at - ASKS : at]) for at in range(1000, len(asks) + 1, 1000)}
    slow = (at for at in range(ASKS, len(asks) + 1) if statistics.median(asks[at - ASKS : at]) > LEFT)
    knee = next((f"{at:,}" for at in slow), "")
    what = f"{sampler}, pruner {pruner}"
    told = {
        "workers busy": f"{share:.1%}",
        "trials/s": f"{len(waited) / (last - first):.1f}",
        "the driver's processor": f"{driver:.0%} of a core",
        "until each worker had a run": f"{first - crowd.begun[0]:.0f} s",
        "a worker's wait for the next run": spread(waited),
        "a reading heard after it was due": spread(crowd.late),
        "from a reading to the word to end": spread(crowd.pruned),
        "an ask, at so many trials": ", ".join(f"{at:,}: {1e3 * seconds:.1f} ms" for at, seconds in later.items()),
        f"trials from which an ask takes more than the {1e3 * LEFT:.0f} ms that the workers leave it": knee,
        "until MLflow had everything, after the last run": f"{behind:.0f} s",
    }
    benchmark.extra_info |= {"asks": later, "driver": driver, "runs": len(crowd.begun)}
    benchmark.extra_info["says"] = {f"{what}: {name}": said for name, said in told.items() if said}
