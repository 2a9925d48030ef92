"""What travels where two machines share no folder: what is new in a run's files, from one of them to the other."""

import hashlib
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from lstm_bench.writing import make_folder, whole, writing

GROWING = (".jsonl", ".log")  # files that are only appended to, but where one is made anew
STAYING = ("lock",)  # names that mean something on their own machine alone
HALF = ".new"  # how the name of a half-written file ends
LAST = ("checkpoint.pt", "machine.json", "result.json")  # each says that what is written before it is there

# By path below a results folder: from which byte on, and the bytes; None: the file is gone.
Parcel = Mapping[str, tuple[int, bytes] | None]


def pack(root: Path, paths: Iterable[Path]) -> Parcel:
    """Files below a results folder, whole; those that are not there are left out."""
    return {_below(root, path): (0, path.read_bytes()) for path in paths if _travels(path)}


def unpack(root: Path, parcel: Parcel) -> None:
    """Write a parcel into a results folder, so that a kill in between leaves what a killed run may leave.

    Raises:
        RecordError: it cannot be written.
    """
    for name, new in sorted(parcel.items(), key=lambda item: (item[1] is None, *_turn(item[0]))):
        path = root / name
        if new is None:
            with writing(path):
                path.unlink(missing_ok=True)
        elif new[0]:
            _append(path, *new)
        else:
            make_folder(path.parent)
            with whole(path) as file:
                file.write(new[1])


class Mirror:
    """Tells what is new below a results folder since it was asked last.

    Args:
        root: the folder; what lies there now is known on the other side.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, _Told] = {}
        self.news()

    def news(self, *, but: Container[str] = ()) -> Parcel:
        """What is new; files of the names in `but` are left for another time."""
        found: dict[str, tuple[int, bytes] | None] = {}
        for path in (path for path in self._root.rglob("*") if _travels(path) and path.name not in but):
            name, version = _below(self._root, path), _version(path)
            before = self._known.get(name)
            if before is None or before.version != version:
                content = path.read_bytes()
                start = before.size if before and before.begins(content) else 0
                found[name] = start, content[start:]
                digest = _digest(content) if path.suffix in GROWING else None
                self._known[name] = _Told(version, len(content), digest)
        for name in [name for name in self._known if not (self._root / name).exists()]:
            del self._known[name]
            found[name] = None
        return found


class _Told(NamedTuple):
    """A file as it was told.

    Attributes:
        version: what differs once it was written to.
        size: in bytes.
        digest: of its bytes, where it is one that grows.
    """

    version: tuple[int, int, int]
    size: int
    digest: bytes | None

    def begins(self, content: bytes) -> bool:
        """Whether this is how it goes on. No version says so: a file made anew may have the old one's inode."""
        return self.digest is not None and _digest(content[: self.size]) == self.digest


def _version(path: Path) -> tuple[int, int, int]:
    seen = path.stat()
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


def _travels(path: Path) -> bool:
    return path.is_file() and path.name not in STAYING and path.suffix != HALF


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _turn(name: str) -> tuple[int, str]:
    """When a file of a parcel is written: after those that it vouches for."""
    leaf = name.rpartition("/")[2]
    return LAST.index(leaf) + 1 if leaf in LAST else 0, name


def _append(path: Path, start: int, new: bytes) -> None:
    with writing(path), path.open("r+b") as file:
        file.seek(start)
        file.write(new)
        file.truncate()
