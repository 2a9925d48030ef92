"""The files of a results folder: the truth, from which every other view is made. Schema: results/README.md."""

import json
import os
import secrets
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

SCHEMA = 1  # of every file here; raised when a reader of the old ones would misread the new


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


def new_run_id(task: str) -> str:
    """A run id that no other run has, speaking and sorted by time: `20261124-131850-adding-3f9c01e2`."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{file_name(task)}-{secrets.token_hex(4)}"


def file_name(task: str) -> str:
    """A task's name as a part of a path: `mymodule:MyTask` as `mymodule.MyTask`."""
    return task.replace(":", ".").replace("/", ".")


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One run's folder. The run's own process writes it; anyone reads it."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def begin(self, spec: RunSpec, machine: Mapping[str, Any]) -> None:
        """Make the folder, with what is to be run and where."""
        self.path.mkdir(parents=True)
        write_whole(self.path / "spec.toml", spec.to_toml())
        write_whole(self.path / "machine.json", as_json({"schema": SCHEMA, **machine}))

    def log(self, reading: Reading) -> None:
        """Append a reading; it is in the file when this returns."""
        append_line(self.path / "readings.jsonl", reading.to_dict())

    def end(self, result: RunResult) -> None:
        """Write how the run ended."""
        write_whole(self.path / "result.json", as_json({"schema": SCHEMA, **result.to_dict()}))

    @property
    def spec(self) -> RunSpec:
        """What was run."""
        return RunSpec.from_dict(tomllib.loads((self.path / "spec.toml").read_text()))

    @property
    def machine(self) -> dict[str, Any]:
        """Where it ran."""
        found: dict[str, Any] = json.loads((self.path / "machine.json").read_text())
        return found

    @property
    def readings(self) -> list[Reading]:
        """Every whole line of readings; a torn last one is left out."""
        return [Reading(**line) for line in read_lines(self.path / "readings.jsonl")]

    @property
    def result(self) -> RunResult | None:
        """How it ended, or None while it has not."""
        values = read_whole(self.path / "result.json")
        if values is None:
            return None
        del values["schema"]
        return RunResult.from_dict(values)


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One run of a study, as a line of `trials.jsonl`.

    Attributes:
        run: the run's id.
        purpose: `search` or `confirm`.
        number: the trial's number in the search, which a confirming run shares with the setting it confirms.
        seed: of the run.
        status: how it ended.
        settings: the values that the search chose, by path.
        score: best valid score; None where there is none.
        objective: what the search was told; None unless the run was complete.
    """

    run: str
    purpose: str
    number: int
    seed: int
    status: Status
    settings: Mapping[str, Any]
    score: float | None
    objective: float | None


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """One study's folder. The driver writes it."""

    path: Path

    @property
    def name(self) -> str:
        """The study's name."""
        return self.path.name

    @property
    def exists(self) -> bool:
        """Whether the study has begun."""
        return (self.path / "study.toml").exists()

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked, as `begin` wrote it."""
        return tomllib.loads((self.path / "study.toml").read_text())

    def begin(self, asked_toml: str) -> None:
        """Make the folder, with what is asked."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / "study.toml", asked_toml)

    def add_trial(self, line: TrialLine) -> None:
        """Append how a run of the study ended."""
        values = {name: getattr(line, name) for name in TrialLine.__dataclass_fields__}
        append_line(self.path / "trials.jsonl", values)

    @property
    def trials(self) -> list[TrialLine]:
        """Every run of the study that has ended, in that order."""
        lines = read_lines(self.path / "trials.jsonl")
        return [TrialLine(**{**line, "status": Status(line["status"])}) for line in lines]

    @property
    def searched(self) -> list[TrialLine]:
        """The search's trials that are done, in the order in which they ended."""
        return [line for line in self.trials if line.purpose == "search" and line.status.counts]

    def confirmed(self, number: int) -> list[TrialLine]:
        """The confirming runs of a trial's setting that are done, by seed."""
        lines = [line for line in self.trials if line.purpose == "confirm" and line.number == number]
        return sorted((line for line in lines if line.status.counts), key=lambda line: line.seed)

    @property
    def board(self) -> dict[str, Any] | None:
        """The study's answer, or None while there is none."""
        return read_whole(self.path / "board.json")

    def write_board(self, board: Mapping[str, Any]) -> None:
        """Write the study's answer."""
        write_whole(self.path / "board.json", as_json({"schema": SCHEMA, **board}))


def as_json(values: Mapping[str, Any]) -> str:
    """Readable JSON with a last newline."""
    return json.dumps(values, indent=2) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all: beside it first, then renamed."""
    beside = path.with_name(path.name + ".new")
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def read_whole(path: Path) -> dict[str, Any] | None:
    """A JSON file that `write_whole` wrote, or None while there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return found


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Append one JSON line; a torn line before it (a killed writer's) is closed off, not glued to."""
    with path.open("ab+") as file:
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            file.write(b"\n")
        file.write(json.dumps(values).encode() + b"\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a JSON lines file; torn ones are passed over. Nothing where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            continue
