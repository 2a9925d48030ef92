"""The driver's side of the mailbox: what its runs say, and which of them are gone, as something to wait for."""

import json
import queue
import socket
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError

from lstm_bench.errors import BenchError
from lstm_bench.pool.cluster import environment
from lstm_bench.pool.mailbox import Message, make_mailbox

GONE = b'{"gone": true}'


class Post:
    """Has its own mailbox in the cluster, while it is open.

    Attributes:
        mailbox: for the runs.
        bell: readable when there are messages.
    """

    def __init__(self) -> None:
        self.mailbox = make_mailbox(environment())
        self.bell, self._ringer = socket.socketpair()
        self._rung: queue.SimpleQueue[tuple[str | None, Future[Any]]] = queue.SimpleQueue()
        self._heard: deque[Message] = deque()
        self._failures: dict[str, BaseException | None] = {}
        self._died: BaseException | None = None  # what the mailbox ended with
        self._ring_after(self.mailbox.hear.remote())

    def open(self, line: str) -> None:
        """Begin a line, before its run is."""
        ray.get(self.mailbox.open.remote(line))

    def follow(self, line: str, task: Any) -> None:
        """Have the end of a task told as the last message of its line."""
        self._ring_after(task, line)

    def say(self, line: str, **word: Any) -> None:
        """Leave a run a word."""
        self.mailbox.say.remote(line, json.dumps(word).encode())

    def messages(self) -> Iterator[Message]:
        """What has come, in order; at the end of each line `GONE`. What the caller leaves comes the next time.

        Raises:
            BenchError: the cluster is gone.
        """
        with suppress(BlockingIOError):
            self.bell.recv(2**16, socket.MSG_DONTWAIT)
        with suppress(queue.Empty):
            while True:
                self._take(*self._rung.get_nowait())
        try:
            while self._heard:
                yield self._heard.popleft()
            if self._died:
                raise BenchError(
                    f"the Ray cluster is gone ({type(self._died).__name__}): what is done is kept, and the same "
                    "command goes on with it, on any cluster"
                )
        finally:
            if self._heard or self._died:
                self._ring()

    def end(self, line: str) -> BaseException | None:
        """End a line whose task is gone. Returns what the task failed with; None where it came to its end."""
        self.mailbox.close.remote(line)
        return self._failures.pop(line)

    def close(self) -> None:
        """End the mailbox."""
        with suppress(RayError):
            ray.kill(self.mailbox)

    def _take(self, line: str | None, ready: "Future[Any]") -> None:
        """A task is gone (what it has said is in the mailbox by now, before `GONE`), or messages have come."""
        failure = ready.exception()
        if line is not None:
            self._failures[line] = failure
            self.mailbox.tell.remote(line, GONE, {})
        elif failure is not None:
            self._died = failure
        else:
            self._heard += ready.result()
            self._ring_after(self.mailbox.hear.remote())

    def _ring_after(self, awaited: Any, line: str | None = None) -> None:
        def ring(ready: "Future[Any]") -> None:  # in a thread of Ray's, which must not wait
            self._rung.put((line, ready))
            self._ring()

        awaited.future().add_done_callback(ring)

    def _ring(self) -> None:
        with suppress(OSError):
            self._ringer.send(b"!", socket.MSG_DONTWAIT)
