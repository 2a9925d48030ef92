"""Studies side by side, and judged against each other, as pandas frames."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.analysis.margins import margins as margins_of
from lstm_bench.analysis.sides import Judged, judged, sides_of
from lstm_bench.analysis.verdict import Finding
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
VERDICT_KINDS = {
    **dict.fromkeys(("side", "against", "task", "study", "study_against", "refused", "measure", "word"), "str"),
    **dict.fromkeys(("value", "low", "high", "value_against", "low_against", "high_against"), "float64"),
    "scale": "str",
    **dict.fromkeys(("difference", "difference_low", "difference_high", "p_value"), "float64"),
    **dict.fromkeys(("p_better", "p_better_low", "p_better_high", "p_equivalent", "confidence"), "float64"),
    **dict.fromkeys(("margin", "test"), "str"),
    **dict.fromkeys(("seeds", "missed", "missed_against"), "Int64"),
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
    return _frame(rows, KINDS | dict.fromkeys(others, "float64"))


def verdicts(
    *names: str,
    results: str | Path = "results",
    margins: Mapping[str, str | float] | None = None,
    across_machines: bool = False,
) -> pd.DataFrame:
    """Judge sides against the first one, a row for each pair of studies and measure: what `lstm-bench compare` prints.

    Columns: `side` and `against`, as named; `task`, `study`, `study_against`; `refused`, why two studies cannot be
    compared (then all that follows is missing); `measure`, among a run's metrics; `word`: better, worse, equivalent or
    undecided. `value` with `low` and `high`, and likewise `..._against`: means with 95 % intervals, geometric ones
    where `scale` is `log`, of times to a target that some missed the median. `difference` with its ends: the first
    minus the second, or where `scale` is `log` the first over the second; `p_value`, of none; `p_better` with its ends,
    of a run against a run; `p_equivalent`, that the difference is within `margin`. `confidence` is that of the
    intervals of `difference` and `p_better`; `test`, by which and why; `seeds`, how many of each would likely decide
    what is undecided; `missed`, how many runs missed the target.

    Args:
        names: of studies or suites, or paths of a suite's file, a results folder, a study's folder, a reference.
        results: the folder that studies and suites are in.
        margins: differences that do not matter, by kind of measure, such as `{"score": 0.005, "speed": "5%"}`.
        across_machines: whether timings of unlike machines are compared too.

    Raises:
        UsageError: fewer than two names; nothing is called so; no such margin.
    """
    allowed = margins_of(f"{kind}={amount}" for kind, amount in (margins or {}).items())
    found = judged(sides_of(names, Results(Path(results))), allowed, across_machines=across_machines)
    return _frame([row for one in found for row in _verdict_rows(one)], VERDICT_KINDS)


def _frame(rows: Sequence[Mapping[str, Any]], kinds: Mapping[str, str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=kind) for name, kind in kinds.items()})


def _verdict_rows(one: Judged) -> Iterator[dict[str, Any]]:
    studies = {"study": one.versus.first, "study_against": one.versus.against}
    pair = {"side": one.first, "against": one.against, "task": one.versus.task, **studies}
    if one.versus.refused:
        yield pair | {"refused": one.versus.refused}
    yield from (pair | _verdict(finding) for finding in one.versus.findings)


def _verdict(found: Finding) -> dict[str, Any]:
    row: dict[str, Any] = {
        name: getattr(found, name)
        for name in ("word", "p_value", "p_equivalent", "confidence", "margin", "test", "seeds")
    }
    row |= {"measure": found.measure.name, "scale": found.measure.scale}
    row |= {"missed": found.missed[0], "missed_against": found.missed[1]}
    for interval, names in (
        (found.first, ("value", "low", "high")),
        (found.second, ("value_against", "low_against", "high_against")),
        (found.difference, ("difference", "difference_low", "difference_high")),
    ):
        row |= zip(names, (interval.mean, interval.low, interval.high), strict=True) if interval else {}
    if found.wins:
        row |= {"p_better": found.wins.share, "p_better_low": found.wins.low, "p_better_high": found.wins.high}
    return row


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
