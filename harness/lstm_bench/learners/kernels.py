"""The two kernels of the online learner: one answers, one learns; compiled by numba over whole sequences.

They need the extra `paper`, so `online` imports them when it is asked to learn. What is compiled is kept on the disk.
Neither makes an array of its own: numba counts who holds those, at each step again, which takes as long as the step.
"""

from math import sqrt

from numba import float64, int64, void

from lstm_bench.cells import vectors
from lstm_bench.cells.kept import kept
from lstm_bench.learners import block, net, rule
from lstm_bench.learners.block import advance, begin, look, outputs
from lstm_bench.learners.net import (
    BLAME,
    BOUNDS,
    CUBE,
    DATA,
    LATE,
    MATRIX,
    NET,
    NOW,
    PAST,
    ROW,
    Blame,
    Bounds,
    Data,
    Floats,
    Net,
    Now,
    Past,
)
from lstm_bench.learners.rule import is_wrong, mean_of, move, note_done, note_seen, reach, remember

ROOMS = (vectors, net, block, rule)


def _answer(net: Net, now: Now, data: Data, out: Floats) -> None:
    """The outputs of a net that does not learn, into `out` [B, T, C], or [B, 1, C] where there is one at the end."""
    for b in range(len(data.lengths)):
        begin(now)
        last = data.lengths[b] - 1
        for t in range(last + 1):
            token = look(data, b, t, now)
            advance(net, token, now)
            if data.every_step or t == last:
                outputs(net, token, now)
                for k in range(out.shape[2]):
                    out[b, t if data.every_step else 0, k] = now.out[k]


def _learn(
    net: Net, now: Now, past: Past, blame: Blame, data: Data, aims: Floats, rate: float,
    latest: Floats, learnt: int, bounds: Bounds, sums: Floats,
) -> int:  # fmt: skip
    """Learn from sequences one by one, changing the net at each answer, until the criterion holds.

    Half the squared error, summed over the outputs of a step, goes down its truncated gradient at once: what weights
    did to the states before is remembered as they were then.

    Args:
        net: changed, as is its room, `now`, `past` and `blame`.
        now: see `Room`.
        past: likewise.
        blame: likewise.
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
    said, late, wrong = aims.shape[2], 0, 0
    for i in range(len(latest)):
        wrong += is_wrong(latest, i, bounds)
    for b in range(len(data.lengths)):
        past.did[:], past.did_read[:] = 0.0, 0.0
        begin(now)
        largest, total, loss, last = 0.0, 0.0, 0.0, data.lengths[b] - 1
        for t in range(last + 1):
            token = look(data, b, t, now)
            note_seen(net, token, now, past, late)
            advance(net, token, now)
            note_done(now, past, late)
            late += 1
            answers = data.every_step or t == last
            if answers or late == LATE:
                remember(net, past, late)
                sees, late = past.saw[late - 1], 0
            if not answers:
                continue
            outputs(net, token, now)
            for k in range(said):
                out = now.out[k]
                off = aims[b, t if data.every_step else 0, k] - out
                blame.error[k] = off * out * (1.0 - out) if net.logistic else off
                largest, total, loss = max(largest, abs(off)), total + abs(off), loss + 0.5 * off * off
            reach(net, now, blame)
            norm = sqrt(move(net, token, now, sees, past, blame, rate))
            sums[1], sums[2] = sums[1] + norm, max(sums[2], norm)
        sums[0] += loss
        if len(latest):
            place = (learnt + b) % len(latest)
            wrong -= is_wrong(latest, place, bounds)
            latest[place, 0] = largest
            latest[place, 1] = total / ((last + 1 if data.every_step else 1) * said)
            wrong += is_wrong(latest, place, bounds)
            if largest < bounds.error and wrong < bounds.allowed and mean_of(latest) < bounds.mean:
                return -(b + 1)
    return len(data.lengths)


ANSWER = void(NET, NOW, DATA, CUBE)
LEARN = int64(NET, NOW, PAST, BLAME, DATA, CUBE, float64, MATRIX, int64, BOUNDS, ROW)
answer = kept(_answer, ANSWER, ROOMS, vectors.BUILT, relaxed=vectors.FUSED, counts=False)
learn = kept(_learn, LEARN, ROOMS, vectors.BUILT, relaxed=vectors.FUSED, counts=False)
