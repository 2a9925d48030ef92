import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.meter import MIB, PACKAGES, MemoryMeter, Stopwatch, Watch, machine, private_mib

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # a name alone: no card is asked
seconds = st.integers(0, 1000)


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 17.0

    def __call__(self) -> float:
        return self.now


class FakeAllocator:
    """A card that has held 5 GiB once."""

    def __init__(self) -> None:
        self.peak = 5 * 2**30

    def hold(self, size: int) -> None:
        self.peak = max(self.peak, size)

    def reset_peak_memory_stats(self) -> None:
        self.peak = 0

    def max_memory_allocated(self) -> int:
        return self.peak

    def max_memory_reserved(self) -> int:
        return 2 * self.peak


@given(st.lists(st.tuples(seconds, seconds)))
def test_a_stopwatch_adds_up_what_passes_inside_and_nothing_else(spans: list[tuple[int, int]]) -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    for inside, outside in spans:
        with watch:
            clock.now += inside
        clock.now += outside
    assert watch.seconds == sum(inside for inside, _ in spans)


def test_a_stopwatch_stops_when_something_goes_wrong() -> None:
    clock = Clock()
    watch = Stopwatch(clock)

    def break_off() -> None:
        with watch:
            clock.now += 3
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    clock.now += 5
    assert watch.seconds == 3


@given(seconds, seconds, seconds)
def test_the_share_of_the_harness_is_what_is_neither_training_nor_evaluating(a: int, b: int, rest: int) -> None:
    clock = Clock()
    watch = Watch(clock)
    with watch.training:
        clock.now += a
    with watch.evaluating:
        clock.now += b
    clock.now += rest
    assert (watch.training.seconds, watch.evaluating.seconds) == (a, b)
    assert watch.harness_share == (pytest.approx(rest / (a + b + rest)) if a + b + rest else 0.0)


def test_a_card_tells_the_peaks_of_the_run_alone() -> None:
    card = FakeAllocator()
    with MemoryMeter(GPU, allocator=card) as memory:
        card.hold(3 * 2**20)
        card.hold(2**20)
    peaks = memory.peaks()
    assert peaks["memory/peak_allocated_mib"] == 3.0
    assert peaks["memory/peak_reserved_mib"] == 6.0


def test_without_a_card_its_figures_are_absent() -> None:
    card = FakeAllocator()
    with MemoryMeter(CPU, allocator=card) as memory:
        pass
    assert memory.peaks().keys() == {"memory/peak_rss_mib", "memory/peak_private_mib"}
    assert card.peak == 5 * 2**30


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="private memory is read from /proc")
def test_the_peak_of_private_memory_is_kept_after_it_is_given_back() -> None:
    before = private_mib()
    assert before is not None
    with MemoryMeter(CPU, interval=0.005) as memory:
        block = np.ones(int(64 * MIB), dtype=np.uint8)
        for _ in patience():
            if memory._private > before + 60:
                break
        del block
    assert (private_mib() or 0) < before + 30
    assert memory.peaks()["memory/peak_private_mib"] > before + 60
    assert memory.peaks()["memory/peak_rss_mib"] > before + 60


def patience(limit: float = 10) -> Iterator[None]:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        yield time.sleep(0.005)


def test_the_facts_of_this_machine_are_those_of_its_system() -> None:
    facts = machine()
    assert facts["cpu"]
    assert facts["cores"] == os.cpu_count()
    assert facts["python"] == platform.python_version()
    assert facts["versions"].keys() == set(PACKAGES)
    assert facts["versions"]["torch"] == torch.__version__
    assert json.loads(json.dumps(facts)) == facts


@pytest.mark.skipif(not (Path(__file__).parents[2] / ".git").exists(), reason="not a checkout")
def test_the_commit_is_that_of_the_checkout() -> None:
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    head = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    commit = machine()["commit"].removesuffix("+")
    assert len(commit) >= 7
    assert head.startswith(commit)
