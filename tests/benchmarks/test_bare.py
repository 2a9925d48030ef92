"""What the harness costs beside a loop written by hand. `make microbench`; the sides take turns; no assertions."""

import statistics
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sides import CORE, by_command, by_hand, by_search, done, in_turns, middle, settings_of, share

from lstm_bench.speed import measured

ROUNDS = 7  # two processes differ by up to a tenth, for as long as they last
SEARCHES = 3  # which last a minute, and lie within 2 % of each other
SELDOM = 4  # readings of a run whose training alone is to be seen: evaluating leaves the allocator nothing to keep
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One in which a command has made MLflow's store before: start-up is set aside."""
    done(tmp_path, "run", "adding", "--set=train.steps=2")
    return tmp_path


@pytest.mark.parametrize("hidden", SIZES)
def test_a_run_against_the_loop_by_hand(benchmark: BenchmarkFixture, folder: Path, hidden: int) -> None:
    settings, ratios = settings_of(hidden), []

    def both() -> None:
        own, other = in_turns(by_command(folder, settings), by_hand([settings]), core=CORE)
        ratios.append(own.rate() / other.rate())

    benchmark.pedantic(both, rounds=ROUNDS)
    alone = share(folder, settings)
    benchmark.extra_info |= {"ratios": ratios, "harness_share": alone}
    benchmark.extra_info["says"] = {
        f"steps/s of `run`, files and MLflow on, against a loop by hand, hidden {hidden}": middle(ratios),
        f"its `cost/harness_share`, hidden {hidden}": f"{alone:.2%}",
    }


def test_what_the_allocator_is_worth(benchmark: BenchmarkFixture, folder: Path) -> None:
    """Hidden 256, batch 64: where glibc returns memory at each step."""
    settings = settings_of(256, 64, SELDOM)
    found: list[list[float]] = []

    def turn() -> None:
        sides = (by_command(folder, settings), by_hand([settings]), by_hand([settings], tuned=False))
        found.append([side.rate() for side in in_turns(*sides, core=CORE)])

    benchmark.pedantic(turn, rounds=ROUNDS)
    ratios = [own / untuned for own, _, untuned in found]
    _, *bare = (1e3 / statistics.median(rates) for rates in zip(*found, strict=True))
    benchmark.extra_info |= {"steps_per_second": found, "ratios": ratios}
    benchmark.extra_info["says"] = {
        "a loop by hand, hidden 256, batch 64, in a Python as it is": f"{bare[1]:.0f} ms a step",
        "the same with the allocator tuned": f"{bare[0]:.0f} ms a step",
        "steps/s of `run` against the loop in a Python as it is, hidden 256, batch 64": middle(ratios),
    }


@pytest.mark.parametrize("hidden", SIZES)
def test_the_cell_lstm_against_the_bare_layer(benchmark: BenchmarkFixture, hidden: int) -> None:
    """Both in this process: tuned alike."""
    torch.set_num_threads(1)
    ratios: list[float] = []
    benchmark.pedantic(lambda: ratios.append(1 / measured("lstm", hidden).ratio), rounds=ROUNDS)
    benchmark.extra_info |= {"ratios": ratios}
    benchmark.extra_info["says"] = {f"`lstm` against a bare `nn.LSTM`, steps/s, hidden {hidden}": middle(ratios)}


def test_a_search_against_two_processes_of_loops_by_hand(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """Sixteen trials, two workers, everything recorded, nothing pruned, from a command's start to its end."""
    trials = [{"model.hidden": (64, 32)[k % 2], "train.lr": 1e-5 * (1 + k / 16)} for k in range(16)]
    enqueued = ", ".join(f'{{ "model.hidden" = {t["model.hidden"]}, "train.lr" = {t["train.lr"]} }}' for t in trials)
    space = '[search]\n"model.hidden" = [32, 64]\n"train.lr" = { low = 1e-6, high = 1e-3, log = true }\n'
    (tmp_path / "search.toml").write_text(f"{SEARCH}enqueue = [{enqueued}]\n{space}")
    loops = [{"task": POOL, "train.steps": 1000, "train.eval_every": 200, "train.batch_size": 32, **t} for t in trials]
    pairs: list[tuple[float, float]] = []

    def both() -> None:
        search = by_search(tmp_path, "search.toml", "--workers", "2", "--name", f"s{len(pairs)}", "--force")
        by_two = by_hand(*([*loops[first::4], *loops[first + 1 :: 4]] for first in (0, 2)), tuned=False)
        own, other = in_turns(search, by_two)
        pairs.append((own.seconds(), other.seconds()))

    benchmark.pedantic(both, rounds=SEARCHES)
    own, other = (statistics.median(side) for side in zip(*pairs, strict=True))
    benchmark.extra_info |= {"pairs": pairs}
    benchmark.extra_info["says"] = {
        "a search of 16 trials, two workers, from start to end": f"{own:.1f} s",
        "the same sixteen loops by hand, in two processes": f"{other:.1f} s",
        "the search against the loops": middle([one / two for one, two in pairs]),
    }
