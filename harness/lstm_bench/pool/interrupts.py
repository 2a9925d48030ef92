"""Ctrl-C and SIGTERM as something to wait for, so that they cut no write in half."""

import signal
import socket
import threading
from types import FrameType


class Interrupts:
    """While entered, the first SIGINT or SIGTERM makes `readable` so; another one raises KeyboardInterrupt at once.

    Signals can be taken over in the main thread alone; elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._heard = 0
        self._before: dict[signal.Signals, object] = {}

    @property
    def readable(self) -> socket.socket:
        """What becomes readable: for `multiprocessing.connection.wait`."""
        return self._reader

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # it came from signal.signal
        self._reader.close()
        self._writer.close()

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self._heard += 1
        if self._heard > 1:
            raise KeyboardInterrupt
        self._writer.send(b"!")

    def raise_it(self) -> None:
        """Raise what was heard, here and now."""
        self._reader.recv(1)
        raise KeyboardInterrupt
