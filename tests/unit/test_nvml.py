"""NVIDIA's own bindings over a library that behaves as the driver's does, since there is no card here."""

import ctypes
import os
from collections.abc import Iterator
from ctypes import c_char_p, c_uint, c_ulonglong, c_void_p
from typing import Any

import pynvml
import pytest
import torch
from pynvml import NVML_ERROR_DRIVER_NOT_LOADED as NO_DRIVER
from pynvml import NVML_ERROR_GPU_IS_LOST as LOST
from pynvml import NVML_ERROR_INSUFFICIENT_SIZE as TOO_SMALL
from pynvml import NVML_ERROR_LIBRARY_NOT_FOUND as NO_LIBRARY
from pynvml import NVML_ERROR_NOT_FOUND as NOT_FOUND
from pynvml import NVML_ERROR_NOT_SUPPORTED as NOT_SUPPORTED
from pynvml import NVML_ERROR_UNINITIALIZED as CLOSED

from lstm_bench.meter import ResourceMeter
from lstm_bench.meter.memory import MIB
from lstm_bench.meter.nvml import OwnShare, cards

UUID = "f4fe4e24-2dd6-4d4f-8cbb-1d7d0a7b3c11"
ME, PARENT, FIRST = os.getpid(), os.getppid(), 1
NOBODY = 2**22 + 1  # more than a process's number can be
UNKNOWN = 2**64 - 1  # NVML_VALUE_NOT_AVAILABLE
START = 1_790_000_000 * 10**6  # microseconds
MEMORY, UTILISATION = "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetProcessUtilization"
BY_UUID = "nvmlDeviceGetHandleByUUID"


class Driver:
    """libnvidia-ml: what `nvml.h` says of the functions that are used here."""

    def __init__(self) -> None:
        self.opened = 0
        self.uuids = ["GPU-of-somebody", f"GPU-{UUID}"]
        self.processes: list[tuple[int, int]] = []  # on the second card: number, bytes
        self.samples: list[tuple[int, int, int]] = []  # there: number, microseconds, percent
        self.fails: dict[str, int] = {}
        self.lacks: set[str] = set()

    def __getattribute__(self, name: str) -> Any:
        """A function that fails as it is told to; any but the first fails while NVML is closed."""
        found = object.__getattribute__(self, name)
        if not name.startswith("nvml"):
            return found
        if name in self.lacks:
            raise AttributeError(name)

        def function(*arguments: Any) -> int:
            closed = CLOSED if name != "nvmlInitWithFlags" and not self.opened else 0
            return self.fails.get(name) or closed or found(*arguments)

        return function

    def nvmlInitWithFlags(self, _: int) -> int:  # noqa: N802  # NVML's names
        self.opened += 1
        return 0

    def nvmlShutdown(self) -> int:  # noqa: N802
        self.opened -= 1
        return 0

    def nvmlDeviceGetHandleByUUID(self, uuid: c_char_p, handle: Any) -> int:  # noqa: N802
        assert uuid.value
        if uuid.value.decode() not in self.uuids:
            return NOT_FOUND
        return self._give(handle, self.uuids.index(uuid.value.decode()))

    def nvmlDeviceGetHandleByIndex_v2(self, index: c_uint, handle: Any) -> int:  # noqa: N802
        return self._give(handle, index.value)

    def _give(self, handle: Any, index: int) -> int:
        ctypes.cast(handle, ctypes.POINTER(c_void_p))[0] = index + 1
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:  # noqa: N802
        count._obj.value = len(self.uuids)
        return 0

    def nvmlDeviceGetName(self, handle: Any, name: Any, _: c_uint) -> int:  # noqa: N802
        name.value = f"NVIDIA H{100 * self._index(handle) + 100}".encode()
        return 0

    def nvmlSystemGetDriverVersion(self, name: Any, _: c_uint) -> int:  # noqa: N802
        name.value = b"580.95.05"
        return 0

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, found: Any) -> int:  # noqa: N802
        return self._fill(count, found, self.processes if self._index(handle) else [], ("pid", "usedGpuMemory"))

    def nvmlDeviceGetProcessUtilization(self, handle: Any, found: Any, count: Any, since: c_ulonglong) -> int:  # noqa: N802
        newer = [one for one in self.samples if self._index(handle) and one[1] > since.value]
        return self._fill(count, found, newer, ("pid", "timeStamp", "smUtil")) if newer else NOT_FOUND

    def _index(self, handle: Any) -> int:
        return int(ctypes.cast(handle, c_void_p).value or 0) - 1

    def _fill(self, count: Any, found: Any, rows: list[Any], names: tuple[str, ...]) -> int:
        """NVML's way with lists: without room for them it tells how much they need."""
        if rows and found is None:
            count._obj.value = len(rows)
            return TOO_SMALL
        for place, row in enumerate(rows):
            for name, value in zip(names, row, strict=True):
                setattr(found[place], name, value)
        count._obj.value = len(rows)
        return 0


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Driver]:
    driver = Driver()
    monkeypatch.setattr(pynvml, "nvmlLib", driver)
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    yield driver
    assert driver.opened == 0, "NVML is left open"


