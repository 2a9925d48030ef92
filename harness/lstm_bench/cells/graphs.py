"""Small kernels on a card, recorded once as a CUDA graph and played again.

To start a kernel from Python takes longer than a step's kernels run, so a loop of them waits for Python; played, they
follow each other at once.
"""

from collections.abc import Callable, Hashable
from typing import NamedTuple

import torch
from torch import Tensor

Found = tuple[Tensor, ...]
Loop = Callable[..., Found]

MOST = 16  # recorded by a process; each holds what it is given and gives
_seen: set[Hashable] = set()
_recorded: dict[Hashable, "Recording"] = {}


class Recording(NamedTuple):
    """A graph, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    found: Found


def played(loop: Loop, *given: Tensor, **constants: Hashable) -> Found:
    """What a loop finds; it may work on what it is given in place.

    It is recorded when the same shapes come a second time: the first time warms up what may not be recorded, and lets
    shapes that come but once pass.

    Args:
        loop: of tensors on a card; what it does may hang on their shapes and kinds alone.
        given: what it is given.
        constants: by name, likewise.
    """
    key = (loop, *constants.items(), *((t.shape, t.stride(), t.dtype, t.device) for t in given))
    if key not in _recorded:
        if key not in _seen or len(_recorded) == MOST:
            _seen.add(key)
            return loop(*given, **constants)
        _recorded[key] = record(loop, given, constants)
    recording = _recorded[key]
    for own, other in zip(recording.given, given, strict=True):
        own.copy_(other)
    recording.graph.replay()
    return tuple(one.clone() for one in recording.found)


def record(loop: Loop, given: tuple[Tensor, ...], constants: dict[str, Hashable]) -> Recording:
    """Of memory of its own. Only what this thread does is recorded: others may ask the card what they like."""
    graph, own = torch.cuda.CUDAGraph(), tuple(t.clone() for t in given)
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        found = loop(*own, **constants)
    return Recording(graph, own, found)
