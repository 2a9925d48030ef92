"""What a cell costs: either way it is worked out, one layer or several, with the allocator that runs have."""

import subprocess
from collections.abc import Callable
from types import ModuleType

import pytest
import torch

from lstm_bench import speed
from lstm_bench.cells import sequence
from lstm_bench.speed import PLAIN, Speed, all_measured, measured, paths


def test_a_gated_cell_is_measured_by_its_kernels_and_by_pytorch() -> None:
    first, second = paths("peephole")
    assert first.startswith("numba ")
    assert second == PLAIN
    assert paths("lstm") == ["framework"]


def test_a_path_is_the_one_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ModuleType] = []

    def block(step: Callable[[], None], *_: object) -> float:
        step()
        seen.append(sequence.path_of(torch.empty(0)))
        return 1.0

    monkeypatch.setattr(speed, "block", block)
    for path in paths("coupled"):
        assert measured("coupled", 32, path=path, layers=2, blocks=1).ratio == 1
    assert list(dict.fromkeys(seen)) == [sequence.kernels(), sequence.engine]
    assert sequence.path_of(torch.empty(0)) is sequence.kernels()


@pytest.mark.slow
def test_a_row_comes_from_a_process_of_its_own() -> None:
    (row,) = all_measured(["rnn"])
    assert (row.cell, row.path, list(row.speeds)) == ("rnn", "framework", list(speed.SIZES))
    assert all(one.milliseconds > 0 and one.ratio > 0 for one in row.speeds.values())
    assert str(Speed(1.234, 0.5)) == "1.23 (0.50)"


def test_its_failure_is_one_here() -> None:
    with pytest.raises(subprocess.CalledProcessError):
        list(all_measured(["no-such-cell"]))
