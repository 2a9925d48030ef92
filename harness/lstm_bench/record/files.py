"""A results folder and the places in it. The files are the truth. Schema: results/README.md."""

from dataclasses import dataclass
from pathlib import Path

from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import StudyFiles


@dataclass(frozen=True, slots=True)
class Results:
    """A results folder and the places in it."""

    root: Path

    @property
    def runs(self) -> Path:
        """A folder a run."""
        return self.root / "runs"

    @property
    def journal(self) -> Path:
        """Optuna's journal of all studies."""
        return self.root / "studies.journal"

    @property
    def mlflow_uri(self) -> str:
        """MLflow's store."""
        return f"sqlite:///{(self.root / 'mlflow.db').resolve()}"

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
