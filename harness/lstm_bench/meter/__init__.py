"""What a run cost, and where it ran: stopwatches, memory and processor of a run, facts of the machine.

No room of this package starts CUDA, so that in a process that has not, it stays unstarted, and its forks may; but for
`peak`, which runs in a process of its own.
"""

from lstm_bench.meter.machine import has_native_bfloat16, machine, precisions
from lstm_bench.meter.nvml import cards
from lstm_bench.meter.sampler import ResourceMeter
from lstm_bench.meter.source import source_diff
from lstm_bench.meter.watch import Stopwatch, Watch, synchronize

__all__ = [
    "ResourceMeter",
    "Stopwatch",
    "Watch",
    "cards",
    "has_native_bfloat16",
    "machine",
    "precisions",
    "source_diff",
    "synchronize",
]
