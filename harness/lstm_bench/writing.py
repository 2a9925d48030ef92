"""How the files of a results folder are written: whole or not at all; and what is raised where a disk takes no more."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lstm_bench.errors import RecordError, is_disk_full


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """While entered, whatever the system says against writing this file is raised as a `RecordError`."""
    try:
        yield
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path | str, error: OSError) -> RecordError:
    """The error for a file that cannot be written."""
    way = "free some" if is_disk_full(error) else "mend that"
    return RecordError(
        f"{path} cannot be written: {error.strerror or error}; {way}, then run the same command again: what is "
        "recorded is kept"
    )


@contextmanager
def whole(path: Path) -> Iterator[IO[bytes]]:
    """A file to write, which is there whole or not at all: beside it first, on the disk, then renamed.

    Raises:
        RecordError: it cannot be written; what was there before stays, and nothing half-written lies beside it.
    """
    beside = path.with_name(path.name + ".new")
    with writing(path):
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def onto_disk(path: Path) -> None:
    """Have what a file holds outlive a machine that loses its power; nothing where there is no file.

    Raises:
        RecordError: it cannot be brought there.
    """
    if path.exists():
        with writing(path), path.open("rb+") as file:
            os.fsync(file.fileno())


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in, where there is none.

    Raises:
        RecordError: it cannot be made.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
