"""The files of one study: what was asked, each of its runs, the answer."""

import contextlib
import os
import platform
import secrets
import statistics
import time
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from lstm_bench.errors import UsageError
from lstm_bench.record.disk import SCHEMA, append_line, as_json, read_lines, read_whole, write_whole
from lstm_bench.record.lock import is_held
from lstm_bench.result import Status
from lstm_bench.writing import make_folder, onto_disk

Purpose = Literal["search", "confirm"]
Key = tuple[Purpose, int, int]  # a run's place in its study: purpose, number of the trial, seed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run of a study, as a line of `trials.jsonl`. A run has a line when it begins and one when it ends.

    Attributes:
        run: the run's id; the known run's where it is `reused`.
        purpose: `search` or `confirm`.
        number: the trial's number in the search, which a confirming run shares with the setting it confirms.
        seed: of the run.
        settings: the values that the search chose, by path.
        status: how it ended; None while it goes on.
        trial_status: how the whole trial ended, on the run that it ended with; None while it goes on.
        score: best valid score; None where there is none.
        objective: the score as the search ranks it; None unless the run was complete.
        measures: where several objectives were asked for, the value of each, in that order; of complete runs alone.
        reused: whether the run was known already.
        clock: seconds that the study had been searched, over all its starts, when the line was written.
        time_ms: wall clock then, milliseconds since 1970.
    """

    run: str
    purpose: Purpose
    number: int
    seed: int
    settings: Mapping[str, Any]
    status: Status | None = None
    trial_status: Status | None = None
    score: float | None = None
    objective: float | None = None
    measures: tuple[float, ...] = ()
    reused: bool = False
    clock: float = 0.0
    time_ms: int = 0

    @property
    def key(self) -> Key:
        """Its place in the study."""
        return self.purpose, self.number, self.seed

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "RunLine":
        """The line that `to_dict` made plain, or one of the first schema, where a trial had one run."""
        ends = {name: values.get(name) and Status(values[name]) for name in ("status", "trial_status")}
        if "trial_status" not in values and values["purpose"] == "search":
            ends["trial_status"] = ends["status"]
        return cls(**{**values, **ends, "measures": tuple(values.get("measures", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {name: getattr(self, name) for name in RunLine.__dataclass_fields__}


@dataclass(frozen=True)
class Trial:
    """A setting that the search tried, with its runs in the order of their seeds."""

    runs: tuple[RunLine, ...]

    @property
    def number(self) -> int:
        """Its number in the search."""
        return self.runs[0].number

    @property
    def settings(self) -> Mapping[str, Any]:
        """The values that the search chose, by path."""
        return self.runs[0].settings

    @property
    def status(self) -> Status | None:
        """How it ended; None while it goes on. `pruned` too where it was clearly lost and got no further seeds."""
        return self.runs[-1].trial_status

    @property
    def done(self) -> bool:
        """Whether it counts as one of the trials asked for."""
        return self.status is not None and self.status.counts

    @cached_property
    def objective(self) -> float | None:
        """The mean over its seeds, as the search ranks it; None unless the trial is complete."""
        found = [line.objective for line in self.runs if line.objective is not None]
        whole = self.status and self.status.complete and len(found) == len(self.runs)
        return statistics.fmean(found) if whole else None

    @cached_property
    def score(self) -> float | None:
        """The mean over its seeds of the best valid scores; None where a run has none."""
        found = [line.score for line in self.runs if line.score is not None]
        return statistics.fmean(found) if found and len(found) == len(self.runs) else None

    @cached_property
    def measures(self) -> tuple[float, ...]:
        """The mean over its seeds of each of several objectives; nothing unless the trial is complete."""
        if self.objective is None:
            return ()
        return tuple(statistics.fmean(column) for column in zip(*(line.measures for line in self.runs), strict=True))


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

    def begin(self, asked_toml: str, machine: Mapping[str, Any] | None = None) -> None:
        """Make the folder, with what is asked, and where and by which commands it was worked at, the first one first.

        The study gets an id, which it keeps: another folder's study of the same name is another study.
        """
        make_folder(self.path)
        own = self.asked.get("id") if self.exists else secrets.token_hex(4)  # an older study has none, and stays so
        write_whole(self.path / "study.toml", (f'id = "{own}"\n' if own else "") + asked_toml)
        here = {"schema": SCHEMA, **(machine or {}), "host": platform.node()}
        commands = dict.fromkeys([*self.commands, *([here["command"]] if "command" in here else [])])
        write_whole(self.path / "machine.json", as_json({**here, "commands": list(commands)}))

    @property
    def machine(self) -> dict[str, Any]:
        """Where it was worked at last, and by which command; of an older study nothing."""
        return read_whole(self.path / "machine.json") or {}

    @property
    def commands(self) -> list[str]:
        """The commands that made it; of an older study none."""
        return list(self.machine.get("commands", ()))

    @property
    def is_held(self) -> bool:
        """Whether a driver works at it."""
        return is_held(self.path / "lock")

    @contextlib.contextmanager
    def held(self) -> Iterator[bool]:
        """While entered, this driver alone works at the study. The kernel lets go of it when the driver dies.

        Yields:
            Whether the last driver came to its end, so that nothing is left to be made good.

        Raises:
            UsageError: another driver works at it.
        """
        make_folder(self.path)
        lock, holder = FileLock(self.path / "lock"), self._holder
        try:
            lock.acquire(timeout=0)
        except Timeout:
            by = read_whole(holder) or {}
            who = f"process {by.get('pid', '?')} on {by.get('host', '?')} since {by.get('since', '?')}"
            raise UsageError(
                f"study '{self.name}' is being worked at by {who}: wait for it, stop it, or choose another --name"
            ) from None
        try:
            orderly, since = not holder.exists(), time.strftime("%Y-%m-%d %H:%M:%S")
            write_whole(holder, as_json({"pid": os.getpid(), "host": platform.node(), "since": since}))
            yield orderly
            holder.unlink()
        finally:
            lock.release()

    def add(self, line: RunLine) -> None:
        """Append how it stands with a run; what was said of that run before holds no longer."""
        append_line(self._log, line.to_dict())

    def sync(self) -> None:
        """Bring what was said of runs onto the disk."""
        onto_disk(self._log)

    @property
    def lines(self) -> list[RunLine]:
        """Every run of the study as its last line says, in the order in which they began."""
        found = (RunLine.from_dict(values) for values in read_lines(self._log))
        return list({line.key: line for line in found}.values())

    @property
    def trials(self) -> list[Trial]:
        """The search's trials by number, those that go on too."""
        return trials_of(self.lines)

    @property
    def searched(self) -> list[Trial]:
        """The search's trials that are done, by number."""
        return [trial for trial in self.trials if trial.done]

    def confirmed(self, number: int) -> list[RunLine]:
        """The confirming runs of a trial's setting that are done, by seed."""
        return confirming(self.lines, number)

    @property
    def board(self) -> dict[str, Any] | None:
        """The study's answer, or None while there is none."""
        return read_whole(self.path / "board.json")

    @property
    def ended(self) -> str:
        """How the last driver's work ended: `finished`, `failed` or `killed`; of a study that is not held."""
        return "killed" if self._holder.exists() else (self.board or {}).get("ended", "finished")

    @property
    def _holder(self) -> Path:
        """Which driver works at it; there until that came to its end."""
        return self.path / "holder.json"

    @property
    def _log(self) -> Path:
        """Where each line is that was said of a run."""
        return self.path / "trials.jsonl"

    def write_board(self, board: Mapping[str, Any]) -> None:
        """Write the study's answer; `ended` says how the work at it did."""
        write_whole(self.path / "board.json", as_json({"schema": SCHEMA, **board}))


def trials_of(lines: Iterable[RunLine]) -> list[Trial]:
    """The search's trials among some runs of a study, by number, each with its runs by seed."""
    runs: dict[int, list[RunLine]] = {}
    for line in lines:
        if line.purpose == "search":
            runs.setdefault(line.number, []).append(line)
    return [Trial(tuple(sorted(runs[number], key=lambda line: line.seed))) for number in sorted(runs)]


def confirming(lines: Iterable[RunLine], number: int) -> list[RunLine]:
    """The confirming runs of a trial's setting among some runs of a study, those that are done, by seed."""
    found = [line for line in lines if line.purpose == "confirm" and line.number == number]
    return sorted((line for line in found if line.status and line.status.counts), key=lambda line: line.seed)
