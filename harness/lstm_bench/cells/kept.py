"""What numba compiled, kept on the disk: beside the code, or in the user's cache where that may not be."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, TypeVar, cast

from numba import njit

Part = TypeVar("Part", bound=Callable[..., Any])


def part(function: Part) -> Part:
    """A function that kernels call, written into each of them: a call would cost more than what it does."""
    return cast(Part, njit(inline="always")(function))


def kept(
    function: Callable[..., Any],
    signature: Any,
    rooms: Iterable[ModuleType],
    *key: object,
    relaxed: tuple[str, ...] = (),
    counts: bool = True,
) -> Callable[..., Any]:
    """A function compiled for one signature, with a file of its own on the disk.

    numba numbers what it compiled of one name, and two processes that start on an empty disk would give two variants
    one number; and it sees no change of what a kernel calls. So all that the outcome depends on is in the name.

    Args:
        function: what is compiled.
        signature: of what it is given.
        rooms: the modules whose code it calls.
        key: what else the outcome depends on.
        relaxed: what the compiler may do to floating point, by LLVM's names.
        counts: whether it counts who holds an array, which costs a little at each use; without it, it makes none.
    """
    beneath = repr((key, relaxed, [inspect.getsource(room) for room in rooms]))
    function.__qualname__ = f"{function.__name__}-{hashlib.sha256(beneath.encode()).hexdigest()[:16]}"
    options: Any = {"nogil": True, "fastmath": set(relaxed), "_nrt": counts}
    try:
        found: Callable[..., Any] = njit(signature, cache=True, **options)(function)
    except (OSError, RuntimeError):  # a full disk, or nowhere to write
        found = njit(signature, **options)(function)
    return found
