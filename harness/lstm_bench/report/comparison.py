"""Studies side by side, as a pandas frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.errors import UsageError, unknown
from lstm_bench.record.files import Results
from lstm_bench.report.table import setting

KINDS = {  # the columns that are always there
    "study": "str",
    "task": "str",
    "metric": "str",
    "settings": "str",
    "search_score": "float64",
    "test": "float64",
    "low": "float64",
    "high": "float64",
    "n": "Int64",
    "hits": "Int64",
    "train_seconds": "float64",
    "timesteps_per_second": "float64",
    "sequences_per_second": "float64",
    "parameters": "Int64",
}


def compare(*studies: str, results: str | Path = "results") -> pd.DataFrame:
    """Set studies side by side, a row each, in the order given.

    Columns: `study`, `task`, `metric`; `settings`, the best ones as text; `search_score`, what the search saw (the mean
    over its seeds, valid); `test` with `low` and `high`, mean and 95 % interval on `n` fresh seeds; `hits`, how many of
    these reached the target; medians of `train_seconds`, `timesteps_per_second` and `sequences_per_second`;
    `parameters`; then `floor/<name>` (means on the same seeds) and `memory/<name>` (the largest, MiB). What a study
    does not have (a confirmation, a target) is missing.

    Args:
        studies: their names.
        results: the folder that they are in.

    Raises:
        UsageError: a study is not there, or has no answer yet.
    """
    if not studies:
        raise UsageError("compare(): expected the names of studies, such as compare('first', 'second')")
    rows = [_row(_board(Results(Path(results)), name)) for name in studies]
    others = sorted({name for row in rows for name in row} - {*KINDS})
    kinds = KINDS | dict.fromkeys(others, "float64")
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()})


def _board(results: Results, name: str) -> Board:
    known = {files.name: files for files in results.studies()}
    if name not in known:
        raise unknown("study", name, known)
    board = known[name].board
    if board is None:
        raise UsageError(f"study '{name}' has no answer yet: wait for it, or run the command that began it again")
    return board


def _row(board: Board) -> dict[str, Any]:
    best = chosen(board)
    row = {"study": board["study"], "task": board["task"], "metric": board["goal"]["metric"]}
    if best:
        row |= {"settings": setting(best["settings"]), "search_score": best["score"]}
    return row | dict(_confirmed(board))


def _confirmed(board: Board) -> Iterator[tuple[str, Any]]:
    """What is known of the confirmed setting."""
    found = board["confirmed"]
    if not found:
        return
    score = found["score"]
    yield from (("test", score["mean"]), ("low", score["low"]), ("high", score["high"]), ("n", score["n"]))
    if board["goal"]["target"] is not None:
        yield "hits", sum(seconds is not None for seconds in found["target_seconds"])
    for name in ("train_seconds", "timesteps_per_second", "sequences_per_second", "parameters"):
        yield name, found.get(name)
    for name, floor in found["floors"].items():
        yield f"floor/{name}", floor["score"]
    yield from found["memory"].items()
