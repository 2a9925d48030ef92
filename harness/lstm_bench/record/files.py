"""A results folder and the places in it. The files are the truth. Schema: results/README.md."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lstm_bench.errors import UsageError
from lstm_bench.record.run import DIFFS, RUNS, RunFiles
from lstm_bench.record.study import StudyFiles

TRACKING_URI = "LSTM_BENCH_TRACKING_URI"  # in the environment: of an MLflow server
STORAGE = "LSTM_BENCH_STORAGE"  # likewise: of a database for Optuna
DATABASE = "postgresql+psycopg"  # the kind that it is


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder and the places in it.

    Attributes:
        root: the folder.
        tracking_uri: of the MLflow server that shows it; None: a store in the folder itself.
        storage: of the database that Optuna remembers its studies in; None: a journal in the folder.
    """

    root: Path
    tracking_uri: str | None = None
    storage: str | None = None

    @classmethod
    def at(cls, root: str | Path, tracking_uri: str | None = None, storage: str | None = None) -> "Results":
        """A folder, and the server and the database that are named here or by the environment.

        Raises:
            UsageError: what is named is no such address, or holds a secret.
        """
        uri, database = tracking_uri or os.environ.get(TRACKING_URI), storage or os.environ.get(STORAGE)
        return cls(Path(root), checked_uri(uri) if uri else None, checked_storage(database) if database else None)

    @property
    def runs(self) -> Path:
        """A folder a run."""
        return self.root / RUNS

    @property
    def diffs(self) -> Path:
        """What was changed in the code since its commit, a patch a digest."""
        return self.root / DIFFS

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.root / "reports"

    def reference(self, name: str) -> Path:
        """A table that is committed, of such a name; it need not exist."""
        return self.root / "reference" / f"{name}.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal of all studies."""
        return self.root / "studies.journal"

    @property
    def mlflow_db(self) -> Path:
        """MLflow's store, where it is a file of this folder."""
        return self.root / "mlflow.db"

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow's store is."""
        return self.tracking_uri or f"sqlite:///{self.mlflow_db.resolve()}"

    @property
    def artifacts(self) -> Path:
        """MLflow's artifacts."""
        return self.root / "artifacts"

    def study(self, name: str) -> "StudyFiles":
        """The files of one study; it need not exist."""
        return StudyFiles(self.root / "studies" / name)

    def studies(self) -> list["StudyFiles"]:
        """Every study that has begun, oldest first."""
        asked = sorted((self.root / "studies").glob("*/study.toml"), key=lambda path: path.stat().st_mtime)
        return [StudyFiles(path.parent) for path in asked]

    def run(self, run_id: str) -> "RunFiles":
        """The files of one run; it need not exist."""
        return RunFiles(self.runs / run_id)


def checked_uri(uri: str) -> str:
    """The address of an MLflow server.

    Raises:
        UsageError: it is none, or it holds a secret: addresses are shown, and command lines recorded.
    """
    if "@" in uri or "?" in uri:
        raise UsageError(
            "--tracking-uri: a name or password has no place in it: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, which MLflow reads"
        )
    try:
        parts = urlsplit(uri)
        usable = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port >= 0)
    except ValueError:  # a port that is no number, a bracket that is not closed
        usable = False
    if not usable:
        raise UsageError(f"--tracking-uri {uri}: expected an MLflow server, such as http://host:5000")
    return uri.rstrip("/")


def checked_storage(address: str) -> str:
    """The address of a PostgreSQL database.

    Raises:
        UsageError: it is none, or it holds a secret: see `checked_uri`.
    """
    expected = f"expected a database, such as {DATABASE}://user@host/optuna"
    try:
        parts = urlsplit(address)
        secret = parts.password is not None or "password=" in parts.query
    except ValueError:  # a bracket that is not closed
        raise UsageError(f"--storage {address}: {expected}") from None
    if secret:
        raise UsageError(
            "--storage: a password has no place in it: set PGPASSWORD, or write it into ~/.pgpass, which psycopg reads"
        )
    if parts.scheme != DATABASE or parts.path in ("", "/"):
        raise UsageError(f"--storage {address}: {expected}")
    return address
