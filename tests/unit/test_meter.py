import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.meter import ResourceMeter, Stopwatch, Watch, memory
from lstm_bench.meter.memory import MIB, PrivateMemory, anonymous_mib, private_mib
from lstm_bench.meter.sampler import SHARE, Paced

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # a name alone: no card is asked
seconds = st.integers(0, 1000)
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="private memory is read from /proc")


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 17.0

    def __call__(self) -> float:
        return self.now


class FakeCard:
    """A card that has held 5 GiB once."""

    def __init__(self, *, started: bool = True) -> None:
        self.peak, self.started = 5 * 2**30, started

    def hold(self, size: int) -> None:
        self.peak = max(self.peak, size)

    def is_initialized(self) -> bool:
        return self.started

    def get_device_properties(self, device: torch.device) -> SimpleNamespace:
        assert self.started, f"{device} is started by being asked"
        return SimpleNamespace(uuid="nobody's")

    def reset_peak_memory_stats(self) -> None:
        assert self.started, "torch starts the card for that"
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
    card = FakeCard()
    with ResourceMeter(GPU, card=card) as meter:
        card.hold(3 * 2**20)
        card.hold(2**20)
    metrics = meter.metrics()
    assert metrics["memory/peak_allocated_mib"] == 3.0
    assert metrics["memory/peak_reserved_mib"] == 6.0


@on_linux
@pytest.mark.parametrize(
    ("device", "card"),
    [pytest.param(CPU, FakeCard(), id="on the CPU"), pytest.param(GPU, FakeCard(started=False), id="never started")],
)
def test_without_a_card_its_figures_are_absent(device: torch.device, card: FakeCard) -> None:
    with ResourceMeter(device, card=card) as meter:
        pass
    assert meter.metrics().keys() == {"memory/peak_rss_mib", "memory/peak_private_mib", "cost/cpu_share"}
    assert card.peak == 5 * 2**30


def test_the_share_of_the_processor_is_its_seconds_per_second_of_the_run() -> None:
    wall, processor = Clock(), Clock()
    meter = ResourceMeter(CPU, clock=wall, processor=processor)
    wall.now += 100
    processor.now += 70
    with meter:
        wall.now += 8
        processor.now += 12
    wall.now += 50
    processor.now += 9
    assert meter.metrics()["cost/cpu_share"] == 1.5


def test_all_threads_of_a_run_count_in_its_share_of_the_processor() -> None:
    def compute() -> None:
        while time.thread_time() < 0.05:
            sum(range(1000))

    before = time.perf_counter()
    with ResourceMeter(CPU) as meter:
        threads = [threading.Thread(target=compute) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wall = time.perf_counter() - before
    assert meter.metrics()["cost/cpu_share"] * wall > 0.15


@on_linux
@pytest.mark.parametrize("interval", [0.005, 60.0], ids=["seen on the way", "in a run shorter than the interval"])
def test_the_peak_of_private_memory_is_kept_after_it_is_given_back(interval: float) -> None:
    before = private_mib()
    assert before is not None
    with ResourceMeter(CPU, interval=interval) as meter:
        block = np.ones(int(512 * MIB), dtype=np.uint8)  # far more than this process may give back meanwhile
        if interval < 1:
            for _ in patience(lambda: (meter._private.peak or 0) > before + 200):
                pass
            del block
    block = np.ones(1)
    assert (private_mib() or 0) < before + 100
    assert meter.metrics()["memory/peak_private_mib"] > before + 200
    assert meter.metrics()["memory/peak_rss_mib"] > before + 200
    assert len(block) == 1


def patience(done: Callable[[], bool], limit: float = 10) -> Iterator[None]:
    end = time.monotonic() + limit
    while time.monotonic() < end and not done():
        yield time.sleep(0.005)


FORKED = """
import os
import subprocess
import numpy as np
from lstm_bench.meter.memory import MIB, PrivateMemory, anonymous_mib

servers = np.ones(int(128 * MIB), dtype=np.uint8)
if os.fork():
    os.wait()
else:
    memory = PrivateMemory()
    memory.count()
    shared = memory.peak
    own = np.ones(int(32 * MIB), dtype=np.uint8)
    memory.follow()
    followed = memory.peak
    servers[: len(own)] = 2
    memory.count()
    print(anonymous_mib(), shared, followed, memory.peak)
"""


@on_linux
def test_what_a_fork_shares_with_its_server_is_not_its_private_memory() -> None:
    # in a process of its own: in a large one the child's garbage collector writes to most of what is shared
    found = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True).stdout
    anonymous, shared, followed, written = map(float, found.split())
    assert anonymous > 128
    assert shared < 64
    assert 31 < followed < 96
    assert 63 < written < 128


def test_between_two_counts_private_memory_grows_as_the_anonymous_does(monkeypatch: pytest.MonkeyPatch) -> None:
    now: dict[str, float | None] = {"private": 10.0, "anonymous": 100.0}
    monkeypatch.setattr(memory, "private_mib", lambda: now["private"])
    monkeypatch.setattr(memory, "anonymous_mib", lambda: now["anonymous"])
    private = PrivateMemory()
    peaks = []
    for act, values in [
        (private.follow, {}),  # nothing was counted yet
        (private.count, {}),
        (private.follow, {"anonymous": 130.0}),
        (private.follow, {"anonymous": 90.0}),
        (private.count, {"private": 35.0, "anonymous": 95.0}),
        (private.follow, {"anonymous": 105.0}),
        (private.count, {"private": None, "anonymous": None}),
        (private.follow, {}),
    ]:
        now.update(values)
        act()
        peaks.append(private.peak)
    assert peaks == [None, 10, 40, 40, 40, 45, 45, 45]


def test_a_peak_between_two_counts_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    anonymous = [100.0]
    monkeypatch.setattr(memory, "private_mib", lambda: 10.0)
    monkeypatch.setattr(memory, "anonymous_mib", lambda: anonymous[0])
    with ResourceMeter(CPU, interval=0.005) as meter:
        for _ in patience(lambda: meter._private.peak is not None):
            pass
        anonymous[0] = 160.0
        for _ in patience(lambda: meter._private.peak != 10):
            pass
        anonymous[0] = 100.0
    assert meter.metrics()["memory/peak_private_mib"] == 70


@on_linux
def test_pages_of_a_file_are_not_anonymous(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(int(48 * MIB)))
    before = anonymous_mib() or 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        assert sum(pages[at] for at in range(0, len(pages), 4096)) == 0
        assert abs((anonymous_mib() or 0) - before) < 24


def test_where_the_system_does_not_tell_private_memory_the_figure_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "private_mib", lambda: None)
    with ResourceMeter(CPU) as meter:
        pass
    assert "memory/peak_private_mib" not in meter.metrics()


def test_what_is_dear_is_done_so_rarely_that_it_takes_its_share_of_the_time_at_most() -> None:
    clock, done = Clock(), []

    def act() -> None:
        clock.now += 0.006
        done.append(clock.now)

    paced = Paced(act, clock)
    for _ in range(1000):
        paced()
        clock.now += 0.01
    assert len(done) == pytest.approx(10 / (0.006 / SHARE), abs=1)
    count = len(done)
    paced(at_once=True)
    assert len(done) == count + 1
