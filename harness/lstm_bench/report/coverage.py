"""What each interval covers and how often each word is wrong, as a committed reference and in the README.

`make coverage`, from the repository's root: a simulation, so it is the same on every machine.
"""

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
import scipy

from lstm_bench.analysis.coverage import Rate, Row, rows
from lstm_bench.record.disk import SCHEMA, as_json, write_whole
from lstm_bench.report.reference import insert

NAME = "coverage"  # of the file, and of the README's marks
DRAWS = 1000  # samples of each size
SIZES = ("2", "3", "4", "5", "10", "30", "3 v 10", "10 v 3")
TITLES: Mapping[Rate, str] = {
    "held": "how often the 95 % interval holds the truth",
    "wrong": "how often the word is wrong of two that are alike, or just the margin apart",
}


def rendered(reference: Mapping[str, Any]) -> str:
    """A table of intervals and one of words, and what made them."""
    found = [Row(**row) for row in reference["rows"]]
    tables = [_table(TITLES[rate], [row for row in found if row.rate == rate]) for rate in get_args(Rate)]
    versions = ", ".join(f"{name} {version}" for name, version in reference["versions"].items())
    said = f"By `{reference['command']}`, {reference['draws']} samples of each size; {versions}."
    return "\n\n".join([*tables, said])


def _table(title: str, found: Sequence[Row]) -> str:
    sizes = [size for size in SIZES if any(size in row.rates for row in found)]
    lines = [["", title, *sizes], ["---"] * (len(sizes) + 2), *(_line(row, sizes) for row in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _line(row: Row, sizes: Sequence[str]) -> Iterator[str]:
    yield row.method
    yield row.scores
    for size in sizes:
        said = f"{row.rates[size]:.3f}" if size in row.rates else ""
        said = f"**{said}**" if said and row.fails(size) else said
        yield said if not said or size in row.used else f"({said})"


def main() -> None:
    """Simulate, print, and take what was found into results/reference/ and the README."""
    versions = {"Python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    found = [asdict(row) for row in rows(DRAWS)]
    reference = {"schema": SCHEMA, "command": f"make {NAME}", "versions": versions, "draws": DRAWS, "rows": found}
    write_whole(Path("results/reference") / f"{NAME}.json", as_json(reference))
    readme, table = Path("README.md"), rendered(reference)
    write_whole(readme, insert(readme.read_text(), NAME, table))
    print(table)


if __name__ == "__main__":
    main()
