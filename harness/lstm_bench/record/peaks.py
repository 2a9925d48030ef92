"""The measured peaks of the machines that a results folder was used on: `peaks.jsonl`.

Of several lines of a place the best holds: whatever else a machine did only ever lowered one.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_bench.record.disk import append_line, read_lines
from lstm_bench.writing import make_folder

FILE = "peaks.jsonl"


def known_peak(root: Path, place: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was measured at a place, see `meter.peak`; None where nothing was."""
    found = (line for line in read_lines(root / FILE) if line.get("place") == place)
    return max(found, key=lambda line: float(line["flops_per_second"]), default=None)


def keep_peak(root: Path, place: Mapping[str, Any], measured: Mapping[str, Any]) -> None:
    """Keep what was measured at a place.

    Raises:
        RecordError: it cannot be written.
    """
    make_folder(root)
    append_line(root / FILE, {"place": place, **measured})
