"""What can go wrong outside a run, each with the exit code it ends the command with."""

import difflib
import errno
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager


class BenchError(Exception):
    """A failure that one line explains: what was found, what was expected, and the way out."""

    exit_code = 4


class UsageError(BenchError):
    """The command asked for something that does not exist or cannot be: nothing has been written."""

    exit_code = 2


class RecordError(BenchError):
    """A file of the results folder cannot be written. Nothing is wrong with the setting whose run met it."""


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says that there is no space left to write to, on the disk or of the user's share of it."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def first_error_holds() -> Iterator[None]:
    """While another error is on its way, a `BenchError` from within is not told: it follows from that one."""
    first = sys.exception()
    try:
        yield
    except BenchError:
        if first is None:
            raise


def in_one_line(error: object) -> str:
    """What an error says, as one line."""
    return " ".join(str(error).split())


def unknown(kind: str, name: str, known: Collection[str], *, hint: str = "") -> UsageError:
    """The error for a name that nothing is called by: it gives the nearest right one and what is allowed.

    >>> print(unknown("task", "ading", ["adding", "digits"]))
    unknown task 'ading'. Did you mean 'adding'? Available: adding, digits
    """
    near = nearest(name, known)
    guess = f" Did you mean '{near}'?" if near else ""
    available = f" Available: {', '.join(sorted(known))}" if known else " None is available"
    return UsageError(f"unknown {kind} '{name}'.{guess}{available}{hint}")


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name most like `name`, by its last dotted part too (`lr` finds `train.lr`), or None."""
    by_leaf = {candidate.rpartition(".")[2]: candidate for candidate in known}
    if name in by_leaf:
        return by_leaf[name]
    whole = difflib.get_close_matches(name, known, n=1)
    if whole:
        return whole[0]
    leaf = difflib.get_close_matches(name.rpartition(".")[2], by_leaf, n=1)
    return by_leaf[leaf[0]] if leaf else None
