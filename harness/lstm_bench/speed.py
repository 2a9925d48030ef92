"""What a cell costs beside the LSTM of the framework: both train the same step, in turns, on the same machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lstm_bench.cells.make import load_cell

BATCH, STEPS, WIDTH = 32, 100, 2  # sequences, time steps, features
SIZES = (32, 64, 128, 256)
SECONDS = (
    0.3  # that one block of steps takes, about: many steps of one model, since taking turns at each slows the LSTM
)


@dataclass(frozen=True, slots=True)
class Speed:
    """Of a training step: forward, backward, Adam.

    Attributes:
        milliseconds: the median over the blocks.
        ratio: to `nn.LSTM`, the median over pairs of neighbouring blocks.
    """

    milliseconds: float
    ratio: float


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


def measured(cell: str, hidden: int, *, blocks: int = 7) -> Speed:
    """A cell's step beside that of a bare `nn.LSTM`, on the threads that torch has now.

    Args:
        cell: a name, or `module:attr`.
        hidden: H.
        blocks: of each, in turns.
    """
    torch.manual_seed(0)
    own = stepper(load_cell(cell)(WIDTH, hidden), hidden)
    bare = stepper(nn.LSTM(WIDTH, hidden, batch_first=True), hidden)
    steps = max(3, round(SECONDS / block(bare, 3)))
    block(own, 3)
    pairs = [(block(own, steps), block(bare, steps)) for _ in range(blocks)]
    return Speed(
        1e3 * statistics.median(one for one, _ in pairs), statistics.median(one / other for one, other in pairs)
    )


def stepper(layer: nn.Module, hidden: int) -> Callable[[], None]:
    """A training step of a layer on fixed data."""
    network, x_BTF, target = Readout(layer, hidden), torch.randn(BATCH, STEPS, WIDTH), torch.randn(BATCH, 1)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        nn.functional.mse_loss(network(x_BTF), target).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def block(step: Callable[[], None], count: int) -> float:
    """Seconds a step, over so many in a row."""
    since = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - since) / count


def weights(cell: str, inputs: int, hidden: int) -> int:
    """How many a layer has; nothing is allocated."""
    with torch.device("meta"):
        return sum(p.numel() for p in load_cell(cell)(inputs, hidden).parameters())


def all_measured(cells: Sequence[str], sizes: Sequence[int] = SIZES) -> dict[str, dict[int, Speed]]:
    """Each cell at each size."""
    return {cell: {hidden: measured(cell, hidden) for hidden in sizes} for cell in cells}
