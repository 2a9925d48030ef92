"""A step of the block of 1997, and of the outputs over it, as `cells.h97` and `model` have them."""

from lstm_bench.cells.kept import part
from lstm_bench.cells.vectors import filled, first, load, load_narrow, picked, sigmoid, store, tanh_beyond
from lstm_bench.learners.net import FEW, LANES, Data, Floats, Net, Now


@part
def look(data: Data, b: int, t: int, now: Now) -> int:
    """See what is given at a step, and the token that is read, or -1 where there is none."""
    for f in range(len(now.given) - 1):
        now.given[f] = data.features[b, t, f]
    return data.tokens[b, t] if data.tokens.size else -1


@part
def begin(now: Now) -> None:
    """Before a sequence nobody has said anything."""
    now.say[:], now.held[:], now.base[:] = 0.0, 0.0, 0.0


@part
def advance(net: Net, token: int, now: Now) -> None:
    """A step of the units, who hear what all said a step before."""
    cells, units = len(net.layer), len(net.weights.seen) - len(now.given)
    gather(net.weights.seen, now.say, units, now.given, net.weights.read, token, now.came)
    squash(now.came, now.say)
    for at in range(0, len(now.held), FEW):
        say, opened = load_narrow(now.say, at), picked(now.say, net.gate, at, 0)
        drawn = 4.0 * say - 2.0
        held = load_narrow(now.held, at) + opened * drawn
        half = opened * (2.0 * say - 1.0)  # of what came to the state, so within [-1, 1]
        shown = tanh_beyond(load_narrow(now.base, at), half)  # h(s) = tanh(s / 2)
        store(now.opened, at, opened)
        store(now.drawn, at, drawn)
        store(now.held, at, held)
        store(now.shown, at, shown)
        let = picked(now.say, net.gate, at, net.gated) * shown if net.gated else shown
        store(now.say, at, first(cells - at, let, say))
        store(now.base, at, 2.0 * sigmoid(held) - 1.0)


@part
def outputs(net: Net, token: int, now: Now) -> None:
    """What outputs say after a step."""
    gather(net.weights.head, now.say, len(net.layer), now.given, net.weights.skip, token, now.out)
    if net.logistic:
        squash(now.out, now.out)


@part
def gather(weights: Floats, say: Floats, heard: int, given: Floats, read: Floats, token: int, came: Floats) -> None:
    """What comes to units or outputs.

    Args:
        weights: [heard + F + 1, U*] or [heard + F + 1, C*].
        say: [U*].
        heard: the first how many of these.
        given: [F + 1].
        read: [V, U*] or [V, C*]; without a row where they read no tokens.
        token: -1 where there is none.
        came: [U*] or [C*]; changed.
    """
    across = len(came)
    for at in range(0, across, LANES):
        total = filled(0.0)
        if token >= 0 and len(read):
            total = total + load(read, token * across + at)
        for f in range(len(given)):
            total = total + given[f] * load(weights, (heard + f) * across + at)
        for n in range(heard - 1, -1, -1):  # what cells say comes last, so it is waited for last
            total = total + say[n] * load(weights, n * across + at)
        store(came, at, total)


@part
def squash(came: Floats, say: Floats) -> None:
    """The logistic function of what came, into `say`."""
    for at in range(0, len(came), LANES):
        store(say, at, sigmoid(load(came, at)))
