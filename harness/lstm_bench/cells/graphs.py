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

MOST = 16  # that a process keeps; each holds what it is given and gives
_seen: set[Hashable] = set()
_recorded: dict[Hashable, "Recording"] = {}  # the one played last at the end


class Recording(NamedTuple):
    """A graph, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    given: tuple[Tensor, ...]
    found: Found


def played(loop: Loop, *given: Tensor, **constants: Hashable) -> Found:
    """What a loop finds; it may work on what it is given in place.

    It is recorded when the same shapes come a second time: the first time warms up what may not be recorded, and lets
    shapes that come but once pass. The one that was played longest ago makes room for a new one, and is seen afresh.

    Args:
        loop: of tensors on a card; what it does may hang on their shapes and kinds alone.
        given: what it is given.
        constants: by name, likewise.
    """
    key = (loop, *constants.items(), *((t.shape, t.stride(), t.dtype, t.device) for t in given))
    if key not in _seen:
        _seen.add(key)
        return loop(*given, **constants)
    recording = _recorded.pop(key, None) or record(loop, given, constants)
    if len(_recorded) == MOST:
        oldest = next(iter(_recorded))
        del _recorded[oldest]
        _seen.remove(oldest)
    _recorded[key] = recording
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