@pytest.fixture
def share(driver: Driver) -> Iterator[OwnShare]:
    share = OwnShare(lambda: UUID, clock=lambda: 1000 * START)
    yield share
    share.close()
    assert driver.opened == 0


def see(share: OwnShare, driver: Driver, *looks: list[tuple[int, int]]) -> dict[str, float]:
    for look in looks:
        driver.processes = look
        share.sample()
    return share.metrics()


def test_the_memory_on_the_card_is_the_most_that_this_process_held_at_once(share: OwnShare, driver: Driver) -> None:
    held = [[(PARENT, 9 * 2**30), (ME, size * 2**20), (FIRST, 9 * 2**30)] for size in (300, 700, 200)]
    assert see(share, driver, [], *held, []) == {"memory/peak_device_mib": 700.0}


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param([], id="nobody"),
        pytest.param([(PARENT, 2**30)], id="others alone"),
        pytest.param([(ME, UNKNOWN)], id="not told"),
        pytest.param([(ME, 0)], id="nothing, as a container is told"),
        pytest.param([(ME, 2**30), (NOBODY, 2**20)], id="the host's numbers, one of them like ours"),
        pytest.param([(ME, 2**30), (2**32 - 1, 2**20)], id="no numbers at all"),
    ],
)
def test_memory_that_cannot_be_told_is_absent(share: OwnShare, driver: Driver, listed: list[tuple[int, int]]) -> None:
    assert see(share, driver, listed, listed) == {}


def look(share: OwnShare, driver: Driver, *samples: tuple[int, float, int]) -> None:
    """A look after NVML has taken some more samples, at seconds after the start."""
    driver.samples += [(pid, START + int(at * 10**6), percent) for pid, at, percent in samples]
    share.sample()


def utilisation(share: OwnShare) -> float | None:
    return share.metrics().get("gpu/utilisation_percent")


def test_utilisation_is_the_mean_of_this_processs_samples_each_for_its_time(share: OwnShare, driver: Driver) -> None:
    look(share, driver, (ME, -0.5, 90))  # an earlier process's, of the same number
    assert utilisation(share) is None
    look(share, driver, (PARENT, 0.5, 90), (ME, 0.5, 20))
    look(share, driver)
    assert utilisation(share) == 20
    look(share, driver, (ME, 1.5, 80), (ME, 0.75, 60), (PARENT, 1.6, 90))
    assert utilisation(share) == pytest.approx((0.5 * 20 + 0.25 * 60 + 0.75 * 80) / 1.5)


def test_where_there_is_no_sample_of_a_process_it_was_idle(share: OwnShare, driver: Driver) -> None:
    look(share, driver, (ME, 1, 100))
    look(share, driver, (PARENT, 3, 100))
    look(share, driver, (ME, 8, 100))
    assert utilisation(share) == pytest.approx(100 * 2 / 8)


def test_utilisation_by_the_hosts_numbers_is_absent(share: OwnShare, driver: Driver) -> None:
    look(share, driver, (NOBODY, 0.5, 90), (ME, 0.5, 20))
    assert utilisation(share) is None


def test_a_slice_of_a_card_tells_its_memory_and_no_utilisation(share: OwnShare, driver: Driver) -> None:
    driver.uuids[1] = f"MIG-{UUID}"
    driver.fails[UTILISATION] = NOT_SUPPORTED
    driver.samples = [(ME, START + 1, 50)]
    assert see(share, driver, [(ME, 2**30)]) == {"memory/peak_device_mib": 1024.0}


