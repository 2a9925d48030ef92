"""The two kernels of the online learner: one answers, one learns; compiled by numba over whole sequences.

They need the extra `paper`, so `online` imports them when it is asked to learn. What is compiled is kept on the disk.
"""

from math import sqrt

import numpy as np
from numba import float64, int64, void

from lstm_bench.cells.kept import kept
from lstm_bench.online import block, net, rule
from lstm_bench.online.block import advance, speak
from lstm_bench.online.net import BOUNDS, DATA, NET, Bounds, Data, Floats, Net, clear, fresh, nothing
from lstm_bench.online.rule import blame, met, move, remember

ROOMS = (net, block, rule)
OUTPUTS = float64[:, :, ::1]


def _answer(net: Net, data: Data, out: Floats) -> None:
    """The outputs of a net that does not learn, into `out` [B, T, C], or [B, 1, C] where there is one at the end."""
    for b in range(len(data.lengths)):
        before, now = fresh(net), fresh(net)
        for t in range(data.lengths[b]):
            before, now = now, before
            advance(net, data, b, t, before, now)
            if data.every_step:
                speak(net, data, b, t, now.say, out[b, t])
        if not data.every_step:
            speak(net, data, b, data.lengths[b] - 1, now.say, out[b, 0])


def _learn(
    net: Net, data: Data, aims: Floats, rate: float, latest: Floats, seen: int, bounds: Bounds, sums: Floats
) -> int:
    """Learn from sequences one by one, changing the net after each, until the criterion holds.

    Half the squared error, summed over outputs and steps, goes down its truncated gradient.

    Args:
        net: changed.
        data: sequences.
        aims: [B, T, C], or [B, 1, C] where there is one output at the end.
        rate: of learning.
        latest: [R, 2], the largest and the mean absolute error of the latest R sequences, each judged before it was
            learnt from; a ring, changed. The criterion is on them; without room for any there is none.
        seen: sequences that were learnt from before.
        bounds: of the criterion.
        sums: [3], over the sequences the losses, the gradients' norms, and the largest norm; changed.

    Returns:
        How many sequences were learnt from; negative where the criterion holds after them.
    """
    out, error = np.zeros(len(net.head)), np.zeros(len(net.head))
    by_cell, by_gate, downhill = nothing(net, net.cells), nothing(net, net.cells), nothing(net, len(net.read))
    for b in range(len(data.lengths)):
        for part in (by_cell, by_gate, downhill):
            clear(part)
        before, now = fresh(net), fresh(net)
        largest, total, loss, scored = 0.0, 0.0, 0.0, 0
        for t in range(data.lengths[b]):
            before, now = now, before
            advance(net, data, b, t, before, now)
            remember(net, data, b, t, before, now, by_cell, by_gate)
            if not data.every_step and t < data.lengths[b] - 1:
                continue
            speak(net, data, b, t, now.say, out)
            scored += 1
            for k in range(len(out)):
                off = aims[b, t if data.every_step else 0, k] - out[k]
                error[k] = off * out[k] * (1.0 - out[k])
                largest, total, loss = max(largest, abs(off)), total + abs(off), loss + 0.5 * off * off
            blame(net, data, b, t, before, now, error, by_cell, by_gate, downhill)
        norm = sqrt(move(net, downhill, rate))
        sums[0], sums[1], sums[2] = sums[0] + loss, sums[1] + norm, max(sums[2], norm)
        if len(latest):
            latest[(seen + b) % len(latest)] = largest, total / (scored * len(out))
            if largest < bounds.error and met(latest, bounds):
                return -(b + 1)
    return len(data.lengths)


answer = kept(_answer, void(NET, DATA, OUTPUTS), ROOMS)
learn = kept(_learn, int64(NET, DATA, OUTPUTS, float64, float64[:, ::1], int64, BOUNDS, float64[::1]), ROOMS)
