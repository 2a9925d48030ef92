"""The files of one run: what was to be run, where, each reading, how it ended."""

import json
import os
import platform
import secrets
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from lstm_bench.record.disk import SCHEMA, append_line, as_json, file_name, read_lines, read_whole, write_whole
from lstm_bench.record.lock import is_held
from lstm_bench.result import Reading, RunResult, now_ms
from lstm_bench.spec import RunSpec, fingerprint
from lstm_bench.writing import make_folder, onto_disk, writing

RUNS = "runs"  # a folder of runs in a results folder
DIFFS = "diffs"  # beside it: what was changed in the code


def new_run_id(task: str) -> str:
    """A run id that no other run has, speaking and sorted by time: `20261124-131850-adding-3f9c01e2`."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{file_name(task)}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class RunFiles:
    """One run's folder. The run's own process writes it; anyone reads it."""

    path: Path

    @property
    def id(self) -> str:
        """The run's id."""
        return self.path.name

    def lock(self) -> FileLock:
        """Held by the run's process while it lives; the kernel lets go of it when that ends, however it does."""
        return FileLock(self.path / "lock")

    @property
    def has_begun(self) -> bool:
        """Whether the folder has all that a run writes when it begins."""
        return self._place.exists()

    @property
    def is_alive(self) -> bool:
        """Whether its process lives."""
        return is_held(self.path / "lock")

    @property
    def checkpoint(self) -> Path:
        """The state to go on from; there while the run has not ended."""
        return self.path / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """The weights of its best reading; there where the run was to be tested, and was."""
        return self.path / "weights.safetensors"

    @property
    def signature(self) -> Path:
        """What its model was sized from; beside the weights."""
        return self.path / "signature.json"

    @property
    def _place(self) -> Path:
        """Where it says where it runs: written last of all when it begins."""
        return self.path / "machine.json"

    @property
    def _log(self) -> Path:
        """Where its readings are."""
        return self.path / "readings.jsonl"

    def begin(
        self,
        spec: RunSpec,
        machine: Mapping[str, Any],
        facts: Mapping[str, str] | None = None,
        diff: tuple[str, str] | None = None,
    ) -> None:
        """Make the folder, with what is to be run and where; what an earlier process of this run wrote stays.

        Args:
            spec: resolved.
            machine: see `meter.machine`; the host, this process's id and the time are added.
            facts: beneath the run, see `execute.facts`; with the spec they give its fingerprint.
            diff: what was changed in the code since its commit, and its digest: kept once for all runs that had it.

        Raises:
            FileExistsError: the folder is another run's.
            RecordError: it cannot be written to; as of every method here that writes.
        """
        asked, place = self.path / "spec.toml", self._place
        if asked.exists() and self.spec != spec:
            raise FileExistsError(f"{self.path} holds a run of another spec: expected the same, or a folder of its own")
        make_folder(self.path)
        if not asked.exists():
            write_whole(asked, spec.to_toml())
        if not place.exists():
            self._keep(diff)
            found = {"facts": dict(facts), "fingerprint": fingerprint(spec, facts)} if facts else {}
            here = {"host": platform.node(), "pid": os.getpid(), "begun_ms": now_ms()}
            write_whole(place, as_json({"schema": SCHEMA, **machine, **found, **here}))

    def _keep(self, diff: tuple[str, str] | None) -> None:
        """Keep a diff beside the runs; a run outside of a results folder has no such place."""
        if diff is None or self.path.parent.name != RUNS:
            return
        digest, text = diff
        kept = self.path.parent.with_name(DIFFS) / f"{digest}.patch"
        make_folder(kept.parent)
        with FileLock(kept.parent / "lock"):  # several runs begin at once
            if not kept.exists():
                write_whole(kept, text)

    def reopen(self) -> None:
        """Forget how an earlier process of this run ended: the run goes on."""
        path = self.path / "result.json"
        with writing(path):
            path.unlink(missing_ok=True)

    def log(self, reading: Reading) -> None:
        """Append a reading; it is in the file when this returns, and on the disk after the next `sync`."""
        append_line(self._log, reading.to_dict())

    def sync(self) -> None:
        """Bring the readings onto the disk: a machine that loses its power keeps them."""
        onto_disk(self._log)

    def cut(self, kept: Sequence[Reading]) -> None:
        """Leave these readings alone in the file: what came after a checkpoint comes once more."""
        if self._log.exists():
            write_whole(self._log, "".join(json.dumps(reading.to_dict()) + "\n" for reading in kept))

    def end(self, result: RunResult) -> None:
        """Write how the run ended, once its readings are on the disk. A killed one keeps its checkpoint: it goes on."""
        self.sync()
        write_whole(self.path / "result.json", as_json({"schema": SCHEMA, "ended_ms": now_ms(), **result.to_dict()}))
        if result.status.counts:
            for path in self.path.glob(f"{self.checkpoint.name}*"):  # a half-written one, too
                with writing(path):
                    path.unlink(missing_ok=True)

    @property
    def spec(self) -> RunSpec:
        """What was run."""
        return RunSpec.from_dict(tomllib.loads((self.path / "spec.toml").read_text()))

    @property
    def machine(self) -> dict[str, Any]:
        """Where it ran."""
        found: dict[str, Any] = json.loads(self._place.read_text())
        return found

    @property
    def readings(self) -> list[Reading]:
        """Every whole line of readings; a torn last one is left out."""
        return [Reading(**line) for line in read_lines(self._log)]

    @property
    def result(self) -> RunResult | None:
        """How it ended, or None while it has not."""
        values = read_whole(self.path / "result.json")
        if values is None:
            return None
        del values["schema"]
        values.pop("ended_ms", None)
        return RunResult.from_dict(values)

    @property
    def ended_ms(self) -> int | None:
        """When it ended, milliseconds since 1970; of an older one by its file's time. None while it has not."""
        path = self.path / "result.json"
        found = read_whole(path)
        return None if found is None else int(found.get("ended_ms", path.stat().st_mtime_ns // 10**6))
