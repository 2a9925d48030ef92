"""What a timing is worth here: the machine's peak, the noise between equals, what glibc's memory is worth, cuDNN.

Each computes, for seconds, in processes of its own.
"""

import os
import platform
import statistics

import torch

from lstm_bench.allocator import CHOICE, KEEP_MEMORY, added
from lstm_bench.doctor import steps
from lstm_bench.doctor.finding import Finding, State
from lstm_bench.meter import machine, precisions
from lstm_bench.pool.apart import apart, ensure_peak
from lstm_bench.record.files import Results

ROUNDS = 2  # of two processes
NOISY = 0.1  # a difference that two equal trainings should not show


def peak(results: Results) -> Finding:
    """The best rate of the matrix products at each precision of runs, on the device that there is."""
    on = "cuda" if _has_card() else "cpu"
    found = {precision: ensure_peak(results.root, on, 1, precision, again=True) for precision in precisions(on)}
    rates = {precision: one["flops_per_second"] / 1e9 for precision, one in found.items()}
    told = "; ".join(f"{rate:,.0f} GFLOP/s in {name} ({found[name]['path']})" for name, rate in rates.items())
    of = "on one thread" if on == "cpu" else "on the card"
    return Finding(State.WELL, f"{told}, {of}", figures={f"{name}_gflops": rate for name, rate in rates.items()})


def noise(_: Results) -> Finding:
    """How far apart two equal trainings come out, a pair of blocks of steps at a time."""
    ratios: list[float] = apart(steps.__name__, "noise")
    floor = 2 * statistics.stdev(ratios)
    found = (
        f"two equal trainings, {len(ratios)} times in turns: their ratio {statistics.mean(ratios):.3f} +/- {floor:.3f}"
    )
    figures = {"ratio": statistics.mean(ratios), "floor": floor}
    if floor > NOISY:
        fix = "believe no smaller difference of single timings; end what else computes here, and measure again"
        return Finding(State.NOTE, found, fix, figures)
    return Finding(State.WELL, f"{found}: single timings closer than that are equal", figures=figures)


def allocator(_: Results) -> Finding:
    """What it gains a run of 256 units that glibc keeps its memory, and whether runs are started so."""
    if platform.libc_ver()[0] != "glibc":
        return Finding(State.ABSENT, "this system's memory is not glibc's: nothing to tell it")
    rounds = [(apart(steps.__name__, "lstm", **KEEP_MEMORY), apart(steps.__name__, "lstm", without=KEEP_MEMORY))
              for _ in range(ROUNDS)]  # fmt: skip
    kept, freed = (1e3 * statistics.median(column) for column in zip(*rounds, strict=True))
    gain = statistics.median(freely / keeping for keeping, freely in rounds)
    is_kept = (os.environ | added()).items() >= KEEP_MEMORY.items()
    found = (
        f"a step of {steps.HIDDEN} units, batch {steps.BATCH}: {kept:.0f} ms with memory kept from step to step, "
        f"{freed:.0f} ms as glibc is: {gain:.2f}x; runs are started {'so' if is_kept else 'without'}"
    )
    figures = {"kept_ms": kept, "freed_ms": freed, "gain": gain}
    if is_kept and gain < 1 - NOISY:
        return Finding(State.NOTE, found, "--allocator system before a command", figures)
    if not is_kept and gain > 1 + NOISY:
        fix = f"no --allocator system, {CHOICE}, or MALLOC_..._THRESHOLD_ of your own"
        return Finding(State.NOTE, found, fix, figures)
    return Finding(State.WELL, found, figures=figures)


def cudnn(_: Results) -> Finding:
    """Whether a training on the card repeats, bit for bit."""
    if not _has_card():
        return Finding(State.ABSENT, "no card, or a torch without CUDA")
    first, again = apart(steps.__name__, "cudnn")
    if first == again:
        return Finding(State.WELL, f"cuDNN {machine().get('cudnn')}: a training repeats, bit for bit")
    apart_by = max(abs(a - b) for a, b in zip(first, again, strict=True))
    found = f"cuDNN {machine().get('cudnn')}: a training does not repeat; losses are up to {apart_by:.1g} apart"
    return Finding(
        State.NOTE, found, "--set determinism=strict for a run that is to repeat; else compare over seeds, not runs"
    )


def _has_card() -> bool:
    """Whether there is one that torch can use; asks NVML and the build, and starts no CUDA."""
    return bool(machine().get("gpus")) and torch.backends.cuda.is_built()
