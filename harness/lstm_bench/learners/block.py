"""A step of the block of 1997, and of the outputs over it, as `cells.h97` and `model` have them."""

from math import exp

from lstm_bench.cells.kept import part
from lstm_bench.learners.net import Floats, Whole


@part
def squashed(total: float) -> float:
    """The logistic function."""
    return 1.0 / (1.0 + exp(-total))


@part
def look(features: Floats, b: int, t: int, say: Floats, sees: Floats) -> None:
    """What units see at a step, into `sees` [N]: features, what all said before, and 1."""
    width = features.shape[2]
    for f in range(width):
        sees[f] = features[b, t, f]
    for u in range(len(say)):
        sees[width + u] = say[u]
    sees[-1] = 1.0


@part
def advance(
    seen: Floats, read: Floats, gate: Whole, gated: int, sees: Floats, token: int,
    say: Floats, drawn: Floats, held: Floats, shown: Floats,
) -> None:  # fmt: skip
    """One step of the units: what they `say` [U], and what cells draw in, hold and show, [H] each."""
    for u in range(len(say)):
        total = 0.0
        for n in range(len(sees)):
            total += seen[u, n] * sees[n]
        if token >= 0:
            total += read[u, token]
        say[u] = squashed(total)
    for j in range(len(held)):
        drawn[j] = 4.0 * say[j] - 2.0
        held[j] += say[gate[j]] * drawn[j]
        shown[j] = 2.0 * squashed(held[j]) - 1.0
        say[j] = shown[j] * say[gate[j] + gated] if gated else shown[j]


@part
def speak(
    head: Floats, skip: Floats, features: Floats, b: int, t: int, token: int, say: Floats, heard: Floats, out: Floats
) -> None:
    """The outputs at a step, into `out` [C]; and what they see, into `heard` [M]."""
    width = features.shape[2]
    cells = len(heard) - width - 1
    for j in range(cells):
        heard[j] = say[j]
    for f in range(width):
        heard[cells + f] = features[b, t, f]
    heard[-1] = 1.0
    for k in range(len(out)):
        total = 0.0
        for m in range(len(heard)):
            total += head[k, m] * heard[m]
        if token >= 0 and skip.shape[1]:
            total += skip[k, token]
        out[k] = squashed(total)
