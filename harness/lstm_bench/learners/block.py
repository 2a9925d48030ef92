"""A step of the block of 1997, and of the outputs over it, as `cells.h97` and `model` have them."""

from lstm_bench.cells.kept import part
from lstm_bench.cells.vectors import filled, load, sigmoid, store
from lstm_bench.learners.net import LANES, Floats, Whole


@part
def look(features: Floats, b: int, t: int, say: Floats, sees: Floats) -> None:
    """What units see at a step, into `sees` [N]: features, what all said before, and 1."""
    width = features.shape[2]
    for f in range(width):
        sees[f] = features[b, t, f]
    for n in range(width, len(sees) - 1):
        sees[n] = say[n - width]
    sees[-1] = 1.0


@part
def gather(weights: Floats, sees: Floats, read: Floats, token: int, came: Floats) -> None:
    """What comes to units or outputs, into `came` [U*] or [C*].

    Args:
        weights: [N, U*] or [M, C*].
        sees: [N] or [M].
        read: [V, U*] or [V, C*]; without a row where they read no tokens.
        token: -1 where there is none.
        came: changed; behind U or C stands what nobody asks for.
    """
    across = len(came)
    for at in range(0, across, LANES):
        total = filled(0.0)
        for n in range(len(sees)):
            total = total + sees[n] * load(weights, n * across + at)
        if token >= 0 and len(read):
            total = total + load(read, token * across + at)
        store(came, at, total)


@part
def squash(came: Floats) -> None:
    """The logistic function of what came, in its place."""
    for at in range(0, len(came), LANES):
        store(came, at, sigmoid(load(came, at)))


@part
def advance(gate: Whole, gated: int, say: Floats, drawn: Floats, held: Floats, shown: Floats) -> None:
    """A step of the cells, once all units have said what comes to them.

    Args:
        gate: [H].
        gated: see `Net`.
        say: [U*]; of the cells it is then what they show through their output gates.
        drawn: [H], what cells draw in; changed, as are the others.
        held: [H*], their states.
        shown: [H*], these squashed.
    """
    for j in range(len(gate)):
        drawn[j] = 4.0 * say[j] - 2.0
        held[j] += say[gate[j]] * drawn[j]
    for at in range(0, len(held), LANES):
        store(shown, at, 2.0 * sigmoid(load(held, at)) - 1.0)
    for j in range(len(gate)):
        say[j] = shown[j] * say[gate[j] + gated] if gated else shown[j]


@part
def hear(features: Floats, b: int, t: int, say: Floats, heard: Floats) -> None:
    """What outputs see at a step, into `heard` [M]: what the cells say, features, and 1."""
    width = features.shape[2]
    cells = len(heard) - width - 1
    for j in range(cells):
        heard[j] = say[j]
    for f in range(width):
        heard[cells + f] = features[b, t, f]
    heard[-1] = 1.0
