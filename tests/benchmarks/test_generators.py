"""What making a batch costs beside training on it. `make microbench`; figures, no assertions on time."""

import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec, RunSpec
from lstm_bench.task import Batch, Task, make_task

BATCH, HIDDEN, BATCHES, ROUNDS = 32, 64, 64, 5  # two draws of 32 batches each, for the tasks that draw several together
LONG: dict[str, dict[str, Any]] = {  # options that make about 100 steps
    "adding": {},
    "anbn": {"least": 50, "most": 50},
    "anbncn": {"least": 33, "most": 33},
    "copy": {"length": 80},
    "dyck": {"length": 100},
    "h97-adding": {},
    "h97-lag": {},
    "h97-multiplication": {},
    "h97-order": {},
    "h97-reber": {},  # its strings have the length that the grammar gives: 11 on average
    "h97-two-sequence": {},
    "markov": {"length": 100},
    "mqar": {"pairs": 33, "keys": 64},
    "parity": {"length": 100, "shortest": 100},
    "permuted": {},
    "selective-copy": {"symbols": 16, "length": 84},
}


@pytest.mark.parametrize("name", LONG)
def test_making_a_batch_beside_training_on_it(benchmark: BenchmarkFixture, name: str) -> None:
    """The share of a step's time, one thread; drawing and training take turns."""
    torch.set_num_threads(1)
    task = make_task(RunSpec(task=name, options=LONG[name]))
    task.prepare()
    shares, steps = [], 0.0

    def both() -> None:
        nonlocal steps
        fresh = task.batches("train", BATCH, len(shares))
        next(fresh)  # what is read or drawn once a run is no batch's
        drawing, batches = timed(lambda: list(islice(fresh, BATCHES)))
        training, _ = timed(lambda: trained(task, iter(batches)))
        shares.append(drawing / training)
        steps = statistics.fmean(batch.inputs.shape[1] for batch in batches)

    trained(task, islice(task.batches("train", BATCH, 99), 4))
    benchmark.pedantic(both, rounds=ROUNDS)
    share = statistics.median(shares)
    benchmark.extra_info |= {"shares": shares, "steps": steps}
    benchmark.extra_info["says"] = {
        f"making a batch of `{name}`, {steps:.0f} steps, beside training on it": f"{share:.1%}"
    }


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    since = time.perf_counter()
    found = work()
    return time.perf_counter() - since, found


def trained(task: Task, batches: Iterator[Batch]) -> None:
    """Forward, backward, clipping and update, as the trainer does them, of a plain LSTM."""
    torch.manual_seed(0)
    network = SequenceModel(task.signature, ModelSpec(hidden=HIDDEN))
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    for batch in batches:
        output, _ = network(batch.inputs, None, batch.lengths)
        task.loss(output, batch).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
