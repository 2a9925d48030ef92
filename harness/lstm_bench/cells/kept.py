"""What numba compiled, kept on the disk: beside the code, or in the user's cache where that may not be."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import njit

Part = TypeVar("Part", bound=Callable[..., Any])


def part(function: Part) -> Part:
    """A function that a kernel calls, compiled into it."""
    return cast(Part, njit(function))


def kept(function: Callable[..., Any], signature: Any, rooms: Iterable[ModuleType], *key: object) -> Callable[..., Any]:
    """A function compiled for one signature, with a file of its own on the disk.

    numba numbers what it compiled of one name, and two processes that start on an empty disk would give two variants
    one number; and it sees no change of what a kernel calls. So all that the outcome depends on is in the name.

    Args:
        function: what is compiled.
        signature: of what it is given.
        rooms: the modules whose code it calls.
        key: what else the outcome depends on.
    """
    beneath = repr((key, [inspect.getsource(room) for room in rooms]))
    function.__qualname__ = f"{function.__name__}-{hashlib.sha256(beneath.encode()).hexdigest()[:16]}"
    try:
        found: Callable[..., Any] = njit(signature, cache=True, nogil=True)(function)
    except (OSError, RuntimeError):  # a full disk, or nowhere to write
        found = njit(signature, nogil=True)(function)
    return found
