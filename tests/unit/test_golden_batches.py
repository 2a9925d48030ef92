"""Batches that are the same on every platform: integers to the bit, uniform numbers too, normal ones to a few ulp.

A digest that changes makes another task of it: raise the generator's `version`, so that its results are told apart.
"""

import hashlib
from itertools import islice

import pytest
import torch
from torch import Tensor

from lstm_bench.spec import RunSpec
from lstm_bench.task import Batch, make_task

SEED, BATCH, START = 11, 8, 30  # batches 30 to 33: across the end of what is drawn together
GOLDEN = {
    "adding": "137a7063fffa2ef7",
    "anbn": "6c4422f51e50b026",
    "anbncn": "f417b4b32106be79",
    "asv-chars": "3cfbc1cb0be8b8c8",
    "asv-words": "eb22141870b8d017",
    "copy": "0ee6a69d70d8c27f",
    "digits": "a0e115c1185e22f6",
    "dyck": "1c3c7c153893939d",
    "h97-adding": "32f640fe92d9e70d",
    "h97-lag": "a1e7095461e43352",
    "h97-multiplication": "88e9dab9ca8152e6",
    "h97-order": "f2d9e966760d5f67",
    "h97-reber": "30a54478e0aceea9",
    "markov": "2f8bd31ab70688f5",
    "mqar": "3a816f7d4f460217",
    "parity": "8d4f499ca88425fc",
    "selective-copy": "532f30a4e004a7a7",
}
NORMAL = [
    -1.1681699,
    -1.1288762,
    -1.5427909,
    0.8670813,
    0.1360783,
    -0.3517332,
]  # the first numbers of h97-two-sequence, experiment 3b


def digest(batch: Batch) -> str:
    """Of a batch's values, as little-endian bytes."""
    parts = [batch.inputs, batch.targets, *([] if batch.lengths is None else [batch.lengths])]
    return hashlib.sha256(b"".join(map(little_endian, parts))).hexdigest()[:16]


def little_endian(values: Tensor) -> bytes:
    array = values.numpy()
    return array.astype(array.dtype.newbyteorder("<")).tobytes()


@pytest.mark.parametrize("name", GOLDEN)
def test_batches_are_those_of_every_other_platform(name: str) -> None:
    task = make_task(RunSpec(task=name))
    batches = [*islice(task.batches("train", BATCH, SEED, START), 4), next(task.batches("test", BATCH, SEED))]
    found = hashlib.sha256("".join(map(digest, batches)).encode()).hexdigest()[:16]
    assert found == GOLDEN[name]


def test_normal_numbers_are_those_of_every_other_platform_to_a_few_ulp() -> None:
    """They go through a logarithm and a cosine, whose last digits are the platform's."""
    task = make_task(RunSpec(task="h97-two-sequence", options={"experiment": "3b"}))
    batch = next(task.batches("train", BATCH, SEED, START))
    assert batch.inputs[0, : len(NORMAL), 0].tolist() == pytest.approx(NORMAL, rel=1e-6)
    assert torch.equal(batch.targets.unique(), torch.tensor([0.0, 1.0]))
