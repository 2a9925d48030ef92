"""A row of a published table beside our own runs: how many sequences until the criterion, and is it as published?"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from scipy import stats

from lstm_bench.analysis.censored import Time, quantile_time
from lstm_bench.analysis.interval import Interval, rate_interval
from lstm_bench.record.disk import SCHEMA, as_json, read_whole, write_whole
from lstm_bench.record.files import Results
from lstm_bench.writing import make_folder

Column = Literal["faithful", "modern"]
CAP = 5  # times the published sequences: a trial that has seen as many has failed
FACTOR = 2.0  # within which two figures are the same
ALPHA = 0.05  # below it, that so few trials succeed is no chance
RULE = (
    "A faithful row replicates where its median is within a factor of "
    f"{FACTOR:g} of the paper's sequences and no more trials fail than there, by Fisher's exact test at "
    f"{ALPHA:.0%} (where the paper gives no rate, none fails); a control, where its median is below the LSTM's figure. "
    "A modern row is held to more: no trial fails, and its median is below the paper's figure. Quartiles by Kaplan and "
    f"Meier, success with Wilson's 95 % interval; a trial fails at {CAP} times the paper's sequences."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What a paper reports of a row.

    Attributes:
        sequences: until the criterion, the mean over its trials.
        rate: of its trials that succeeded.
        wrong: of the test sequences of all trials, so many; None where it does not say. So is `tested`.
        tested: test sequences of all trials.
    """

    sequences: int
    rate: float = 1.0
    wrong: int | None = None
    tested: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """One row and column of the table.

    Attributes:
        row: its id.
        label: what it is, in words.
        column: which protocol.
        control: the paper gives no figure, but says that it is sooner than the LSTM, whose figure `paper` is.
        paper: what it reports.
        paper_trials: over how many trials.
        study: the study whose confirming runs these are.
        settings: what the search chose, by path.
        times: sequences until the criterion, a trial each; a failure at the cap.
        wrong: test sequences that were wrong, over all trials that succeeded. So are the next three.
        tested: how many were tested.
        error: mean absolute error; None where the task has none.
        mse: mean squared error; likewise.
        train_seconds: of training, a trial each.
        weights: of the model.
        machine: where it ran: processor, versions, commit, command.
        instead: where it is not by the paper's words, what it has in their place; the figure is of the row by them.
        tried: where it does not replicate, what was tried.
    """

    row: str
    label: str
    column: Column
    control: bool
    paper: Published
    paper_trials: int
    study: str
    settings: Mapping[str, Any]
    times: Sequence[Time]
    wrong: int
    tested: int
    error: float | None
    mse: float | None
    train_seconds: Sequence[float]
    weights: int
    machine: Mapping[str, Any]
    instead: str = ""
    tried: str = ""

    @property
    def successes(self) -> int:
        """Trials that met the criterion."""
        return sum(time.hit for time in self.times)

    @property
    def success(self) -> Interval:
        """Their rate."""
        return rate_interval(self.successes, len(self.times))

    @property
    def quartiles(self) -> tuple[float | None, float | None, float | None]:
        """Sequences by which a quarter, half and three quarters of the trials had succeeded; None: beyond the cap."""
        first, median, third = (quantile_time(self.times, share) for share in (0.25, 0.5, 0.75))
        return first, median, third

    @property
    def cap(self) -> int:
        """Sequences after which a trial has failed."""
        return CAP * self.paper.sequences

    @property
    def ratio(self) -> float | None:
        """The median as a multiple of the paper's figure; None: beyond the cap."""
        median = self.quartiles[1]
        return None if median is None else median / self.paper.sequences

    @property
    def differs(self) -> list[str]:
        """In what it is not as published, or for a modern row as wanted; nothing where it holds. See `RULE`."""
        ratio, found = self.ratio, f"{self.successes} of {len(self.times)} trials succeed"
        said = [f"{found}, of the paper's {self.paper_trials} {self.paper.rate:.0%}"] if self._fails_more else []
        if ratio is None:
            return [*said, f"the median is beyond the cap of {self.cap:,}"]
        if self.column == "modern" or self.control:
            return said if ratio < 1 else [*said, f"{ratio:.2g} times the sequences, not fewer"]
        return said if 1 / FACTOR <= ratio <= FACTOR else [*said, f"{ratio:.2g} times the paper's sequences"]

    @property
    def _fails_more(self) -> bool:
        """Whether more trials fail than in the paper, by Fisher's exact test (1922, JRSS 85); of modern ones, any."""
        ours = [self.successes, len(self.times) - self.successes]
        if self.column == "modern":
            return ours[1] > 0
        theirs = round(self.paper.rate * self.paper_trials)
        found = stats.fisher_exact([ours, [theirs, self.paper_trials - theirs]], alternative="less")
        return bool(found.pvalue < ALPHA)

    @property
    def holds(self) -> bool:
        """Whether it replicates, or for a modern row needs fewer sequences."""
        return not self.differs

    @property
    def word(self) -> str:
        """The verdict, in a word or two."""
        if self.column == "modern":
            if self.ratio is None or not self.holds:
                return "not fewer"
            times = float(f"{1 / self.ratio:.2g}")  # rounded, and then not as 1.2e+02
            return f"{times:,g}x fewer"
        return "replicates" if self.holds else "differs"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, with what follows from them."""
        first, median, third = self.quartiles
        follows = {
            "cap": self.cap,
            "successes": self.successes,
            "success": asdict(self.success),
            "first_quartile": first,
            "median": median,
            "third_quartile": third,
            "ratio": self.ratio,
            "seconds": sum(self.train_seconds),
            "median_seconds": statistics.median(self.train_seconds),
            "word": self.word,
            "differs": self.differs,
        }
        return {**asdict(self), **follows}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Replication":
        """The row that `to_dict` made plain."""
        own = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        times = [Time(**time) for time in values["times"]]
        return cls(**{**own, "paper": Published(**values["paper"]), "times": times})


def kept(results: Results, table: str) -> list[Replication]:
    """The rows of a table that were kept in a results folder, in its order."""
    found = read_whole(results.reference(table)) or {}
    return [Replication.from_dict(values) for values in found.get("rows", ())]


def keep(results: Results, table: str, rows: Sequence[Replication]) -> None:
    """Write a table whole."""
    path = results.reference(table)
    make_folder(path.parent)
    reference = {"schema": SCHEMA, "command": f"lstm-bench reproduce {table}", "rows": [row.to_dict() for row in rows]}
    write_whole(path, as_json(reference))
