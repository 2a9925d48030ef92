"""MLflow's writer: reads the files that it is told to follow, and sends what the store lacks of them.

A process of its own, since a call to MLflow takes 5 to 15 ms of a core, as much as all else that a trial costs the
driver, and may hang for as long as a server does. All that it sends stands in the files: killed, it has lost nothing.
Begun by `lstm_bench.begin`, perhaps before it is known for what; it speaks JSON over the socket FD, and ends when the
driver's end of it closes, or with the driver.
"""

import gc
import json
import os
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results
from lstm_bench.tracking.failure import PATIENCE, is_lasting, why
from lstm_bench.tracking.page import ready_to_publish
from lstm_bench.tracking.sender import Sender
from lstm_bench.tracking.store import Store
from lstm_bench.tracking.view import StudyView

SEND_EVERY = 2.0  # seconds between two looks at the files
LONGEST_PAUSE = 30.0  # seconds between two tries while the store does not answer
TICK = 0.1  # seconds from one look at whether it answers to the next


class Errand:
    """Sends one study, or one single run, pass by pass.

    Args:
        results: where the files lie.
        task: names the experiment.
        what: `study` or `run`.
        name: the study's name, or the run's id.
    """

    def __init__(self, results: Results, task: str, what: str, name: str) -> None:
        self._results, self._task, self._run = results, task, results.run(name)
        self._view = StudyView(results, results.study(name)) if what == "study" else None
        self.store: Store | None = None
        self._sender: Sender | None = None

    def open(self) -> None:
        """Open the store, where that is not done yet.

        Raises:
            BenchError: it cannot be used.
        """
        if self._sender:
            return
        self.store = self.store or Store(self._results, self._task)
        gc.collect()
        gc.freeze()  # a collection of all that mlflow has imported takes 0.2 s
        sender = Sender(self._results, self.store)
        if self._view:
            sender.know_study(self._view)
        sender.close_abandoned()
        self._sender = sender

    def go(self, ended: str | None) -> None:
        """Send what there is by now; the answer, too, once the work has ended.

        Raises:
            Exception: a call failed; the next pass makes it again.
        """
        assert self._sender, "it is opened first"
        if self._view:
            self._view.look()
            self._sender.study(self._view, ended)
            if not ended:
                ready_to_publish(self._view)
        else:
            self._sender.single(self._run, over=ended is not None)

    def left(self, failure: str | None) -> list[str]:
        """Lines that say what the store has not got, and why."""
        lines = list(self._sender.refusals) if self._sender else []
        if failure:
            server = f"--tracking-uri {self._results.tracking_uri} " if self._results.tracking_uri else ""
            lines.append(
                f"MLflow at {self._results.mlflow_uri} lacks {self._lacking()}: {failure}. "
                f"It is all in the files: `lstm-bench {server}sync` sends the rest"
            )
        return lines

    def _lacking(self) -> str:
        if not self._view:
            return f"run {self._run.id}"
        self._view.look()
        total = len(self._view.register.lines)
        unsent = self._sender.lacking(self._view) if self._sender else total
        return f"{unsent} of {total} runs" if unsent else "the study's answer"

    def progress(self, *, failing: bool) -> tuple[int, int]:
        """What grows while sending gets anywhere: the runs that are done and, as long as nothing fails, the answers.

        A server that refuses one kind of call answers all others, again in each pass.
        """
        answers = self.store.answers if self.store and not failing else 0
        return self._sender.done if self._sender else 0, answers


class Writer:
    """Goes the errand again and again in a thread, so that the driver is heard while a call hangs.

    Args:
        driver: who is told.
        errand: what is to be sent.
    """

    def __init__(self, driver: Connection, errand: Errand) -> None:
        self._driver, self._errand = driver, errand
        self._ended: str | None = None
        self._failure: str | None = None
        self._wake, self._done = threading.Event(), threading.Event()
        threading.Thread(target=self._write, name="writer", daemon=True).start()

    def _write(self) -> None:
        pause, opened = SEND_EVERY, False
        while True:
            ended = self._ended
            try:
                self._errand.open()
                if not opened:
                    self._say(news=[])
                    opened = True
                self._errand.go(ended)
            except BenchError as error:  # never to be mended by another try
                self._failure = str(error)
                self._say(failed=self._failure)
                self._done.set()
                return
            except Exception as error:  # noqa: BLE001  # whatever a store raises: it is tried again
                self._fail(error)
                if ended and is_lasting(error):
                    self._done.set()
                    return
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self._recover()
                pause = SEND_EVERY
                if ended:
                    self._done.set()
                    return
            self._wake.wait(SEND_EVERY if self._ended else pause)
            self._wake.clear()

    def _fail(self, error: Exception) -> None:
        if not self._failure:
            then = f"it is given {PATIENCE:g} s" if self._ended else "training goes on, and it is tried again"
            self._say(news=[f"MLflow does not take what it is sent ({why(error)}): {then}"])
        self._failure = why(error)

    def _recover(self) -> None:
        if self._failure:
            self._say(news=["MLflow takes again what it is sent"])
        self._failure = None

    def finish(self, ended: str) -> None:
        """Send all that is left, for as long as the store answers, and say what could not be sent."""
        self._ended = ended
        self._wake.set()
        seen, since = self._progress, time.monotonic()
        while not self._done.wait(TICK) and time.monotonic() - since < PATIENCE:
            if self._driver.poll():  # it says no more: it is gone
                raise EOFError
            if self._progress != seen:
                seen, since = self._progress, time.monotonic()
        if not self._done.is_set():
            self._failure = self._failure or f"no answer for {PATIENCE:g} s"
        self._say(finished=self._errand.left(self._failure))

    @property
    def _progress(self) -> tuple[int, int, int]:
        """Grows while it gets on: by what the store answers, or by its own work, which drawing is."""
        return *self._errand.progress(failing=self._failure is not None), int(time.process_time())

    def _say(self, **message: object) -> None:
        self._driver.send_bytes(json.dumps(message).encode())


def main() -> None:
    """Go one errand after another, each until the driver has said that this was all, or is gone."""
    driver = Connection(int(sys.argv[1]))
    try:
        while True:
            root, uri, task, what, name = json.loads(driver.recv_bytes())
            writer = Writer(driver, Errand(Results(Path(root), uri or None), task, what, name))
            _, ended = json.loads(driver.recv_bytes())
            writer.finish(ended)
    except (EOFError, OSError):
        os._exit(0)  # the driver is gone, or has heard all that it wanted
