"""Tables as data: what stands in a cell, how it is sorted, and how it looks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from lstm_bench.analysis.interval import Interval
from lstm_bench.report.table import duration, figure

Look = Literal["", "number", "command", "better", "worse", "equivalent", "undecided"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell.

    Attributes:
        text: what is read.
        aside: in a lighter tone after it, such as an interval.
        sort: what it is sorted by; None: its text.
        look: a number, a command that can be copied, or the word of a verdict.
    """

    text: str = ""
    aside: str = ""
    sort: float | None = None
    look: Look = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption.

    Attributes:
        caption: what it shows, for whoever does not see where it stands.
        heads: of the columns.
        rows: as many cells each.
    """

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    @property
    def columns(self) -> list[int]:
        """Those that say anything: what no row has is not shown."""
        return [at for at in range(len(self.heads)) if any(row[at].text or row[at].aside for row in self.rows)]

    def is_numeric(self, column: int) -> bool:
        """Whether a column's figures are aligned: it has some, and no text."""
        looks = {row[column].look for row in self.rows if row[column].text}
        return looks == {"number"}


def number(value: float | None, unit: str = "", aside: str = "") -> Cell:
    """A figure; empty where there is none."""
    if value is None:
        return Cell(look="number")
    return Cell(f"{digits(value)} {unit}".rstrip(), aside, value if math.isfinite(value) else None, "number")


def digits(value: float) -> str:
    """A figure to four digits that matter; a large one as people write it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else figure(value)


def with_interval(interval: Interval | Mapping[str, Any] | None, unit: str = "", form: str = "") -> Cell:
    """A mean with its interval beside it, where that is more than a point.

    Args:
        interval: as it is, or as a board says it.
        unit: after the mean.
        form: of all three, such as `+.3g`; nothing: as a figure.
    """
    if interval is None:
        return Cell(look="number")
    ends = interval if isinstance(interval, Mapping) else asdict(interval)
    mean, low, high = (
        None if (value := ends[end]) is None else format(value, form) if form else digits(value)
        for end in ("mean", "low", "high")
    )
    return Cell(
        f"{mean} {unit}".rstrip(),
        f"[{low}, {high}]" if low and ends["low"] < ends["high"] else "",
        ends["mean"],
        "number",
    )


def time(seconds: float | None) -> Cell:
    """A duration, sorted by its length."""
    return Cell(look="number") if seconds is None else Cell(duration(seconds), sort=seconds, look="number")
