"""Sends what MLflow's store lacks of a whole results folder; or makes a store anew, from the files alone."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import StudyFiles
from lstm_bench.tracking.failure import PATIENCE, is_lasting, why
from lstm_bench.tracking.sender import Sender
from lstm_bench.tracking.store import Store
from lstm_bench.tracking.view import StudyView

PAUSES = tuple(PATIENCE * part / 15 for part in (1, 2, 4, 8))  # seconds until a call that failed is made again
MANY = 50  # runs that are worth starting more processes, which takes each 3 s

T = TypeVar("T")


def sync(results: Results, *, rebuild: bool = False, workers: int = 1) -> Iterator[str]:
    """Send everything, and say what was sent, in lines.

    Args:
        results: the folder.
        rebuild: first set the folder's own store aside, and begin with an empty one.
        workers: processes that send the runs of a large study.

    Raises:
        BenchError: the store does not answer, or cannot be used.
        UsageError: there is nothing to send, or the store cannot be set aside.
    """
    studies, singles = results.studies(), single_runs(results)
    if not studies and not singles:
        raise UsageError(f"nothing to send: there is no study and no run in {results.root}")
    if rebuild:
        kept = set_aside(results, studies, singles)
        yield f"the store that there was is kept as {kept}" if kept else "there was no store"
    by_task: dict[str, tuple[list[StudyFiles], list[RunFiles]]] = {}
    for study in studies:
        by_task.setdefault(study.asked["task"], ([], []))[0].append(study)
    for run in singles:
        by_task.setdefault(run.spec.task, ([], []))[1].append(run)
    for task, (of_studies, of_singles) in by_task.items():
        yield from _Task(results, task, workers).send(of_studies, of_singles)


class _Task:
    """One task's part of the work."""

    def __init__(self, results: Results, task: str, workers: int) -> None:
        self._results, self._task, self._workers = results, task, workers
        self._store = persistent(results, lambda: Store(results, task))
        self._sender = Sender(results, self._store)

    def send(self, studies: Sequence[StudyFiles], singles: Sequence[RunFiles]) -> Iterator[str]:
        self._persist(self._know)
        for files in studies:
            try:
                with FileLock(files.path / "lock").acquire(timeout=0):
                    yield from self._study(files)
            except Timeout:
                yield f"{files.name}: is being worked at; its own driver sends it"
        ended = [run for run in singles if not run.is_alive]
        for run in ended:
            self._persist(partial(self._sender.single, run, over=True))
        if ended:
            yield f"{self._task}: {len(ended)} runs outside of studies are there"
        yield from (f"{run.id}: goes on; its own driver sends it" for run in singles if run not in ended)
        yield from self._sender.refusals

    def _know(self) -> None:
        self._sender.know(self._store.runs(""))

    def _study(self, files: StudyFiles) -> Iterator[str]:
        view, ended = StudyView(self._results, files), files.ended
        view.look()
        lacking = self._sender.lacking(view)
        if lacking >= MANY and self._workers > 1:
            self._persist(partial(self._sender.begin, view))  # all of them show their runs under it
            self._share(files.name, ended)
            self._persist(self._know)
        self._persist(partial(self._sender.study, view, ended))
        total = len(view.register.lines)
        yield f"{files.name}: {f'{lacking} of {total} runs sent' if lacking else f'its {total} runs were there'}"

    def _share(self, study: str, ended: str) -> None:
        parts = [(self._results, self._task, study, ended, (k, self._workers)) for k in range(self._workers)]
        with ProcessPoolExecutor(self._workers, mp_context=get_context("spawn")) as pool:
            for done in [pool.submit(send_part, *part) for part in parts]:
                done.result()

    def _persist(self, call: Callable[[], T]) -> T:
        return persistent(self._results, call, lambda: self._sender.done)


def send_part(results: Results, task: str, study: str, ended: str, share: tuple[int, int]) -> None:
    """Send some of a study's runs, in a process of its own: two are 1.4 times as fast as one on a SQLite store."""
    store = persistent(results, lambda: Store(results, task))
    sender, view = Sender(results, store, share), StudyView(results, results.study(study))
    view.look()
    persistent(results, partial(sender.know_study, view))
    persistent(results, partial(sender.study, view, ended), lambda: sender.done)


def persistent(results: Results, call: Callable[[], T], progress: Callable[[], int] = lambda: 0) -> T:
    """What a call gives, made again some times where it fails; as often again where it got further than before.

    Args:
        results: whose store it is.
        call: to be made.
        progress: grows as the call gets further.

    Raises:
        BenchError: it failed each time, or the store cannot be used.
    """
    reached, pauses = progress(), iter(PAUSES)
    while True:
        try:
            return call()
        except BenchError:
            raise
        except Exception as error:
            if progress() > reached:
                reached, pauses = progress(), iter(PAUSES)
            pause = next(pauses, None)
            if pause is None or is_lasting(error):
                raise BenchError(
                    f"MLflow at {results.mlflow_uri} does not take what it is sent: {why(error)}; "
                    "what it has stays, and the same command goes on"
                ) from error
            time.sleep(pause)


def single_runs(results: Results) -> list[RunFiles]:
    """The runs outside of any study, the oldest first."""
    of_studies = {line.run for study in results.studies() for line in study.lines}
    begun = sorted(path.parent for path in results.runs.glob("*/spec.toml"))
    return [RunFiles(path) for path in begun if path.name not in of_studies]


def set_aside(results: Results, studies: Sequence[StudyFiles], singles: Sequence[RunFiles]) -> Path | None:
    """Rename the folder's own store, so that a new one is made. Returns its path now; None where there was none.

    Raises:
        UsageError: it is a server's, or somebody writes to it.
    """
    if results.tracking_uri:
        raise UsageError("--rebuild with --tracking-uri: a server's store is its own; `sync` alone sends what it lacks")
    busy = [files.name for files in studies if files.is_held] + [run.id for run in singles if run.is_alive]
    if busy:
        raise UsageError(f"--rebuild: {busy[0]} is being worked at, and writes to the store: wait for it, or stop it")
    old = results.mlflow_db.with_name(f"mlflow-{time.strftime('%Y%m%d-%H%M%S')}.db")
    with FileLock(results.root / "mlflow.lock"):
        if not results.mlflow_db.exists():
            return None
        _close(results.mlflow_db)
        for end in ("", "-wal", "-shm"):  # the latter two of a store that cannot be read
            with contextlib.suppress(FileNotFoundError):
                Path(f"{results.mlflow_db}{end}").rename(f"{old}{end}")
    return old


def _close(store: Path) -> None:
    """Bring what stands in files beside a store into it.

    Raises:
        UsageError: somebody has it open.
    """
    try:
        with contextlib.closing(sqlite3.connect(store, timeout=1)) as database:
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise UsageError(f"--rebuild: {store} is open ({error}): end what has it open, be it `lstm-bench ui`") from None
    except sqlite3.DatabaseError:  # it is damaged, or none: one more reason to make it anew
        pass
