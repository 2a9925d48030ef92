"""Reading on in a file that grows."""

import os
from pathlib import Path
from typing import Any

from lstm_bench.record.disk import parsed


class Tail:
    """The lines that a JSON lines file has got since the last look; a line that is not whole yet is left for the next.

    Where the file was written anew (a run's readings are cut when it is taken up again), it is read from its beginning.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._file, self._read = path, 0, 0

    def lines(self) -> list[dict[str, Any]]:
        """Every whole line not given before; torn ones are passed over."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                if state.st_ino != self._file or state.st_size < self._read:
                    self._file, self._read = state.st_ino, 0
                file.seek(self._read)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return []
        self._read += len(whole) + len(newline)
        return list(parsed(whole.splitlines()))
