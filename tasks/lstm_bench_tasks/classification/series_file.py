"""The user's own labelled series, from a .ts file or a table; no plugin needed."""

import functools
import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lstm_bench.errors import UsageError
from lstm_bench.families import Sequences
from lstm_bench.families.classification import carved
from lstm_bench.task import Goal, Split
from lstm_bench_tasks.classification import table, ts
from lstm_bench_tasks.classification.measured import Measured
from lstm_bench_tasks.classification.recordings import Recordings, classes, numbered
from lstm_bench_tasks.classification.table import Columns

SHARES: dict[Split, float] = {"test": 0.2, "valid": 0.2}  # of each class, carved off where the data name none
KINDS = ".ts, .csv, .parquet or .pq"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFile(Measured):
    """Labelled series of your own: a .ts file, or a CSV or Parquet table with a row for each step of each series.

    Test is the file `test`, or for a file like `X_TRAIN.ts` its `X_TEST.ts`, or what the column `split` says; where
    none of them is there, a fifth of each class, drawn by seed. Valid is what the column says, or carved off train.
    Series may be of unequal length.

    Attributes:
        path: the file.
        test: another one with the test series; empty: see above.
        series: the column that tells one series from another.
        step: the column that orders the rows of a series.
        label: the column of classes.
        split: the column of train, valid and test; it may be missing.
        channels: the columns of values, with commas between; empty: all others.
    """

    path: str = ""
    test: str = ""
    series: str = "series"
    step: str = "step"
    label: str = "label"
    split: str = "split"
    channels: str = ""

    source: ClassVar[str] = "a file of your own"
    licence: ClassVar[str] = "your data's own"
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, ceiling=1.0)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        "train.steps": 600,
        "train.lr": 5e-3,
        "model.hidden": 64,
    }

    @property
    def files(self) -> tuple[Path, ...]:
        """The file, and the one with the test series if there is one.

        Raises:
            UsageError: no path is given.
        """
        if not self.path:
            raise UsageError(f"task 'series-file': options.path is not given: expected a file ({KINDS}), "
                             "such as --set options.path=heartbeats.csv")  # fmt: skip
        path = Path(self.path).expanduser()
        beside = path.with_name(path.name.replace("_TRAIN.", "_TEST."))
        if self.test:
            return path, Path(self.test).expanduser()
        return (path, beside) if beside != path and beside.is_file() else (path,)

    @property
    def columns(self) -> Columns:
        """What the columns are called."""
        channels = tuple(name.strip() for name in self.channels.split(",") if name.strip())
        return Columns(self.series, self.step, self.label, self.split, channels)

    @property
    def classes(self) -> int:
        """As many as train has."""
        return len(self._read().names)

    def state(self) -> Hashable:
        """When the files were written, and how large they are.

        Raises:
            UsageError: there is no such file.
        """
        try:
            return tuple((file, (stat := file.stat()).st_mtime_ns, stat.st_size) for file in self.files)
        except OSError as error:
            raise UsageError(
                f"task 'series-file': no file {error.filename} to read ({error.strerror}): expected one, {KINDS}"
            ) from None

    def prepare(self) -> str:
        """Read and check the files; the digest is of their bytes and of the names of the columns."""
        self._read()
        content = hashlib.sha256(repr(self.columns).encode())
        for file in self.files:
            content.update(hashlib.sha256(file.read_bytes()).digest())
        return content.hexdigest()

    def splits(self, seed: int) -> Mapping[Split, Sequences]:
        """What the data say, and what they leave out drawn by seed."""
        given = self._read().parts
        shares = {split: share for split, share in SHARES.items() if split not in given}
        return {**given, **carved(given["train"], shares, seed)}

    def example(self) -> str:
        """The first training series and its label."""
        data = self._read()
        train = data.parts["train"]
        steps = train.inputs.shape[1] if train.lengths is None else int(train.lengths[0])
        shown = " ".join(f"{value:.3g}" for value in train.inputs[0, : min(8, steps), 0].tolist())
        return f"{shown} ... ({steps} steps of {train.inputs.shape[2]}) -> {data.names[int(train.labels[0])]}"

    def _read(self) -> "Data":
        return read(self.state(), self.files, self.columns)


@dataclass(frozen=True, eq=False, slots=True)
class Data:
    """What files hold.

    Attributes:
        parts: the splits that they name; train among them.
        names: of the classes.
    """

    parts: dict[Split, Sequences]
    names: list[str]


@functools.lru_cache(maxsize=2)
def read(state: Hashable, files: tuple[Path, ...], columns: Columns) -> Data:
    """The series in one or two files.

    Raises:
        UsageError: a file that cannot be used.
    """
    del state  # it tells this call from one before the files changed
    found = recordings(files[0], columns)
    if len(files) > 1:
        found["test"] = only(recordings(files[1], columns), files[1].name)
    if "train" not in found:
        raise UsageError(f"{files[0].name} has no series in train, only in {' and '.join(found)}")
    names = classes(found["train"], files[0].name)
    return Data({split: numbered(part, names, found["train"]) for split, part in found.items()}, names)


def only(found: Mapping[Split, Recordings], name: str) -> Recordings:
    """The series of a file that is test as a whole, whatever its column says.

    Raises:
        UsageError: it has several splits.
    """
    if len(found) > 1:
        raise UsageError(f"{name} is given as test and has series in {' and '.join(found)}: expected one split")
    return next(iter(found.values()))


def recordings(path: Path, columns: Columns) -> dict[Split, Recordings]:
    """The series of a file, by split as far as it says.

    Raises:
        UsageError: it is of another kind, or cannot be read.
    """
    try:
        if path.suffix in table.SUFFIXES:
            return table.read_table(path, columns)
        if path.suffix != ".ts":
            raise UsageError(f"task 'series-file': {path.name} is of no known kind: expected a file {KINDS}")
        return {"train": ts.parse(path.read_bytes().decode(), path.name)}
    except UnicodeDecodeError as error:
        raise UsageError(f"{path.name} is not UTF-8 at byte {error.start}: expected a .ts file") from None
    except OSError as error:
        raise UsageError(f"task 'series-file': {path} cannot be read: {error.strerror}") from None
