"""Where a driver and its runs leave messages for each other: an actor of Ray's, beside the driver.

It is imported by the actor's process, which needs nothing of torch.
"""

import asyncio
from typing import Any, NamedTuple

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from lstm_bench.pool.parcel import Parcel

MOST_CALLS = 100_000  # at once: each run waits in one for its next word


class Message(NamedTuple):
    """What a run says.

    Attributes:
        line: which of the runs' lines it came by.
        data: JSON, as through a pipe.
        parcel: what is new in the run's files, to be written before the message is heard.
    """

    line: str
    data: bytes
    parcel: Parcel


class Mailbox:
    """Messages in the order in which they came. Its methods are called from afar, many at a time, in one thread."""

    def __init__(self) -> None:
        self._told: list[Message] = []
        self._any = asyncio.Event()
        self._words: dict[str, asyncio.Queue[bytes | None]] = {}

    async def tell(self, line: str, data: bytes, parcel: Parcel) -> None:
        """Leave the driver a message."""
        self._told.append(Message(line, data, parcel))
        self._any.set()

    async def hear(self) -> list[Message]:
        """Wait until there are messages for the driver, and hand over all of them."""
        await self._any.wait()
        self._any.clear()
        heard, self._told = self._told, []
        return heard

    async def open(self, line: str) -> None:
        """Begin a line: from now on there may be words for its run."""
        self._words[line] = asyncio.Queue()

    async def say(self, line: str, word: bytes) -> None:
        """Leave a run a word; one whose line is closed hears none."""
        if line in self._words:
            self._words[line].put_nowait(word)

    async def word(self, line: str) -> bytes | None:
        """Wait for a run's next word, and hand it over; None where its line is closed."""
        return await self._words[line].get() if line in self._words else None

    async def close(self, line: str) -> None:
        """End a line: whoever still waits at it is told so."""
        if line in self._words:
            self._words.pop(line).put_nowait(None)


def make_mailbox(environment: dict[str, str]) -> Any:
    """The actor of a driver: it ends with it.

    It claims a byte: who claims nothing is placed by whichever machine, and one that has just come knows of no other
    yet, so that the mailbox would be there, and be gone with it.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = {"num_cpus": 0, "memory": 1, "max_concurrency": MOST_CALLS, "runtime_env": {"env_vars": environment}}
    return ray.remote(Mailbox).options(scheduling_strategy=here, **options).remote()
