"""Optuna's journal file, under a lock that a kill releases, and mended where a kill or a full disk tore its last line.

Optuna's own lock is a link that a killed process leaves behind: the next start would wait 30 seconds for it. And it
glues the next record to a torn one, after which the journal cannot be read any more.
"""

import json
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock, get_lock_file

from lstm_bench.errors import BenchError
from lstm_bench.record.syncing import Syncing
from lstm_bench.writing import onto_disk, writing


def open_journal(path: Path) -> JournalStorage:
    """The journal at a path, made if need be, its end mended.

    Raises:
        BenchError: it cannot be opened, or a line in it is no record.
    """
    lock = MendingLock(path)
    try:
        lock.acquire()
        lock.release()
        _check_last_line(path)
        return JournalStorage(JournalFile(path, lock))
    except OSError as error:
        raise BenchError(f"the journal {path} cannot be opened: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, AssertionError) as error:  # whatever replaying it raises
        found = f"line {number} is no record" if (number := _first_bad_line(path)) else f"{error!r} at replaying it"
        raise BenchError(
            f"the journal {path} cannot be read: {found}; move it away, and the studies are made again from their files"
        ) from error


class JournalFile(JournalFileBackend):
    """Optuna's, but for a write it does not wait for the disk: a trial takes some twenty, of some 3 ms each.

    They outlive a kill, and what a machine that loses its power has lost of them the studies' own files say again.
    """

    def __init__(self, path: Path, lock: BaseJournalFileLock) -> None:
        super().__init__(str(path), lock_obj=lock)
        self._path, self._syncing = path, Syncing(lambda: onto_disk(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append records.

        Raises:
            RecordError: they cannot be written, or not all of them; or earlier ones not be brought onto the disk.
        """
        lines = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs)
        with writing(self._path), get_lock_file(self._lock), self._path.open("ab") as file:
            file.write(lines.encode())
        self._syncing.due()


class MendingLock(BaseJournalFileLock):
    """The kernel's lock on `<journal>.flock`. Whoever gets it, to write, finds the journal's last line whole.

    Another process may be killed, and the disk may fill up, at any time: so each write looks, not the opening alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(f"{path}.flock", poll_interval=0.005)  # seconds; a write takes less

    def acquire(self) -> bool:
        """Wait for the lock, and mend what the last writer left."""
        self._lock.acquire()
        try:
            mend(self._path)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Let others write."""
        self._lock.release()


def mend(path: Path) -> None:
    """Cut a journal after its last newline, and add what was cut off to `<journal>.torn`.

    Call it under the lock: a line that is being written looks torn too.

    Raises:
        RecordError: what is cut off cannot be kept; it stays where it was.
    """
    if not path.exists():
        return
    with path.open("r+b") as file:
        file.seek(max(0, file.seek(0, 2) - 1))
        if file.read() in (b"\n", b""):
            return
        file.seek(0)
        content = file.read()
        whole = content.rfind(b"\n") + 1
        kept = Path(f"{path}.torn")
        with writing(kept), kept.open("ab") as torn:
            torn.write(content[whole:] + b"\n")
        file.truncate(whole)


def _check_last_line(path: Path) -> None:
    """Raise where the last line is no JSON: Optuna overlooks it until another follows."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    if lines:
        json.loads(lines[-1])


def _first_bad_line(path: Path) -> int | None:
    """The number, from 1, of the first line that is no record; None where all look like one."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                json.loads(line)["op_code"]
            except (ValueError, KeyError, TypeError):
                return number
    return None
