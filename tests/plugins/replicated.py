"""Rows of a published table that nobody ran."""

from collections.abc import Sequence
from typing import Any

from lstm_bench.analysis.censored import Time
from lstm_bench.analysis.replication import CAP, Published, Replication

MACHINE = {
    "cpu": "A made-up processor",
    "cores": 2,
    "python": "3.11.2",
    "versions": {"torch": "2.13.0", "numba": "0.68.0"},
    "commit": "0123abc",
    "command": "lstm-bench reproduce hochreiter1997",
}


def replication(hits: Sequence[float], *, failed: int = 0, paper: int = 1000, **given: Any) -> Replication:
    """Trials that took so many sequences, and some that never did, beside ten of the paper's that all succeeded."""
    missed = [Time(float(CAP * paper), hit=False)] * failed
    values: dict[str, Any] = {
        "row": "4-t100",
        "label": "adding, T=100",
        "column": "faithful",
        "control": False,
        "paper": Published(sequences=paper, wrong=1, tested=2560),
        "paper_trials": 10,
        "settings": {"train.lr": 0.5},
        "times": [*(Time(float(hit), hit=True) for hit in hits), *missed],
        "wrong": 3,
        "tested": 2000 * len(hits),
        "error": 0.006,
        "mse": 0.0001,
        "train_seconds": [1.5] * (len(hits) + failed),
        "weights": 93,
        "machine": MACHINE,
    }
    values |= given
    return Replication(**{"study": f"hochreiter1997-{values['row']}-{values['column']}", **values})


def table() -> list[Replication]:
    """One of each kind: as published, not so, modern, a control, a row of a long name that nobody solved."""
    return [
        replication([900, 1000, 1100, 1300, 1250] * 2),
        replication([400, 450, 500], paper=1000, column="modern"),
        replication([3000, 2500], failed=1, row="6a", label="temporal order", tried="a rate of 0.1: 2,200"),
        replication([20, 30, 10], row="3a-guess", label="weights guessed", control=True, paper=27_380),
        replication([], failed=3, row="3a-t1000-n3-st1", label="two-sequence", paper=446_850, error=None, mse=None),
    ]
