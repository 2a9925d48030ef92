"""What the harness costs beside a loop written by hand. `make microbench`; interleaved ratios, no assertions."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from shell import command, environment

from lstm_bench.allocator import KEEP_MEMORY
from lstm_bench.checkpoint import CHECKPOINT_SECONDS
from lstm_bench.record.files import Results
from lstm_bench.speed import measured

ROUNDS = 3  # of each side, in turns
SECONDS = 10.0  # that a run trains, about
READINGS = 10  # of a run
SELDOM = 4  # of a run whose training alone is to be seen: evaluating leaves the allocator nothing to keep
BARE = Path(__file__).with_name("bare.py")
SIZES = (32, 64, 128, 256)

POOL = "pooled:Pooled"  # 6,400 adding sequences of 100 steps, drawn once; 640 to evaluate on
SEARCH = """
task = "pooled:Pooled"
trials = 16
confirm_seeds = 0
pruner = "none"
sampler = "random"
train = { steps = 1000, eval_every = 200, batch_size = 32 }
"""


class Rate(NamedTuple):
    """Of a run: steps a second from its first reading to its last, and the share of its time that the harness took."""

    steps: float
    share: float = 0.0


def begun(*settings: dict[str, Any], tuned: bool = True) -> "subprocess.Popen[str]":
    """The loops by hand, one after the other in a process of their own."""
    plain = {name: value for name, value in environment().items() if name not in KEEP_MEMORY}
    return subprocess.Popen(
        [sys.executable, str(BARE), *map(json.dumps, settings)],
        env=plain | (KEEP_MEMORY if tuned else {}) | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> list[dict[str, float]]:
    """What they printed."""
    said, _ = process.communicate()
    assert process.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


def rate(points: Sequence[tuple[float, float]]) -> float:
    """Steps a second, from the first evaluation's end to the last one's."""
    (first, since), (last, until) = points[0], points[-1]
    return (last - first) / (until - since)


def by_hand(settings: dict[str, Any], *, tuned: bool = True) -> Rate:
    return Rate(rate([(point["step"], point["at"]) for point in ended(begun(settings, tuned=tuned))]))


def by_command(folder: Path, settings: dict[str, Any]) -> Rate:
    """The same as `lstm-bench run`, with files and MLflow."""
    known = set(Results(folder / "results").runs.glob("*"))
    given = [f"--set={path}={value}" for path, value in settings.items() if path != "task"]
    train(folder, "run", settings["task"], *given)
    (path,) = set(Results(folder / "results").runs.glob("*")) - known
    run = Results(folder / "results").run(path.name)
    assert run.result is not None
    points = [(reading.step, reading.time_ms / 1e3) for reading in run.readings]
    return Rate(rate(points), run.result.metrics["cost/harness_share"])


def train(folder: Path, *arguments: str) -> None:
    """Our command; unlike in tests, a state is kept as often as a user's is."""
    plain = {name: value for name, value in environment().items() if name != CHECKPOINT_SECONDS}
    subprocess.run(command(*arguments), cwd=folder, env=plain, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One in which a command has made MLflow's store before: start-up is set aside."""
    train(tmp_path, "run", "adding", "--set=train.steps=2")
    return tmp_path


def settings_of(hidden: int, batch: int = 32, readings: int = READINGS) -> dict[str, Any]:
    """A run of some seconds, by the speed of a short one."""
    settings = {"task": "adding", "model.hidden": hidden, "train.batch_size": batch, "train.lr": 1e-5}
    short = by_hand({**settings, "train.steps": 60, "train.eval_every": 20})
    window = max(1, round(short.steps * SECONDS / readings))
    return {**settings, "train.steps": readings * window, "train.eval_every": window}


@pytest.mark.parametrize("hidden", SIZES)
def test_a_run_against_the_loop_by_hand(benchmark: BenchmarkFixture, folder: Path, hidden: int) -> None:
    settings = settings_of(hidden)
    pairs: list[tuple[Rate, Rate]] = []
    benchmark.pedantic(
        lambda: pairs.append((by_command(folder, settings), by_hand(settings))), rounds=ROUNDS, warmup_rounds=0
    )
    ratio = statistics.median(own.steps / other.steps for own, other in pairs)
    share = statistics.median(own.share for own, _ in pairs)
    benchmark.extra_info |= {"pairs": pairs, "ratio": ratio, "harness_share": share}
    benchmark.extra_info["says"] = {
        f"steps/s of `run`, files and MLflow on, against a loop by hand, hidden {hidden}": f"{ratio:.3f}",
        f"its `cost/harness_share`, hidden {hidden}": f"{share:.2%}",
    }


def test_what_the_allocator_is_worth(benchmark: BenchmarkFixture, folder: Path) -> None:
    """Hidden 256, batch 64: where glibc returns memory at each step."""
    settings = settings_of(256, 64, SELDOM)
    found: dict[str, list[float]] = {"run": [], "tuned": [], "untuned": []}

    def turn() -> None:
        found["run"].append(by_command(folder, settings).steps)
        found["tuned"].append(by_hand(settings).steps)
        found["untuned"].append(by_hand(settings, tuned=False).steps)

    benchmark.pedantic(turn, rounds=ROUNDS)
    ratio = statistics.median(own / other for own, other in zip(found["run"], found["untuned"], strict=True))
    bare = {side: 1e3 / statistics.median(found[side]) for side in ("tuned", "untuned")}
    benchmark.extra_info |= {"steps_per_second": found, "ratio": ratio}
    benchmark.extra_info["says"] = {
        "a loop by hand, hidden 256, batch 64, in a Python as it is": f"{bare['untuned']:.0f} ms a step",
        "the same with the allocator tuned": f"{bare['tuned']:.0f} ms a step",
        "steps/s of `run` against the loop in a Python as it is, hidden 256, batch 64": f"{ratio:.2f}",
    }


@pytest.mark.parametrize("hidden", SIZES)
def test_the_cell_lstm_against_the_bare_layer(benchmark: BenchmarkFixture, hidden: int) -> None:
    """Both in this process: tuned alike."""
    found = benchmark.pedantic(lambda: measured("lstm", hidden), rounds=1)
    benchmark.extra_info["says"] = {
        f"`lstm` against a bare `nn.LSTM`, steps/s, hidden {hidden}": f"{1 / found.ratio:.3f}"
    }


def test_a_search_against_two_processes_of_loops_by_hand(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Sixteen trials, two workers, everything recorded, nothing pruned, from a command's start to its end."""
    trials = [{"model.hidden": (64, 32)[k % 2], "train.lr": 1e-5 * (1 + k / 16)} for k in range(16)]
    enqueued = ", ".join(f'{{ "model.hidden" = {t["model.hidden"]}, "train.lr" = {t["train.lr"]} }}' for t in trials)
    space = '[search]\n"model.hidden" = [32, 64]\n"train.lr" = { low = 1e-6, high = 1e-3, log = true }\n'
    (tmp_path / "search.toml").write_text(f"{SEARCH}enqueue = [{enqueued}]\n{space}")
    loops = [{"task": POOL, "train.steps": 1000, "train.eval_every": 200, "train.batch_size": 32, **t} for t in trials]
    pairs: list[tuple[float, float]] = []

    def both() -> None:
        since = time.perf_counter()
        train(tmp_path, "search", "search.toml", "--workers", "2", "--name", f"s{len(pairs)}", "--force")
        between = time.perf_counter()
        for process in [begun(*loops[first::4], *loops[first + 1 :: 4], tuned=False) for first in (0, 2)]:
            ended(process)
        pairs.append((between - since, time.perf_counter() - between))

    benchmark.pedantic(both, rounds=ROUNDS)
    own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    benchmark.extra_info |= {"pairs": pairs}
    benchmark.extra_info["says"] = {
        "a search of 16 trials, two workers, from start to end": f"{own:.1f} s",
        "the same sixteen loops by hand, in two processes": f"{other:.1f} s",
        "the search against the loops": f"{statistics.median(one / two for one, two in pairs):.2f}",
    }
