"""MLflow's writer as a process of its own: the driver says what happened, and never waits for a database.

A call to MLflow takes 5 to 15 ms of a core, as much as all else that a trial costs the driver. Everything sent stands
in the files already, so a shipper that dies loses nothing: another one sends what MLflow lacks.
Started as `python -m lstm_bench.record.shipper FD RESULTS TASK`; it speaks JSON over that socket, and ends when the
driver's end of it closes.
"""

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lstm_bench.errors import BenchError, in_one_line
from lstm_bench.record.files import Results
from lstm_bench.result import Reading, RunResult
from lstm_bench.spec import Value

PATIENCE = 5.0  # seconds that it has to end once all is sent


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as MLflow is to show it.

    Attributes:
        key: what makes it one MLflow run: the run's id, or its place in its study.
        name: for people.
        values: the parameters, by the paths that `--set` takes.
        tags: what it is found by.
        parent: the key of the run that it is shown under; the study's, if there is one, where it is None.
    """

    key: str
    name: str
    values: Mapping[str, Value]
    tags: Mapping[str, str]
    parent: str | None = None


class Shipper:
    """The driver's side. Use as a context: when it is left, all is sent.

    Args:
        results: the folder whose store it is.
        task: names the experiment.
    """

    def __init__(self, results: Results, task: str) -> None:
        ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-P", "-m", "lstm_bench.record.shipper", str(theirs.fileno()), str(results.root), task],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the driver's to hear
        )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._told = False
        self.alive = True

    def __enter__(self) -> "Shipper":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._told:
            self._tell("close")
            self._hear()
        self._pipe.close()  # one that was told nothing ends at once
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def begin_study(self, name: str, tags: Mapping[str, str]) -> set[str]:
        """Open the study's parent run. Returns the keys of the runs that MLflow knows the end of.

        Raises:
            BenchError: the store cannot be used.
        """
        self._tell("begin_study", name, dict(tags))
        return set(self._hear() or ())

    def started(self, entry: Entry) -> None:
        """Open a run."""
        self._tell("started", asdict(entry))

    def heard(self, key: str, reading: Reading) -> None:
        """Send a reading's metrics."""
        self._tell("heard", key, reading.to_dict())

    def ended(self, key: str, result: RunResult) -> None:
        """Send how a run ended, and close it."""
        self._tell("ended", key, result.to_dict())

    def best_so_far(self, trials: int, metrics: Mapping[str, float]) -> None:
        """A point of the study's own curves."""
        self._tell("best_so_far", trials, dict(metrics))

    def end_study(self, status: str, note: str, metrics: Mapping[str, float]) -> None:
        """Close the parent run, with the answer."""
        self._tell("end_study", status, note, dict(metrics))

    def _tell(self, what: str, *arguments: Any) -> None:
        self._told = True
        if self.alive and self._pipe.poll():  # it speaks unasked when something is wrong
            self._hear()
        if self.alive:
            try:
                self._pipe.send_bytes(json.dumps([what, *arguments]).encode())
            except OSError:
                self.alive = False

    def _hear(self) -> Any:
        """The answer to what was told last; None where the shipper is dead.

        Raises:
            BenchError: what it could not do.
        """
        if not self.alive:
            return None
        try:
            answer = json.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            self.alive = False
            return None
        if isinstance(answer, dict):
            self.alive = False
            raise BenchError(answer["failed"])
        return answer


def main() -> None:
    """Send what the driver says, in its order, until it says that this was all."""
    driver = Connection(int(sys.argv[1]))
    words: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(driver, words), daemon=True).start()
    try:
        _ship(driver, words)
    except Exception as error:  # noqa: BLE001  # the driver says it in one line
        text = str(error) if isinstance(error, BenchError) else f"MLflow could not be written to: {error!r}"
        driver.send_bytes(json.dumps({"failed": in_one_line(text)}).encode())


def _listen(driver: Connection, words: "queue.SimpleQueue[list[Any]]") -> None:
    """Take what comes at once: the driver never waits."""
    while True:
        try:
            words.put(json.loads(driver.recv_bytes()))
        except (EOFError, OSError):
            os._exit(1)  # the driver is gone


def _ship(driver: Connection, words: "queue.SimpleQueue[list[Any]]") -> None:
    from lstm_bench.record.mlflow import Tracker  # takes 1 s, while the driver reads the data

    word, tracker = words.get(), Tracker(Results(Path(sys.argv[2])), sys.argv[3])
    while word != ["close"]:
        match word:
            case "begin_study", name, tags:
                driver.send_bytes(json.dumps(sorted(tracker.begin_study(name, tags))).encode())
            case "started", entry:
                tracker.started(Entry(**entry))
            case "heard", key, reading:
                tracker.heard(key, Reading(**reading))
            case "ended", key, result:
                tracker.ended(key, RunResult.from_dict(result))
            case "best_so_far", trials, metrics:
                tracker.best_so_far(trials, metrics)
            case "end_study", status, note, metrics:
                tracker.end_study(status, note, metrics)
        word = words.get()
    driver.send_bytes(b"[]")


if __name__ == "__main__":
    main()
