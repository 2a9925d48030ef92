"""What a cell costs beside the LSTM of the framework: both train the same step, in turns, on the same machine.

`lstm-bench cells --speed` starts it as a process of its own, since glibc hears what memory to keep when one starts.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_bench import allocator
from lstm_bench.cells import sequence
from lstm_bench.cells.make import load_cell
from lstm_bench.cells.sequence import PLAIN
from lstm_bench.meter import synchronize

CPU = torch.device("cpu")
BATCH, STEPS, WIDTH = 32, 100, 2  # sequences, time steps, features
SIZES = (32, 64, 128, 256)
SECONDS = 0.3  # of a block of one model's steps, about: who takes turns at each step slows the LSTM
BLOCKS = {"cpu": 7, "cuda": 3}  # of each side: a card is disturbed by nobody
WAYS = {"cpu": 2, "cuda": 1}  # that are measured: on a card PyTorch's takes ten times as long


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a training step: forward, backward, Adam.

    Attributes:
        milliseconds: the median over the blocks.
        ratio: to `nn.LSTM`, the median over pairs of neighbouring blocks.
    """

    milliseconds: float
    ratio: float

    def __str__(self) -> str:
        return f"{self.milliseconds:.2f} ({self.ratio:.2f})"


class Row(NamedTuple):
    """A cell's speeds by one path."""

    cell: str
    path: str
    speeds: Mapping[int, Speed]


class Readout(nn.Module):
    """A layer with a linear answer at the end of the sequence.

    Args:
        layer: from [B, T, F] to outputs [B, T, H] and a state.
        hidden: H.
    """

    def __init__(self, layer: nn.Module, hidden: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(hidden, 1)

    def forward(self, x_BTF: Tensor) -> Tensor:
        """[B, 1]."""
        y_BTH, _ = self.layer(x_BTF)
        answer: Tensor = self.head(y_BTH[:, -1])
        return answer


def paths(cell: str, device: str = "cpu") -> list[str]:
    """What can work it out there, the one that runs take first; a cell that leaves it to the framework has one."""
    kernels: Callable[[str], str] | None = getattr(load_cell(cell), "kernels", None)
    return sorted({kernels(device), PLAIN}, key=PLAIN.__eq__) if kernels else ["framework"]


def measured(
    cell: str, hidden: int, *, path: str | None = None, blocks: int = 7, layers: int = 1, device: str = "cpu"
) -> Speed:
    """A cell's step beside that of a bare `nn.LSTM`, on the threads that torch has now.

    Args:
        cell: a name, or `module:attr`.
        hidden: H.
        path: one of `paths`; None: the first.
        blocks: of each, in turns.
        layers: one on the other.
        device: `cpu` or `cuda`.
    """
    torch.manual_seed(0)
    make, place = load_cell(cell), torch.device(device)
    with sequence.plain() if path == PLAIN else nullcontext():
        own = stepper(Stack(make(hidden if depth else WIDTH, hidden) for depth in range(layers)), hidden, device=place)
        bare = stepper(nn.LSTM(WIDTH, hidden, layers, batch_first=True), hidden, device=place)
        for side in (own, bare):
            block(side, 3, place)  # warms up
        counts = [max(3, round(SECONDS / block(side, 3, place))) for side in (own, bare)]
        pairs = [(block(own, counts[0], place), block(bare, counts[1], place)) for _ in range(blocks)]
    return Speed(
        1e3 * statistics.median(one for one, _ in pairs), statistics.median(one / other for one, other in pairs)
    )


class Stack(nn.ModuleList):
    """Layers one on the other."""

    def forward(self, x_BTF: Tensor) -> tuple[Tensor, None]:
        """Outputs [B, T, H] of the last one."""
        for layer in self:
            x_BTF, _ = layer(x_BTF)
        return x_BTF, None


def stepper(
    layer: nn.Module, hidden: int, *, batch: int = BATCH, steps: int = STEPS, device: torch.device = CPU
) -> Callable[[], None]:
    """A training step of a layer on fixed data."""
    network = Readout(layer, hidden).to(device)
    x_BTF, target = torch.randn(batch, steps, WIDTH).to(device), torch.randn(batch, 1).to(device)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        nn.functional.mse_loss(network(x_BTF), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def block(step: Callable[[], None], count: int, device: torch.device = CPU) -> float:
    """Seconds a step, over so many in a row."""
    synchronize(device)
    since = time.perf_counter()
    for _ in range(count):
        step()
    synchronize(device)
    return (time.perf_counter() - since) / count


def weights(cell: str, inputs: int, hidden: int) -> int:
    """How many a layer has; nothing is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in load_cell(cell)(inputs, hidden).parameters())


def all_measured(cells: Sequence[str], *, layers: int = 1, device: str = "cpu") -> Iterator[Row]:
    """Each cell, by each path that there is for it, at each size; one thread, in a process that has runs' allocator.

    Args:
        cells: names, or `module:attr`.
        layers: one on the other.
        device: `cpu` or `cuda`.

    Raises:
        CalledProcessError: that process failed; it has said why.
    """
    command = [sys.executable, "-P", "-m", "lstm_bench.speed", device, str(layers), *cells]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | allocator.added()) as child:  # noqa: S603  # our own module
        for line in child.stdout or ():
            found = json.loads(line)
            yield Row(found["cell"], found["path"], {int(size): Speed(*one) for size, one in found["speeds"].items()})
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)


def main(device: str, layers: int, cells: Sequence[str]) -> None:
    """Measure here, and print a line of JSON for each row."""
    torch.set_num_threads(1)
    for cell in cells:
        for path in paths(cell, device)[: WAYS[device]]:
            speeds = {}
            for size in SIZES:
                found = measured(cell, size, path=path, blocks=BLOCKS[device], layers=layers, device=device)
                speeds[size] = astuple(found)
            print(json.dumps({"cell": cell, "path": path, "speeds": speeds}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
