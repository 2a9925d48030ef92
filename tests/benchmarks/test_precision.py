"""Where `train.precision = "auto"` is bfloat16: what a training step gains by it, cell by cell and size by size."""

import statistics
from collections.abc import Callable

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lstm_bench.device import FASTER_FROM
from lstm_bench.meter import Stopwatch, has_native_bfloat16
from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec, Precision, TrainSpec
from lstm_bench.train_state import TrainState
from lstm_bench.training import train_window
from lstm_bench_tasks.synthetic.adding import Adding

TASK, SIZES, ROUNDS = Adding(length=100), (32, 64, 128, 256, 512), 3


def window(model: ModelSpec, precision: Precision) -> Callable[[], float]:
    """What trains some steps, the more the smaller the model is, and gives their seconds."""
    torch.manual_seed(0)
    spec = TrainSpec(eval_every=max(2, 1500 // model.hidden), precision=precision)
    state = TrainState.fresh(SequenceModel(TASK.signature, model), spec, seed=0, device=torch.device("cpu"))
    batches = TASK.batches("train", spec.batch_size, seed=0)

    def seconds() -> float:
        with Stopwatch() as watch:
            train_window(state, TASK, spec, batches, share=lambda: 0.0)
        return watch.seconds

    return seconds


@pytest.mark.parametrize("cell", sorted(FASTER_FROM))
def test_a_step_in_bfloat16_against_one_in_float32(benchmark: BenchmarkFixture, cell: str) -> None:
    """How many times as fast, at each size; the windows of the two take turns, and the first of each is dropped."""
    if not has_native_bfloat16("cpu"):
        pytest.skip("the processor has no instructions for bfloat16")
    torch.set_num_threads(1)
    gains: dict[int, float] = {}

    def measure() -> None:
        for hidden in SIZES:
            slow, fast = (window(ModelSpec(cell=cell, hidden=hidden), kind) for kind in ("float32", "bfloat16"))
            gains[hidden] = statistics.median([slow() / fast() for _ in range(ROUNDS + 1)][1:])

    benchmark.pedantic(measure, rounds=1)
    benchmark.extra_info |= {"times_as_fast": gains, "auto_from": FASTER_FROM[cell]}
