"""What there is to compute with, and how evenly it counts the time."""

import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lstm_bench.doctor.finding import Finding, State
from lstm_bench.meter import has_native_bfloat16, machine
from lstm_bench.pool import cores
from lstm_bench.record.files import Results

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of a container, in the second version of control groups
WORK = 20_000  # additions, some 0.5 ms
TIMES = 400
UNEVEN = 0.05  # of the median: a middle half wider than this is no quiet machine


def device(_: Results) -> Finding:
    """The processor and the cards."""
    facts = machine()
    cards: list[str] = facts.get("gpus", [])
    has = "with" if has_native_bfloat16("cpu") else "without"
    chip = f"{facts['cpu']} {has} bfloat16, {', '.join(cards) or 'no card'}"
    if cards and not torch.backends.cuda.is_built():
        found = f"{chip}, which torch {torch.__version__} cannot use: it is built without CUDA"
        return Finding(State.NOTE, found, "install a torch with CUDA: https://pytorch.org/get-started/locally")
    return Finding(State.WELL, chip, figures={"cards": len(cards)})


def threads(_: Results, quota: Path = QUOTA) -> Finding:
    """How many cores may be used, and what takes them."""
    usable, there, load = cores(), os.cpu_count() or 1, os.getloadavg()[0]
    found = f"{usable} of {there} cores, one for each run at once; load {load:.1f}"
    figures = {"cores": usable, "load": load}
    allowed = _allowed(quota)
    if allowed and allowed < usable:
        told = f"{found}; this container gets the time of {allowed:g}"
        return Finding(State.NOTE, told, f"--workers {max(1, int(allowed))}", {**figures, "allowed_cores": allowed})
    if load > usable:
        return Finding(State.NOTE, f"{found}, more than there are cores", "measure when nothing else runs", figures)
    return Finding(State.WELL, found, figures=figures)


def _allowed(quota: Path) -> float | None:
    """The cores whose time a container gets; None where nothing says so."""
    try:
        share, period = quota.read_text().split()
        return int(share) / int(period)
    except (OSError, ValueError):  # no such file, or `max`
        return None


def timer(_: Results, clock: Callable[[], float] = time.perf_counter) -> Finding:
    """How finely the clock counts, and how evenly the same work takes the same time."""
    ticks = [clock() for _ in range(TIMES)]
    tick = min(after - before for before, after in itertools.pairwise(ticks) if after > before)
    lasted = sorted(_seconds(clock) for _ in range(TIMES))
    low, middle, high = statistics.quantiles(lasted)
    spread, worst = (high - low) / middle, lasted[-1] / middle
    found = (
        f"counts in {1e9 * tick:.0f} ns; the same {1e3 * middle:.2f} ms of work {TIMES} times: "
        f"spread {100 * spread:.1f} %, the slowest {worst:.1f}x"
    )
    figures = {"tick_ns": 1e9 * tick, "spread": spread, "slowest": worst}
    if spread > UNEVEN:
        return Finding(State.NOTE, found, "end what else computes here before a timing is believed", figures)
    return Finding(State.WELL, found, figures=figures)


def _seconds(clock: Callable[[], float]) -> float:
    since = clock()
    sum(range(WORK))
    return clock() - since
