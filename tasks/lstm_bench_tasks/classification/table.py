"""Series in a table of long form, CSV or Parquet: a row is a step of a series."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from lstm_bench.errors import UsageError
from lstm_bench.task import Split
from lstm_bench_tasks.classification.recordings import Recordings

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "valid", "test")
SUFFIXES = (".csv", ".parquet", ".pq")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are called.

    Attributes:
        series: tells one series from another.
        step: in which order its rows come: any numbers.
        label: the class, the same in all rows of a series.
        split: train, valid or test, the same in all rows of a series; the column may be missing.
        channels: the values; none: all other columns.
    """

    series: str
    step: str
    label: str
    split: str
    channels: tuple[str, ...]


def read_table(path: Path, columns: Columns) -> dict[Split, Recordings]:
    """The series of a table, by split; all of them are train where no column tells.

    Raises:
        UsageError: it cannot be read, a column is missing, or something in it is not as it must be.
    """
    table, where = loaded(path, columns), path.name
    for name in (columns.series, columns.step, columns.label, *columns.channels):
        if name not in table.columns:
            raise UsageError(f"{where} has no column {name!r}: expected it, or its name by --set options....; "
                             f"there are {', '.join(map(repr, table.columns))}")  # fmt: skip
    keys = (columns.series, columns.step, columns.label, columns.split)
    channels = columns.channels or tuple(name for name in table.columns if name not in keys)
    if not channels:
        raise UsageError(f"{where} has no column of values besides {', '.join(map(repr, table.columns))}")
    values = numbers(table, channels, where)
    by_step = np.lexsort((numbers(table, (columns.step,), where)[:, 0], _codes(table, columns.series, where)))
    return dealt(table.iloc[by_step], values[by_step].astype(np.float32), columns, where)


def loaded(path: Path, columns: Columns) -> "pd.DataFrame":
    """The table as it is; names and labels as text, so that a class `01` stays one.

    Raises:
        UsageError: it is no such file, or holds no row.
    """
    import pandas as pd  # noqa: PLC0415  # 0.4 s that other tasks need not wait

    try:
        if path.suffix == ".csv":
            table = pd.read_csv(path, dtype=dict.fromkeys((columns.series, columns.label, columns.split), str))
        else:
            table = pd.read_parquet(path, use_threads=False)  # a thread would not survive the fork of a run
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not UTF-8 at byte {error.start}: expected a CSV file in UTF-8") from None
    except (ValueError, pd.errors.ParserError) as error:
        raise UsageError(f"{path.name} is no table: {str(error).splitlines()[0]}") from None
    if table.empty:
        raise UsageError(f"{path.name} has no rows: expected one for each step of each series")
    return table


def numbers(table: "pd.DataFrame", names: tuple[str, ...], where: str) -> NDArray[np.float64]:
    """Some columns as numbers, [rows, columns].

    Raises:
        UsageError: a value that is none.
    """
    import pandas as pd  # noqa: PLC0415

    found = []
    for name in names:
        column = pd.to_numeric(table[name], errors="coerce")
        if not np.isfinite(column.to_numpy(float)).all():
            row = int(np.flatnonzero(~np.isfinite(column.to_numpy(float)))[0])
            raise UsageError(f"{where}, row {row + 1}: {name} = {table[name].iloc[row]}: expected a finite number")
        found.append(column.to_numpy(float))
    return np.stack(found, axis=1)


def dealt(table: "pd.DataFrame", values: NDArray[np.float32], columns: Columns, where: str) -> dict[Split, Recordings]:
    """Rows that are sorted by series and step, as recordings by split.

    Raises:
        UsageError: a step that comes twice, a series with two labels or in two splits, or an unknown split.
    """
    names, labels = _codes(table, columns.series, where), _text(table, columns.label, where)
    steps = table[columns.step].to_numpy(float)
    begins = np.flatnonzero(np.r_[True, names[1:] != names[:-1]])
    called = _text(table, columns.series, where)
    splits = _text(table, columns.split, where) if columns.split in table.columns else np.full(len(table), "train")
    found: dict[str, list[int]] = {}
    places = [f"{where}, series {called[begin]!r}" for begin in begins]
    rows = np.split(np.arange(len(table)), begins[1:])
    for at, own in enumerate(rows):
        if (steps[own][1:] == steps[own][:-1]).any():
            raise UsageError(f"{places[at]} has two rows of the same {columns.step}: expected one for each")
        for column, text in ((columns.label, labels), (columns.split, splits)):
            if len(different := sorted(set(text[own]))) > 1:
                raise UsageError(f"{places[at]} has {' and '.join(map(repr, different))} as {column}: expected one")
        if (split := str(splits[own[0]])) not in SPLITS:
            raise UsageError(f"{places[at]} is in {columns.split} {split!r}: expected one of {', '.join(SPLITS)}")
        found.setdefault(split, []).append(at)
    whole = Recordings(places, [values[own] for own in rows], [str(labels[own[0]]) for own in rows])
    return {cast(Split, split): whole.take(rows) for split, rows in found.items()}


def _codes(table: "pd.DataFrame", name: str, where: str) -> NDArray[np.int64]:
    """Each row's series as a number, in the order in which they first come."""
    import pandas as pd  # noqa: PLC0415

    return pd.factorize(_text(table, name, where))[0].astype(np.int64)


def _text(table: "pd.DataFrame", name: str, where: str) -> NDArray[np.object_]:
    column = table[name]
    if column.isna().any():
        row = int(np.flatnonzero(column.isna())[0])
        raise UsageError(f"{where}, row {row + 1} has no {name}: expected one in every row")
    return column.astype(str).to_numpy(object)
