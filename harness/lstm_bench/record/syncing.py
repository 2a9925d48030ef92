"""What was written comes onto the disk within seconds, and nobody waits for that."""

import threading
from collections.abc import Callable

from lstm_bench.errors import RecordError

WITHIN = 4.0  # seconds from the first write to its sync, which takes a while itself: 5 are promised


class Syncing:
    """Brings writes onto the disk a while after the first of them, all at once, in a thread.

    Args:
        sync: brings them there; raises a `RecordError` where it cannot.
        within: seconds that a write may wait.
    """

    def __init__(self, sync: Callable[[], None], within: float = WITHIN) -> None:
        self._sync, self._within = sync, within
        self._is_due = False
        self._failed: RecordError | None = None

    def due(self) -> None:
        """Something has been written.

        Raises:
            RecordError: what was written before could not be brought onto the disk.
        """
        self.check()
        if not self._is_due:
            self._is_due = True
            timer = threading.Timer(self._within, self._bring)
            timer.daemon = True
            timer.start()

    def check(self) -> None:
        """See whether all went well so far: the system says once that it lost something, not at each sync.

        Raises:
            RecordError: something could not be brought onto the disk.
        """
        if self._failed:
            raise self._failed

    def _bring(self) -> None:
        self._is_due = False  # before the sync: it may miss what is written from now on
        try:
            self._sync()
        except RecordError as error:
            self._failed = error
