"""What NVIDIA's management library (NVML) tells: of the machine's cards, and of this process on one of them.

It starts no CUDA. Whatever it cannot tell is absent, and no error of it is ever a run's.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pynvml

from lstm_bench.meter.memory import MIB

ERRORS = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError)
LONGEST_PERIOD = 10**6  # microseconds between two of NVML's samples, at most (nvmlUtilization_t: 1/6 to 1 s)


@contextmanager
def session() -> Iterator[None]:
    """NVML, open; a process closes it before it forks.

    Raises:
        NVMLError: there is no driver.
    """
    pynvml.nvmlInit()
    try:
        yield
    finally:
        pynvml.nvmlShutdown()


def cards() -> dict[str, Any]:
    """`gpus`, the names of the machine's cards, and `driver`, its version; absent where not known."""
    found: dict[str, Any] = {}
    with suppress(*ERRORS), session():
        found["driver"] = pynvml.nvmlSystemGetDriverVersion()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        found["gpus"] = [pynvml.nvmlDeviceGetName(handle) for handle in handles]
    return found


class OwnShare:
    """What this process takes of the card that it computes on, sample by sample; another process's never counts.

    NVML knows processes by number, so a figure is absent where its numbers are not those that this process sees. In a
    container that numbers its own processes, older drivers give the host's numbers (NVIDIA/nvidia-docker#1483); 560
    gives the container's for the memory, but with 0 bytes, and the host's still for the utilisation
    (Project-HAMi/HAMi-core#112). On MIG cards NVML gives no utilisation.

    Args:
        find_uuid: the card's by CUDA, without the kind before it; None while CUDA is not started.
        clock: nanoseconds since 1970, which NVML's samples count from, too.
    """

    def __init__(self, find_uuid: Callable[[], str | None], clock: Callable[[], int] = time.time_ns) -> None:
        self._find_uuid = find_uuid
        self._session = ExitStack()
        self._card: Any = None
        self._is_refused = False
        self._peak = 0  # bytes
        self._began = self._seen = clock() // 1000  # microseconds: the start, and this process's last sample
        self._busy = 0  # percent times microseconds

    def sample(self) -> None:
        """Ask once."""
        if self._card is None and not self._is_refused and (uuid := self._find_uuid()):
            self._open(uuid)
        if self._card is None:
            return
        with suppress(*ERRORS):
            processes = own(pynvml.nvmlDeviceGetComputeRunningProcesses(self._card))
            self._peak = max(self._peak, sum(process.usedGpuMemory or 0 for process in processes))
        with suppress(*ERRORS):  # NotFound: this card was idle since, or there is no new sample yet
            samples = own(pynvml.nvmlDeviceGetProcessUtilization(self._card, self._seen))
            for sample in sorted(samples, key=lambda one: int(one.timeStamp)):
                self._add(sample.timeStamp, sample.smUtil)

    def _open(self, uuid: str) -> None:
        try:
            self._session.enter_context(session())
            self._card = card(uuid)
        except ERRORS:
            self._is_refused = True

    def _add(self, now: int, percent: int) -> None:
        """Let a sample count since the one before, but for one period at most: NVML leaves the idle ones out."""
        self._busy += percent * min(now - self._seen, LONGEST_PERIOD)
        self._seen = now

    def metrics(self) -> dict[str, float]:
        """`memory/peak_device_mib` (its CUDA context, too) and `gpu/utilisation_percent` (mean to the last sample)."""
        found = {"memory/peak_device_mib": self._peak / MIB} if self._peak else {}
        span = self._seen - self._began
        return found | ({"gpu/utilisation_percent": self._busy / span} if span else {})

    def close(self) -> None:
        """Let go of NVML."""
        self._card, self._is_refused = None, True
        with suppress(*ERRORS):
            self._session.close()


def card(uuid: str) -> Any:
    """The handle of a card, or of a slice of one (MIG), by CUDA's id for it: its number differs between processes.

    Raises:
        NVMLError: there is none.
    """
    try:
        return pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
    except pynvml.NVMLError:
        return pynvml.nvmlDeviceGetHandleByUUID(f"MIG-{uuid}")


def own(entries: Sequence[Any]) -> list[Any]:
    """This process's entries of a list of NVML's.

    None where it names a process that does not exist here: the numbers are the host's then, and one like ours not ours.
    """
    return [entry for entry in entries if entry.pid == os.getpid()] if all(exists(one.pid) for one in entries) else []


def exists(pid: int) -> bool:
    """Whether a process of this number can be seen from here, be it another user's."""
    try:
        os.getpgid(pid)
    except (OSError, OverflowError) as error:
        return isinstance(error, PermissionError)
    return True
