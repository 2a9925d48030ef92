"""How the files of a results folder are written and read: whole or not at all, line by line, never glued."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lstm_bench.writing import whole, writing

SCHEMA = 1  # of every file of a results folder; raised when a reader of the old ones would misread the new


def as_json(values: Mapping[str, Any]) -> str:
    """Readable JSON with a last newline."""
    return json.dumps(values, indent=2) + "\n"


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        RecordError: it cannot be written; what was there before stays.
    """
    with whole(path) as file:
        file.write(text.encode())


def read_whole(path: Path) -> dict[str, Any] | None:
    """A JSON file that `write_whole` wrote, or None while there is none."""
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found


def append_line(path: Path, values: Mapping[str, Any]) -> None:
    """Append one JSON line; a torn line before it (a killed writer's, or a full disk's) is closed off, not glued to.

    Raises:
        RecordError: it cannot be written, or not all of it.
    """
    with writing(path), path.open("ab+") as file:
        if file.tell() and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
            file.write(b"\n")
        file.write(json.dumps(values).encode() + b"\n")


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a JSON lines file; torn ones are passed over. Nothing where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    yield from parsed(lines)


def parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """What lines of JSON say; those that say no table are torn, and passed over."""
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found


def file_name(task: str) -> str:
    """A task's name as a part of a path: `mymodule:MyTask` as `mymodule.MyTask`."""
    return task.replace(":", ".").replace("/", ".")
