"""The driver's side of MLflow's writer, a process: says whose files it is to follow, and when they are done."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from lstm_bench import interpreter
from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results

MOST = 3  # writers in a row that may end before all is sent


class Shipper:
    """Sends what a study's files say, or a single run's. Use as a context.

    Args:
        results: the folder whose store it is.
        task: names the experiment.
    """

    def __init__(self, results: Results, task: str) -> None:
        self._results, self._task = results, task
        self._followed: tuple[str, ...] = ()
        self._unsaid: list[str] = []
        self._start()

    def _start(self) -> None:
        self._writer = interpreter.take(interpreter.WRITER)
        self._pipe = Connection(os.dup(self._writer.control.fileno()))
        self._alive, self._idle = True, True

    def __enter__(self) -> "Shipper":
        return self

    def __exit__(self, *exception: object) -> None:
        self._pipe.close()
        if self._idle:
            interpreter.give_back(interpreter.WRITER, self._writer)
        else:
            self._writer.close()  # wherever it hangs: what it has not sent stands in the files

    def follow(self, what: str, name: str) -> None:
        """Send what these files say from now on.

        Args:
            what: `study` or `run`.
            name: the study's name, or the run's id.

        Raises:
            BenchError: the store in the results folder cannot be used. A server's answer is not waited for.
        """
        self._followed = str(self._results.root), self._results.tracking_uri or "", self._task, what, name
        self._idle = False
        self._tell(*self._followed)
        said = {} if self._results.tracking_uri else self._hear()
        if "failed" in said:
            raise BenchError(said["failed"])
        self._unsaid = list(said.get("news", ()))

    def news(self) -> Iterator[str]:
        """What a person should know by now, in lines. Nothing of it stops the work."""
        yield from self._unsaid
        self._unsaid = []
        while self._alive and self._pipe.poll():
            said = self._hear()
            yield from said.get("news", [said["failed"]] if "failed" in said else ())

    def finish(self, ended: str) -> Iterator[str]:
        """Have all sent that is not yet, and say in lines what goes wrong meanwhile, and what could not be sent.

        Args:
            ended: how the work that was followed ended: `finished`, `failed` or `killed`.
        """
        if not self._alive:
            self._replace()
        for _ in range(MOST):
            self._tell("finish", ended)
            said: dict[str, Any] = {}
            while self._alive and "finished" not in said:
                said = self._hear()
                yield from said.get("news", ())
            if self._alive:
                self._idle = not said["finished"]
                yield from said["finished"]
                return
            last = self._last_words
            self._replace()  # somebody has shot it: another one sends what the store lacks
        yield f"MLflow's writer ended {MOST} times ({last}): `lstm-bench sync` sends what is missing"

    @property
    def _last_words(self) -> str:
        words = self._writer.words()
        return words[-1] if words else "no last words"

    def _replace(self) -> None:
        self._pipe.close()
        self._writer.close()
        self._start()
        self._idle = False
        self._tell(*self._followed)

    def _tell(self, *words: str) -> None:
        with suppress(OSError):  # it is dead, as whoever listens will find
            self._pipe.send_bytes(json.dumps(words).encode())

    def _hear(self) -> dict[str, Any]:
        """The next message; an empty one where the process is dead."""
        try:
            said: dict[str, Any] = json.loads(self._pipe.recv_bytes())
        except (EOFError, OSError):
            self._alive = False
            return {}
        return said
