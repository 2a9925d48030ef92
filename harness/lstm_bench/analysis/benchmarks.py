"""What pytest-benchmark wrote, set against what it wrote before."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstm_bench.analysis.comparable import apart
from lstm_bench.analysis.margins import Margin
from lstm_bench.analysis.measures import Measure
from lstm_bench.analysis.verdict import Finding, finding_of_values
from lstm_bench.errors import UsageError

SECONDS = Measure("seconds", "seconds", "s", "speed", timed=True)
BATCHES = 10  # of a process's rounds
PLACE = ("machine", "system")
File = Mapping[str, Any]  # of `--benchmark-json`, or of `--benchmark-save`


def benchmarks_in(path: Path, found: File) -> File:
    """What pytest-benchmark wrote.

    Raises:
        UsageError: something else did, or there is no benchmark in it.
    """
    if not found.get("benchmarks") or "machine_info" not in found:
        raise UsageError(f"{path}: expected what `pytest --benchmark-json` wrote, with a benchmark in it")
    return found


def seconds_of(files: Sequence[File]) -> dict[str, list[float]]:
    """What each benchmark took, by its full name.

    Of several files a value each, the median of its rounds: they are processes, and processes are independent. Of one
    file the geometric means of ten batches of consecutive rounds, since a round is much like the one before it (batch
    means; Conway 1963, Management Science 10); of fewer than twenty rounds each round; where no rounds were kept, their
    median.
    """
    found: dict[str, list[float]] = {}
    for file in files:
        for one in file["benchmarks"]:
            rounds = one["stats"].get("data") if len(files) == 1 else None
            found.setdefault(one["fullname"], []).extend(batched(rounds) if rounds else [one["stats"]["median"]])
    return found


def batched(rounds: Sequence[float]) -> list[float]:
    """Rounds in ten batches, as near in size as can be; fewer than twenty as they are."""
    n = len(rounds)
    if n < 2 * BATCHES:
        return list(rounds)
    ends = [n * k // BATCHES for k in range(BATCHES + 1)]
    return [statistics.geometric_mean(rounds[begin:end]) for begin, end in itertools.pairwise(ends)]


def benchmark_findings(
    first: Sequence[File], second: Sequence[File], margin: Margin
) -> tuple[list[tuple[str, Finding]], list[str]]:
    """Each benchmark that both have, the first against the second; and the names that only the second has."""
    present, before = seconds_of(first), seconds_of(second)
    found = [
        (name, finding_of_values(dict(enumerate(present[name])), dict(enumerate(values)), SECONDS, margin))
        for name, values in before.items()
        if name in present
    ]
    return found, [name for name in before if name not in present]


def unlike(files: Sequence[File]) -> str | None:
    """How the machines differ that files were written on."""
    first, *others = (_place(file["machine_info"]) for file in files)
    return next((told for other in others for told in apart("", first, other)), None)


def _place(machine: Mapping[str, Any]) -> dict[str, Any]:
    cpu = machine.get("cpu", {})
    return {"cpu": cpu.get("brand_raw"), "cores": cpu.get("count"), **{key: machine.get(key) for key in PLACE}}
