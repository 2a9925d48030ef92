"""What a run takes of the machine, sampled by a thread beside it."""

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

import torch

from lstm_bench.meter.memory import MIB, PrivateMemory, peak_rss_mib
from lstm_bench.meter.nvml import OwnShare

INTERVAL = 0.1  # seconds from one sample to the next
SHARE = 0.003  # of a core at most, for each thing that is dear to ask


class Card(Protocol):
    """What `torch.cuda` tells of the card, in bytes."""

    def is_initialized(self) -> bool:
        """Whether this process has started CUDA."""
        ...

    def get_device_properties(self, device: torch.device, /) -> Any:
        """With `uuid`, the card's or (MIG) its slice's."""
        ...

    def reset_peak_memory_stats(self) -> None:
        """Peaks count from now."""

    def max_memory_allocated(self) -> int:
        """Most bytes held by tensors at once."""
        ...

    def max_memory_reserved(self) -> int:
        """Most bytes held by the allocator at once."""
        ...


class Paced:
    """Does something as often as it costs little: so rarely that it takes `SHARE` of the time at most.

    Args:
        act: what it does.
        clock: seconds.
    """

    def __init__(self, act: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._act, self._clock = act, clock
        self._due = clock()

    def __call__(self, *, at_once: bool = False) -> None:
        """Do it, if it is due or asked for at once."""
        began = self._clock()
        if at_once or began >= self._due:
            self._act()
            ended = self._clock()
            self._due = ended + (ended - began) / SHARE


class ResourceMeter:
    """What this process takes of memory, processor and card while a run is inside it. Use as a context around the run.

    Args:
        device: where the model lives; on a GPU the card's figures are given too.
        card: whom to ask about the GPU.
        interval: seconds from one sample to the next.
        clock: seconds, of the wall.
        processor: seconds that all threads of this process have computed.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        card: Card | ModuleType = torch.cuda,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.perf_counter,
        processor: Callable[[], float] = time.process_time,
    ) -> None:
        self._device, self._its_card = device, card if device.type == "cuda" else None
        self._interval, self._clock, self._processor = interval, clock, processor
        self._private, self._share = PrivateMemory(), OwnShare(self._uuid)
        self._done = threading.Event()
        self._sampler = threading.Thread(target=self._sample, name="sampler", daemon=True)

    def __enter__(self) -> "ResourceMeter":
        if card := self._card():  # a process that has not started CUDA begins at 0 anyway
            card.reset_peak_memory_stats()
        self._wall, self._computed = self._clock(), self._processor()
        self._sampler.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._wall, self._computed = self._clock() - self._wall, self._processor() - self._computed
        self._done.set()
        self._sampler.join()

    def _sample(self) -> None:
        """Look at everything first and last, and in between as often as that disturbs nobody.

        Measured in a process of 450 MiB (torch 2.13, AMD EPYC with 2 cores, Linux 6.18): 0.8 % of a core over 10 s, of
        which the first and the last look take 0.2 %; they are all that costs more in a short run, 20 ms in one of 1 s.
        What a card's driver takes to answer is not measured: it is paced likewise.
        """
        dear = [Paced(self._private.count)] + ([Paced(self._share.sample)] if self._its_card else [])
        while True:
            ended = self._done.is_set()
            self._private.follow()
            for ask in dear:
                ask(at_once=ended)
            if ended:
                break
            self._done.wait(self._interval)
        self._share.close()

    def _card(self) -> Card | ModuleType | None:
        """The run's card, once the run has started CUDA: the meter is never the first to touch it."""
        return self._its_card if self._its_card and self._its_card.is_initialized() else None

    def _uuid(self) -> str | None:
        card = self._card()
        return str(card.get_device_properties(self._device).uuid) if card else None

    def metrics(self) -> dict[str, float]:
        """The figures, once the run is over: `memory/peak_..._mib`, `cost/cpu_share`, `gpu/utilisation_percent`.

        `cost/cpu_share` is processor seconds of all threads per second of the wall: 1 is one core. A figure that this
        machine cannot give is absent.
        """
        found = {"memory/peak_rss_mib": peak_rss_mib()}
        if self._private.peak is not None:
            found["memory/peak_private_mib"] = self._private.peak
        if self._wall > 0:
            found["cost/cpu_share"] = self._computed / self._wall
        if card := self._card():
            found["memory/peak_allocated_mib"] = card.max_memory_allocated() / MIB
            found["memory/peak_reserved_mib"] = card.max_memory_reserved() / MIB
        return found | self._share.metrics()
