"""Short trainings of `nn.LSTM`: `python -m lstm_bench.doctor.steps NAME` prints what it measured as JSON."""

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from lstm_bench.speed import WIDTH, block, stepper

HIDDEN, BATCH, STEPS = 256, 64, 128  # large enough that glibc hands its memory back at each step
BLOCKS = 6
SMALL = 64  # units, as most runs have
SECONDS = 0.15  # of a block
PAIRS = 15


def lstm() -> float:
    """Seconds of a step, the median."""
    step = stepper(nn.LSTM(WIDTH, HIDDEN, batch_first=True), HIDDEN, batch=BATCH, steps=STEPS)
    block(step, 2)
    return statistics.median(block(step, 1) for _ in range(BLOCKS))


def noise() -> list[float]:
    """Of two equal trainings in turns, each pair's ratio of times."""
    one, other = (stepper(nn.LSTM(WIDTH, SMALL, batch_first=True), SMALL) for _ in range(2))
    count = max(3, round(SECONDS / block(one, 5)))
    block(other, 5)
    return [block(one, count) / block(other, count) for _ in range(PAIRS)]


def cudnn() -> list[list[float]]:
    """The losses of a training on the card, twice from the same start."""
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        layer = nn.LSTM(WIDTH, SMALL, num_layers=2, dropout=0.1, batch_first=True, device="cuda")
        x_BTF = torch.randn(BATCH, STEPS, WIDTH, device="cuda")
        optimizer = torch.optim.Adam(layer.parameters(), fused=True)
        losses = []
        for _ in range(20):
            loss = (layer(x_BTF)[0] - x_BTF.mean()).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        found.append(torch.stack(losses).tolist())
    return found


MEASUREMENTS: dict[str, Callable[[], Any]] = {one.__name__: one for one in (lstm, noise, cudnn)}

if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print(json.dumps(MEASUREMENTS[sys.argv[1]]()))