@pytest.mark.parametrize("code", [LOST, NOT_SUPPORTED, 999])
@pytest.mark.parametrize("function", ["nvmlInitWithFlags", BY_UUID, MEMORY, UTILISATION, "nvmlShutdown"])
def test_no_error_of_the_driver_is_the_runs(share: OwnShare, driver: Driver, function: str, code: int) -> None:
    driver.fails[function] = code
    driver.samples = [(ME, START + 1, 50)]
    figures = see(share, driver, [(ME, 2**30)], [(ME, 2**30)])
    absent = {
        "nvmlInitWithFlags": {"memory", "gpu"}, BY_UUID: {"memory", "gpu"}, MEMORY: {"memory"}, UTILISATION: {"gpu"},
    }  # fmt: skip
    assert {name.partition("/")[0] for name in figures} == {"memory", "gpu"} - absent.get(function, set())
    share.close()
    if function == "nvmlShutdown":
        driver.opened = 0


@pytest.mark.parametrize("function", [MEMORY, UTILISATION])
def test_what_an_old_driver_lacks_is_absent(share: OwnShare, driver: Driver, function: str) -> None:
    driver.lacks = {function}
    driver.samples = [(ME, START + 1, 50)]
    assert len(see(share, driver, [(ME, 2**30)])) == 1


def test_an_unknown_card_tells_nothing_and_is_asked_for_once(share: OwnShare, driver: Driver) -> None:
    driver.uuids.pop()
    assert see(share, driver, [(ME, 2**30)]) == {}
    driver.uuids.append(f"GPU-{UUID}")
    assert see(share, driver, [(ME, 2**30)]) == {}


def test_nothing_is_asked_before_the_run_has_started_cuda(driver: Driver) -> None:
    started: list[str] = []
    share = OwnShare(lambda: started[0] if started else None)
    share.sample()
    assert driver.opened == 0
    started.append(UUID)
    assert see(share, driver, [(ME, 2**20)]) == {"memory/peak_device_mib": 1.0}
    share.close()


class Card:
    """What torch tells of a started card: its id has no kind before it, and is no string."""

    uuid = property(lambda self: self)

    def __str__(self) -> str:
        return UUID

    def is_initialized(self) -> bool:
        return True

    def get_device_properties(self, _: torch.device) -> "Card":
        return self

    def reset_peak_memory_stats(self) -> None:
        pass

    def max_memory_allocated(self) -> int:
        return 2**20

    max_memory_reserved = max_memory_allocated


def test_a_run_shorter_than_the_interval_has_its_cards_figures(driver: Driver) -> None:
    with ResourceMeter(torch.device("cuda"), card=Card(), interval=60) as meter:
        driver.processes = [(ME, 3 * 2**20), (PARENT, 2**30)]
        driver.samples = [(ME, 2 * START, 100)]  # in some decades
    metrics = meter.metrics()
    assert metrics["memory/peak_device_mib"] == 3.0
    assert metrics["gpu/utilisation_percent"] > 0


def test_the_machines_cards_are_those_that_the_driver_names(driver: Driver) -> None:
    assert cards() == {"driver": "580.95.05", "gpus": ["NVIDIA H100", "NVIDIA H200"]}
    driver.fails["nvmlDeviceGetName"] = LOST
    assert cards() == {"driver": "580.95.05"}


@pytest.mark.parametrize("code", [NO_DRIVER, NO_LIBRARY])
def test_a_machine_without_a_driver_has_no_cards(driver: Driver, code: int) -> None:
    driver.fails["nvmlInitWithFlags"] = code
    assert cards() == {}


@pytest.mark.gpu
def test_a_real_card_tells_at_least_what_the_allocator_holds() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no card here")
    device = torch.device("cuda")
    with ResourceMeter(device) as meter:
        a = torch.randn(4096, 4096, device=device)
        for _ in range(500):
            a = torch.nn.functional.normalize(a @ a)
        torch.cuda.synchronize()
    metrics = meter.metrics()
    assert metrics["memory/peak_reserved_mib"] >= metrics["memory/peak_allocated_mib"] >= a.nbytes / MIB
    # Absent in a container that numbers its own processes, the second on MIG, too.
    assert metrics.get("memory/peak_device_mib", torch.inf) > metrics["memory/peak_reserved_mib"]
    assert 0 < metrics.get("gpu/utilisation_percent", 50) <= 100
