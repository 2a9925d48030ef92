"""The two kernels of the online learner: one answers, one learns; compiled by numba over whole sequences.

They need the extra `paper`, so `online` imports them when it is asked to learn. What is compiled is kept on the disk.
"""

from math import sqrt

import numpy as np
from numba import float64, int64, void

from lstm_bench.cells import vectors
from lstm_bench.cells.kept import kept, part
from lstm_bench.learners import block, net, rule
from lstm_bench.learners.block import advance, gather, hear, look, squash
from lstm_bench.learners.net import BOUNDS, DATA, LANES, NET, Bounds, Data, Floats, Net
from lstm_bench.learners.rule import blame, met, move_outputs, move_units, remember

ROOMS = (vectors, net, block, rule)
OUTPUTS = float64[:, :, ::1]


@part
def cells_of(net: Net) -> tuple[Floats, Floats, Floats]:
    """Room for what cells draw in [H], hold and show [H*] each."""
    cells = len(net.gate)
    whole = -(-cells // LANES) * LANES
    return np.zeros(cells), np.zeros(whole), np.zeros(whole)


def _answer(net: Net, data: Data, out: Floats) -> None:
    """The outputs of a net that does not learn, into `out` [B, T, C], or [B, 1, C] where there is one at the end."""
    seen, read, head, skip, gate, gated = net.seen, net.read, net.head, net.skip, net.gate, net.gated
    features, tokens, every_step = data.features, data.tokens, data.every_step
    sees, say, heard, said = np.zeros(len(seen)), np.zeros_like(seen[0]), np.zeros(len(head)), np.zeros_like(head[0])
    drawn, held, shown = cells_of(net)
    for b in range(len(data.lengths)):
        say[:], held[:], token = 0.0, 0.0, -1
        last = data.lengths[b] - 1
        for t in range(last + 1):
            if tokens.size:
                token = tokens[b, t]
            look(features, b, t, say, sees)
            gather(seen, sees, read, token, say)
            squash(say)
            advance(gate, gated, say, drawn, held, shown)
            if every_step or t == last:
                hear(features, b, t, say, heard)
                gather(head, heard, skip, token, said)
                if net.logistic:
                    squash(said)
                out[b, t if every_step else 0] = said[: out.shape[2]]


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
    outputs = aims.shape[2]
    sees, say, heard, out = np.zeros(len(seen)), np.zeros_like(seen[0]), np.zeros(len(head)), np.zeros_like(head[0])
    drawn, held, shown = cells_of(net)
    layers = len(gate) // (gate[-1] + 1 - gate[0])
    layer = np.arange(len(gate)) % layers
    by, states, gates = np.zeros((layers, len(say))), np.zeros((layers, len(say))), np.zeros(len(say))
    did, did_read = np.zeros((len(seen), layers, len(say))), np.zeros((len(read), layers, len(say)))
    error, marks = np.zeros_like(out), np.zeros(len(read))
    read_there, skip_there = np.ones_like(read), np.ones_like(skip)
    for b in range(len(data.lengths)):
        did[:], did_read[:] = 0.0, 0.0
        say[:], held[:], token = 0.0, 0.0, -1
        largest, total, loss, last = 0.0, 0.0, 0.0, data.lengths[b] - 1
        for t in range(last + 1):
            if tokens.size:
                token = tokens[b, t]
            look(features, b, t, say, sees)
            gather(seen, sees, read, token, say)
            squash(say)
            advance(gate, gated, say, drawn, held, shown)
            remember(gate, layer, sees, token, say, drawn, by, did, did_read)
            if not every_step and t < last:
                continue
            hear(features, b, t, say, heard)
            gather(head, heard, skip, token, out)
            if net.logistic:
                squash(out)
            for k in range(outputs):
                off = aims[b, t if every_step else 0, k] - out[k]
                error[k] = off * out[k] * (1.0 - out[k]) if net.logistic else off
                largest, total, loss = max(largest, abs(off)), total + abs(off), loss + 0.5 * off * off
            blame(error, head, gate, layer, gated, say, shown, states, gates)
            square = move_units(seen, net.there, did, states, gates, sees, rate)
            if token >= 0:
                marks[token] = 1.0
                square += move_units(read, read_there, did_read, states, gates, marks, rate)
                marks[token] = 0.0
            square += move_outputs(head, net.head_there, skip, skip_there, token, error, heard, rate)
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
answer = kept(_answer, void(NET, DATA, OUTPUTS), ROOMS, vectors.BUILT, relaxed=vectors.FUSED)
learn = kept(_learn, LEARN, ROOMS, vectors.BUILT, relaxed=vectors.FUSED)
