"""The learning rule of 1997: what weights did to the cells' states, and how errors reach them.

Hochreiter and Schmidhuber 1997, appendix A.1. Errors reach a weight of a cell or of an input gate through the cell's
state alone, so what each such weight has done to the state is summed up beside it, and no sequence is gone through
backward. It is asked for where something is learnt, so up to there steps are noted, and summed up at once.
"""

from lstm_bench.cells.kept import part
from lstm_bench.cells.vectors import added, filled, load, load_narrow, store
from lstm_bench.learners.net import FEW, LANES, ROWS, Blame, Bounds, Floats, Net, Now, Past


@part
def note_seen(net: Net, token: int, now: Now, past: Past, late: int) -> None:
    """Note what units see at a step, before they say something anew."""
    units = len(net.weights.seen) - len(now.given)
    for n in range(units):
        past.saw[late, n] = now.say[n]
    for f in range(len(now.given)):
        past.saw[late, units + f] = now.given[f]
    past.tokens[late] = token


@part
def note_done(now: Now, past: Past, late: int) -> None:
    """Note what cells have done in a step."""
    for at in range(0, len(now.held), FEW):
        store(past.opened, late * len(now.held) + at, load_narrow(now.opened, at))
        store(past.drawn, late * len(now.held) + at, load_narrow(now.drawn, at))


@part
def remember(net: Net, past: Past, steps: int) -> None:
    """Sum up what weights did in so many steps that were noted."""
    for t in range(steps):
        for j in range(len(net.layer)):
            opened, drawn = past.opened[t, j], past.drawn[t, j]
            past.ways[t, 0, j] = opened * (4.0 - drawn * drawn) / 4.0  # g' = (4 - g^2) / 4
            past.ways[t, net.layer[j], net.gate[j]] = drawn * opened * (1.0 - opened)
    across = past.ways[0].size
    for at in range(0, across, LANES):
        for n in range(0, len(past.did), ROWS):
            add(past.saw, n, past.ways, at, across, steps, past.did)
    for t in range(steps if len(past.did_read) else 0):
        for at in range(0, across, LANES):
            here = past.tokens[t] * across + at
            store(past.did_read, here, load(past.did_read, here) + load(past.ways, t * across + at))


@part
def add(saw: Floats, n: int, ways: Floats, at: int, across: int, steps: int, did: Floats) -> None:
    """Add the products of `ROWS` numbers that were seen, from the n-th on, with a vector of ways."""
    here = n * across + at
    one, two = load(did, here), load(did, here + across)
    three, four = load(did, here + 2 * across), load(did, here + 3 * across)
    for t in range(steps):
        way = load(ways, t * across + at)
        one, two = one + saw[t, n] * way, two + saw[t, n + 1] * way
        three, four = three + saw[t, n + 2] * way, four + saw[t, n + 3] * way
    store(did, here, one)
    store(did, here + across, two)
    store(did, here + 2 * across, three)
    store(did, here + 3 * across, four)


@part
def reach(net: Net, now: Now, blame: Blame) -> None:
    """How much of the outputs' errors reaches the cells' states, and what their output gates squash."""
    for u in range(len(blame.gates)):
        blame.gates[u] = 0.0
    for j in range(len(net.layer)):
        total, gate = filled(0.0), net.gate[j]
        for at in range(0, len(blame.error), LANES):
            total = total + load(blame.error, at) * load(net.weights.head, j * len(blame.error) + at)
        reaches = added(total)
        if net.gated:
            opened = now.say[gate + net.gated]
            blame.gates[gate + net.gated] += reaches * now.shown[j] * opened * (1.0 - opened)
            reaches *= opened
        reaches *= (1.0 - now.shown[j] * now.shown[j]) / 2.0  # h' = (1 - h^2) / 2
        blame.states[0, j] = reaches
        blame.states[net.layer[j], gate] = reaches


@part
def move(net: Net, token: int, now: Now, sees: Floats, past: Past, blame: Blame, rate: float) -> float:
    """Move all weights downhill.

    Args:
        net: changed.
        token: that was read.
        now: after the step, as is `past`.
        sees: [N+], what units saw at it.
        past: which is up to date.
        blame: of the answer.
        rate: of learning.

    Returns:
        The square of the gradient's norm.
    """
    square = move_units(net.weights.seen, net.there.seen, past.did, blame, sees, rate)
    if token >= 0:
        blame.read[token] = 1.0
        square += move_units(net.weights.read, net.there.read, past.did_read, blame, blame.read, rate)
        blame.read[token] = 0.0
    cells = len(net.layer)
    for j in range(cells):
        square += move_row(net.weights.head, net.there.head, j, blame.error, now.say[j], rate)
    for f in range(len(now.given)):
        square += move_row(net.weights.head, net.there.head, cells + f, blame.error, now.given[f], rate)
    if token >= 0 and len(net.weights.skip):
        square += move_row(net.weights.skip, net.there.skip, token, blame.error, 1.0, rate)
    return square


@part
def move_units(weights: Floats, there: Floats, did: Floats, blame: Blame, sees: Floats, rate: float) -> float:
    """Move the weights of units, [N, U*] or [V, U*]; they did [N+, S, U*] or [V, S, U*], and units saw [N+] or [V].

    Returns:
        The square of the way's length.
    """
    across, layers = weights.shape[1], len(blame.states)
    squares = filled(0.0)
    for at in range(0, across, LANES):
        gates, states = load(blame.gates, at), load(blame.states, at)
        for n in range(len(weights)):
            down = sees[n] * gates + states * load(did, n * layers * across + at)
            for k in range(1, layers):
                down = down + load(blame.states, k * across + at) * load(did, (n * layers + k) * across + at)
            way = down * load(there, n * across + at)
            squares = squares + way * way
            store(weights, n * across + at, load(weights, n * across + at) + rate * way)
    return added(squares)


@part
def move_row(weights: Floats, there: Floats, row: int, down: Floats, sees: float, rate: float) -> float:
    """Move the weights of outputs, [M, C*] or [V, C*], that go out from one number; `down` is [C*].

    Returns:
        The square of the way's length.
    """
    squares = filled(0.0)
    for at in range(0, len(down), LANES):
        here = row * len(down) + at
        way = sees * load(down, at) * load(there, here)
        squares = squares + way * way
        store(weights, here, load(weights, here) + rate * way)
    return added(squares)


@part
def is_wrong(errors: Floats, i: int, bounds: Bounds) -> bool:
    """Whether the i-th of [R, 2] errors is beyond the bound; NaN is."""
    return not errors[i, 0] < bounds.error


@part
def mean_of(errors: Floats) -> float:
    """Of [R, 2] errors the mean ones' mean."""
    total = 0.0
    for i in range(len(errors)):
        total += errors[i, 1]
    return total / len(errors)
