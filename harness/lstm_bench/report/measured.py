"""What the benchmarks measured, as committed references and in the README: no figure is typed by hand.

`make measured`, on a machine that does nothing else: it runs a file of them, then this on what pytest-benchmark wrote.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lstm_bench.errors import BenchError
from lstm_bench.meter import machine
from lstm_bench.record.disk import SCHEMA, as_json, write_whole
from lstm_bench.report.reference import insert

NAMES = ("tracking", "bare", "cells", "report", "card", "crowd")  # files of benchmarks, and the README's marks
SAID = "says"  # in a benchmark's extra_info: what it measured, by what was asked
OWN = ("command", "diff")  # of this process, which measured nothing
VERSIONS = ("torch", "optuna", "mlflow")


def place(name: str) -> Path:
    """Where a table's rows are committed, with the machine that gave them."""
    return Path("results/reference") / f"{name}.json"


def rows(benchmarks: Mapping[str, Any]) -> dict[str, str]:
    """What pytest-benchmark's JSON says for people.

    Raises:
        BenchError: nothing in it does.
    """
    found = {what: said for one in benchmarks["benchmarks"] for what, said in one["extra_info"].get(SAID, {}).items()}
    if not found:
        raise BenchError(f"no benchmark in it says anything for people: expected '{SAID}' in extra_info")
    return found


def rendered(reference: Mapping[str, Any]) -> str:
    """The table, and where it was measured."""
    where = reference["machine"]
    versions = ", ".join(f"{name} {where['versions'][name]}" for name in VERSIONS)
    table = ["| what | measured |", "|---|---|", *(f"| {what} | {said} |" for what, said in reference["rows"].items())]
    computes = ", ".join([*where.get("gpus", []), where["cpu"]])
    place = f"{computes}, {where['cores']} cores; Python {where['python']}, {versions}; commit {where['commit']}"
    return "\n".join([*table, "", f"By `{reference['command']}` on {place}."])


def main(path: Path) -> None:
    """Take what was measured into results/reference/ and the README.

    Args:
        path: what pytest-benchmark wrote; called after the table.

    Raises:
        BenchError: there is nothing for people in it.
    """
    name, found = path.stem, json.loads(path.read_text())
    commit = found["commit_info"]["id"][:7] + ("+" if found["commit_info"]["dirty"] else "")  # then, not now
    where = {key: fact for key, fact in machine().items() if key not in OWN} | {"commit": commit}
    command = f"make measured WHAT={name}"
    reference = {"schema": SCHEMA, "command": command, "machine": where, "rows": rows(found)}
    place(name).parent.mkdir(parents=True, exist_ok=True)
    write_whole(place(name), as_json(reference))
    readme = Path("README.md")
    write_whole(readme, insert(readme.read_text(), name, rendered(reference)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
