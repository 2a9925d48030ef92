"""Where `train.precision = "auto"` is bfloat16: what a training step gains by it, cell by cell and size by size."""

import statistics
from collections.abc import Iterator

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lstm_bench.device import FASTER_FROM
from lstm_bench.meter import Watch, has_native_bfloat16
from lstm_bench.model import SequenceModel
from lstm_bench.result import Reading
from lstm_bench.spec import ModelSpec, Precision, TrainSpec
from lstm_bench.training import TrainState, train
from lstm_bench_tasks.synthetic.adding import Adding

TASK, SIZES, ROUNDS = Adding(length=100), (32, 64, 128, 256, 512), 5


def windows(model: ModelSpec, precision: Precision) -> Iterator[Reading]:
    """The trainer's own readings, a window of some 0.3 s each."""
    torch.manual_seed(0)
    spec = TrainSpec(steps=10**6, eval_every=max(2, 3000 // model.hidden), precision=precision)
    state = TrainState.fresh(SequenceModel(TASK.signature, model), spec, seed=0, device=torch.device("cpu"))
    return train(state, TASK, spec, watch=Watch())


@pytest.mark.parametrize("cell", sorted(FASTER_FROM))
def test_a_step_in_bfloat16_against_one_in_float32(benchmark: BenchmarkFixture, cell: str) -> None:
    """How many times as fast, at each size; the windows of the two take turns, and the first of each is dropped."""
    if not has_native_bfloat16("cpu"):
        pytest.skip("the processor has no instructions for bfloat16")
    torch.set_num_threads(1)
    gains: dict[int, float] = {}

    def measure() -> None:
        for hidden in SIZES:
            both = [windows(ModelSpec(cell=cell, hidden=hidden), precision) for precision in ("float32", "bfloat16")]
            speeds = [
                [next(one).metrics["speed/window_timesteps_per_second"] for one in both] for _ in range(ROUNDS + 1)
            ]
            gains[hidden] = statistics.median(fast / slow for slow, fast in speeds[1:])

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= {"times_as_fast": gains, "auto_from": FASTER_FROM[cell]}
