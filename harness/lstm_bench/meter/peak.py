"""What a machine's matrix products can at most: what `speed/mfu` is a share of.

`python -m lstm_bench.meter.peak DEVICE THREADS PRECISION` measures it, in a second, and prints it as JSON. It computes:
so neither a driver nor a warm server does it itself.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from lstm_bench.meter.machine import machine
from lstm_bench.meter.watch import synchronize

SECONDS = 0.12  # for each path
# Of products, small enough on a CPU to fit between two interruptions; of fused LSTMs, (hidden, batch), 20 steps long.
SIZES = {"cpu": ((256, 512, 1024), ((256, 64), (650, 64)))}
ON_A_CARD = ((2048, 4096, 8192), ((1024, 512),))
STEPS = 20


class Path(NamedTuple):
    """One of the framework's ways to a matrix product.

    Attributes:
        name: with its size.
        compute: does it once.
        flops: that it takes.
    """

    name: str
    compute: Callable[[], object]
    flops: int


def place(device: str, threads: int, precision: str) -> dict[str, Any]:
    """What a peak depends on: the processor or card, torch, and how it is asked to compute."""
    facts = machine()
    chip = {name: facts[name] for name in (("gpus",) if device == "cuda" else ("cpu", "cores")) if name in facts}
    return {"device": device, "threads": threads, "precision": precision, "torch": torch.__version__, **chip}


def paths(device: torch.device, kind: torch.dtype) -> Iterator[Path]:
    """Every way there is; which is the fastest differs between machines and precisions."""
    products, recurrent = SIZES.get(device.type, ON_A_CARD)
    for size in products:
        a, b, out = (torch.randn(size, size, device=device, dtype=kind) for _ in range(3))
        yield Path(f"mm {size}", partial(torch.mm, a, b, out=out), 2 * size**3)
        yield Path(f"linear {size}", partial(nn.functional.linear, a, b), 2 * size**3)
    for hidden, batch in recurrent:
        layer = nn.LSTM(hidden, hidden, batch_first=True, device=device, dtype=kind)
        x_BTF = torch.randn(batch, STEPS, hidden, device=device, dtype=kind)
        yield Path(f"lstm {hidden}", partial(layer, x_BTF), 2 * batch * STEPS * 4 * hidden * 2 * hidden)


def best_rate(path: Path, device: torch.device, seconds: float = SECONDS) -> float:
    """FLOP/s of a path, the best of many times: whatever else the machine does only ever lowers one."""
    path.compute()
    synchronize(device)
    best, until = 0.0, time.perf_counter() + seconds
    while (since := time.perf_counter()) < until:
        path.compute()
        synchronize(device)
        best = max(best, path.flops / (time.perf_counter() - since))
    return best


@torch.no_grad()
def measure(device: str, threads: int, precision: str) -> dict[str, Any]:
    """`flops_per_second` of the fastest `path`, on so many threads of this process."""
    torch.set_num_threads(threads)
    on = torch.device(device)
    rates = {path.name: best_rate(path, on) for path in paths(on, getattr(torch, precision))}
    fastest = max(rates, key=lambda name: rates[name])
    return {"flops_per_second": rates[fastest], "path": fastest}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
