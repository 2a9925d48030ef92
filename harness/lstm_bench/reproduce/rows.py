"""The rows of a published table as data: a TOML file a table, a row an entry, two columns that are studies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstm_bench.analysis.replication import CAP, Column, Published, Replication
from lstm_bench.errors import UsageError, unknown
from lstm_bench.spec import Count, Positive, checked
from lstm_bench.suites import StudyTable, file_of, names_in, read_toml, study_in

PACKAGE = "lstm_bench.reproduce"
QUICK = 3  # trials of a row that is only looked at
SHARED = ("faithful", "modern", "control", "net", "tried")  # of a file's tables, all but its rows
LOOKS = 100  # at a faithful net in the paper's sequences, which does not say how often its criteria were asked
T100 = "t100"  # which names all rows of a hundred steps

Tables = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table: its keys in TOML.

    Attributes:
        id: such as `4-t100`; what precedes the first dash is the experiment.
        label: in words.
        task: its name.
        options: the task's.
        net: the table of this name under `net`.
        weights: of the faithful model, as the paper counts them.
        lr: the learning rate.
        trials: of the faithful column.
        paper: what it reports.
        control: it is one: no LSTM, but the paper's figure is the LSTM's. See `Replication`.
        quick: whether `--quick` takes it.
        t100: whether its sequences have a hundred steps.
        faithful: what its faithful study has besides, or otherwise.
        modern: what its modern one has; a row without is not in that column.
        instead: where it is not by the paper's words, what it has in their place. See `Replication`.
        within: the row whose runs it is read from; "": it has its own. That row's criterion is this one's and more, so
            its runs meet this one's on their way, and go on.
    """

    id: str
    label: str
    task: str
    options: dict[str, Any]
    net: str
    weights: Count
    lr: Positive
    trials: Count
    paper: Published
    control: bool = False
    quick: bool = False
    t100: bool = False
    faithful: dict[str, Any] = field(default_factory=dict)
    modern: dict[str, Any] | None = None
    instead: str = ""
    within: str = ""

    @property
    def cap(self) -> int:
        """Sequences after which a trial has failed."""
        return CAP * self.paper.sequences

    def is_called(self, name: str) -> bool:
        """Whether a name means this row: its id, its experiment, or `t100`."""
        return name in (self.id, self.id.partition("-")[0]) or (name == T100 and self.t100)


@dataclass(frozen=True, slots=True)
class Table:
    """A published table.

    Attributes:
        path: of its file.
        rows: in the paper's order.
        shared: what studies share: `faithful` or `modern` ones, those of a `control`, faithful ones of a `net`; and
            what was `tried` where they do not replicate.
    """

    path: Path
    rows: Sequence[Row]
    shared: Mapping[str, Tables]

    @property
    def name(self) -> str:
        """What it is called: as its file."""
        return self.path.stem

    def chosen(self, names: Sequence[str], *, quick: bool) -> list[Row]:
        """The rows that are meant, the quick ones first, the long ones last.

        Raises:
            UsageError: a name that no row has, or no row is left.
        """
        for name in names:
            if not any(row.is_called(name) for row in self.rows):
                raise unknown("row", name, [row.id for row in self.rows])
        meant = [row for row in self.rows if not names or any(map(row.is_called, names))]
        found = [row for row in meant if row.quick or not quick]
        if not found:
            raise UsageError(f"--rows {','.join(names)} with --quick: expected one of those that are quick")
        return sorted(found, key=lambda row: (not row.quick, not row.t100))

    def in_order(self, found: Iterable[Replication]) -> list[Replication]:
        """What was made of some rows, in the paper's order; what is of none of them comes last."""
        places = {row.id: at for at, row in enumerate(self.rows)}
        return sorted(found, key=lambda one: (places.get(one.row, len(places)), one.column))

    def source(self, row: Row) -> Row:
        """Whose runs a row is read from: its own, or those of the row that it is `within`."""
        return next(one for one in self.rows if one.id == (row.within or row.id))

    def tried(self, row: Row) -> str:
        """What was tried in case that it does not replicate."""
        return next((text for name, text in self.shared["tried"].items() if row.is_called(name)), "")

    def study(self, row: Row, column: Column, trials: int | None = None) -> StudyTable:
        """The study of a row: the cap ends each run that counts.

        Args:
            row: of this table.
            column: which of its two.
            trials: instead of the row's own.

        Raises:
            UsageError: a key that no study has.
        """
        own = {"task": row.task, "options": row.options, "confirm": {"train.sequences": row.cap}}
        if column == "faithful":
            rest = {
                "search": {"train.lr": [row.lr, row.lr / 10]},  # a space has two points at least
                "enqueue": [{"train.lr": row.lr}],  # and the one trial there is tries this one
                "confirm_seeds": row.trials,
            }
            shared = self.shared["control" if row.control else column]
            asked = merged(shared, self.shared["net"][row.net], own, rest, row.faithful)
            parts: list[Tables] = [_looked_at(row, asked), asked]
        else:
            searched = {"train": {"sequences": row.paper.sequences}}  # who takes longer than in 1997 is not chosen
            parts = [self.shared[column], own, searched, row.modern or {}]
        return study_in(merged(*parts, {"confirm_seeds": trials} if trials else {}), self.path)


def _looked_at(row: Row, asked: Tables) -> dict[str, Any]:
    """How often a net is asked its criterion, where a file does not say: more often, and luck ends a trial sooner."""
    at_once = asked.get("train", {}).get("batch_size")
    return {"train": {"eval_every": max(1, round(row.paper.sequences / LOOKS / at_once))}} if at_once else {}


def merged(*tables: Tables) -> dict[str, Any]:
    """Tables over tables, each key by itself."""
    found: dict[str, Any] = {}
    for key, value in ((key, value) for table in tables for key, value in table.items()):
        both = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if both else value
    return found


def table_names() -> list[str]:
    """The built-in tables."""
    return names_in(PACKAGE)


def read_table(name: str) -> Table:
    """A built-in table, or that of a file.

    Raises:
        UsageError: no such table or file, or it is none.
    """
    path = file_of(name, PACKAGE, "table")
    found = read_toml(path)
    if not isinstance(found.get("row"), list):
        raise UsageError(f"{path}: expected [[row]] tables")
    for key in found:
        if key not in ("row", *SHARED):
            raise unknown(f"key in {path}:", key, ["row", *SHARED])
    shared = {part: found.get(part, {}) for part in SHARED}
    for part, table in shared.items():
        if not isinstance(table, dict):
            raise UsageError(f"{path}: {part} = {table!r}, expected a table")
    rows = [_row(values, path) for values in found["row"]]
    for row in rows:
        if row.net not in shared["net"]:
            raise unknown(f"net of row {row.id} in {path}:", row.net, shared["net"])
        apart = [one.id for one in rows if not one.within]
        if row.within and row.within not in apart:
            raise unknown(f"row that row {row.id} in {path} is within:", row.within, apart)
    return Table(path, rows, shared)


def _row(values: Tables, path: Path) -> Row:
    where = f"{path}: row {values.get('id', '?')}: "
    if not isinstance(values.get("paper"), dict):
        raise UsageError(f"{where}expected paper = {{ sequences = ... }}")
    paper = checked(Published, values["paper"], f"{where}paper.")
    return checked(Row, {**values, "paper": paper}, where)
