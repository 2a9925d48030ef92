"""Measurements that compute, each in a process of its own: a driver that computes would slow its runs."""

import json
import os
import subprocess
import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from lstm_bench import allocator
from lstm_bench.errors import BenchError, in_one_line
from lstm_bench.meter import peak
from lstm_bench.record.peaks import keep_peak, known_peak

PATIENCE = 120.0  # seconds


def apart(module: str, *arguments: object, without: Container[str] = (), **environment: str) -> Any:
    """What `python -m module arguments` prints as JSON, its environment that of a run.

    Args:
        module: to run.
        arguments: of it.
        without: names that its environment lacks.
        environment: what it has besides.

    Raises:
        BenchError: it failed, with its last words.
    """
    whole = os.environ | allocator.added() | environment
    inherited = {name: value for name, value in whole.items() if name not in without}
    command = [sys.executable, "-P", "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(  # noqa: S603  # our own module
            command, env=inherited, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=PATIENCE
        )
        return json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"]
        raise BenchError(f"{module}: {in_one_line(words[-1])}") from None
    except (subprocess.TimeoutExpired, ValueError) as error:
        raise BenchError(f"{module}: {in_one_line(error)}") from None


def ensure_peak(root: Path, device: str, threads: int, precision: str, *, again: bool = False) -> Mapping[str, Any]:
    """The machine's peak, see `meter.peak`, as a results folder keeps it.

    Args:
        root: the results folder.
        device: with the threads and the precision, how a run computes.
        threads: likewise.
        precision: likewise.
        again: whether to measure where it is known, too: the better one holds.

    Raises:
        BenchError: it can be neither measured nor kept.
    """
    place = peak.place(device, threads, precision)
    if again or not known_peak(root, place):
        keep_peak(root, place, apart(peak.__name__, device, threads, precision))
    known = known_peak(root, place)
    assert known, "it was kept"
    return known
