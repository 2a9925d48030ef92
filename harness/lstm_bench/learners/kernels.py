"""The two kernels of the online learner: one answers, one learns; compiled by numba over whole sequences.

They need the extra `paper`, so `online` imports them when it is asked to learn. What is compiled is kept on the disk.
"""

from math import sqrt

import numpy as np
from numba import float64, int64, void

from lstm_bench.cells.kept import kept
from lstm_bench.learners import block, net, rule
from lstm_bench.learners.block import advance, look, speak
from lstm_bench.learners.net import BOUNDS, DATA, NET, Bounds, Data, Floats, Net
from lstm_bench.learners.rule import blame, blame_head, met, move, move_column, remember

ROOMS = (net, block, rule)
SUMS = ("reassoc", "contract", "nsz", "arcp")  # may be taken in another order, as vectors take them; NaN stays NaN
OUTPUTS = float64[:, :, ::1]


def _answer(net: Net, data: Data, out: Floats) -> None:
    """The outputs of a net that does not learn, into `out` [B, T, C], or [B, 1, C] where there is one at the end."""
    seen, read, head, skip, gate, gated = net.seen, net.read, net.head, net.skip, net.gate, net.gated
    features, tokens, every_step = data.features, data.tokens, data.every_step
    say, sees, heard = np.zeros(len(seen)), np.zeros(seen.shape[1]), np.zeros(head.shape[1])
    drawn, held, shown = np.zeros(len(gate)), np.zeros(len(gate)), np.zeros(len(gate))
    for b in range(len(data.lengths)):
        say[:], held[:], token = 0.0, 0.0, -1
        last = data.lengths[b] - 1
        for t in range(last + 1):
            if tokens.size:
                token = tokens[b, t]
            look(features, b, t, say, sees)
            advance(seen, read, gate, gated, sees, token, say, drawn, held, shown)
            if every_step or t == last:
                speak(head, skip, features, b, t, token, say, heard, out[b, t if every_step else 0])


def _learn(
    net: Net, data: Data, aims: Floats, rate: float, latest: Floats, learnt: int, bounds: Bounds, sums: Floats
) -> int:
    """Learn from sequences one by one, changing the net at each answer, until the criterion holds.

    Half the squared error, summed over the outputs of a step, goes down its truncated gradient at once: what weights
    did to the states before is remembered as they were then.

    Args:
        net: changed.
        data: sequences.
        aims: [B, T, C], or [B, 1, C] where there is one output at the end.
        rate: of learning.
        latest: [R, 2], the largest and the mean absolute error of the latest R sequences, each judged before it was
            learnt from; a ring, changed. The criterion is on them; without room for any there is none.
        learnt: sequences that were learnt from before.
        bounds: of the criterion.
        sums: [3], over the steps with an answer the losses, the gradients' norms, and the largest norm; changed.

    Returns:
        How many sequences were learnt from; negative where the criterion holds after them.
    """
    seen, read, head, skip, gate, gated = net.seen, net.read, net.head, net.skip, net.gate, net.gated
    features, tokens, every_step = data.features, data.tokens, data.every_step
    cells, outputs = len(gate), len(head)
    say, sees, heard = np.zeros(len(seen)), np.zeros(seen.shape[1]), np.zeros(head.shape[1])
    drawn, held, shown = np.zeros(cells), np.zeros(cells), np.zeros(cells)
    out, error = np.zeros(outputs), np.zeros(outputs)
    cell_did, gate_did = np.zeros((cells, len(sees))), np.zeros((cells, len(sees)))
    cell_read, gate_read = np.zeros((cells, read.shape[1])), np.zeros((cells, read.shape[1]))
    down, down_read, down_head = np.zeros_like(seen), np.zeros_like(read), np.zeros_like(head)
    for b in range(len(data.lengths)):
        cell_did[:], gate_did[:], cell_read[:], gate_read[:] = 0.0, 0.0, 0.0, 0.0
        say[:], held[:], token = 0.0, 0.0, -1
        largest, total, loss, last = 0.0, 0.0, 0.0, data.lengths[b] - 1
        for t in range(last + 1):
            if tokens.size:
                token = tokens[b, t]
            look(features, b, t, say, sees)
            advance(seen, read, gate, gated, sees, token, say, drawn, held, shown)
            remember(gate, sees, token, say, drawn, cell_did, gate_did, cell_read, gate_read)
            if not every_step and t < last:
                continue
            speak(head, skip, features, b, t, token, say, heard, out)
            for k in range(outputs):
                off = aims[b, t if every_step else 0, k] - out[k]
                error[k] = off * out[k] * (1.0 - out[k])
                largest, total, loss = max(largest, abs(off)), total + abs(off), loss + 0.5 * off * off
            blame_head(error, heard, down_head)
            for j in range(cells):
                reaches = 0.0
                for k in range(outputs):
                    reaches += error[k] * head[k, j]
                blame(
                    reaches, j, gate[j], gated, sees, token, say, shown,
                    cell_did, gate_did, cell_read, gate_read, down, down_read,
                )  # fmt: skip
            down *= net.there
            down_head *= net.head_there
            square = move(seen, down, rate) + move(read, down_read, rate)
            square += move(head, down_head, rate) + move_column(skip, token, error, rate)
            down[:], down_read[:], down_head[:] = 0.0, 0.0, 0.0
            sums[1], sums[2] = sums[1] + sqrt(square), max(sums[2], sqrt(square))
        sums[0] += loss
        if len(latest):
            said = (last + 1 if every_step else 1) * outputs
            latest[(learnt + b) % len(latest), 0] = largest
            latest[(learnt + b) % len(latest), 1] = total / said
            if largest < bounds.error and met(latest, bounds):
                return -(b + 1)
    return len(data.lengths)


LEARN = int64(NET, DATA, OUTPUTS, float64, float64[:, ::1], int64, BOUNDS, float64[::1])
answer = kept(_answer, void(NET, DATA, OUTPUTS), ROOMS, relaxed=SUMS)
learn = kept(_learn, LEARN, ROOMS, relaxed=SUMS)
