"""The learning rule of 1997: what weights did to the cells' states, and how errors reach them.

Hochreiter and Schmidhuber 1997, appendix A.1. Errors reach a weight of a cell or of an input gate through the cell's
state alone, so what each such weight has done to the state is summed up beside it, step by step, and no sequence is
gone through backward.
"""

from lstm_bench.cells.kept import part
from lstm_bench.learners.net import Bounds, Floats, Whole


@part
def remember(
    gate: Whole, sees: Floats, token: int, say: Floats, drawn: Floats,
    cell_did: Floats, gate_did: Floats, cell_read: Floats, gate_read: Floats,
) -> None:  # fmt: skip
    """Add what the weights of each cell, and for it those of its input gate, do to its state at a step.

    Args:
        gate: of each cell.
        sees: [N], of the step, as is `token`.
        token: -1 where there is none.
        say: [U], after the step, as is `drawn`.
        drawn: [H].
        cell_did: [H, N], by the weights of cells; changed, as are the others.
        gate_did: [H, N], by those of their input gates.
        cell_read: [H, V], by the weights of cells that read tokens.
        gate_read: [H, V], likewise.
    """
    for j in range(len(drawn)):
        opened = say[gate[j]]
        by_cell = opened * (4.0 - drawn[j] * drawn[j]) / 4.0  # g' = (4 - g^2) / 4
        by_gate = drawn[j] * opened * (1.0 - opened)
        for n in range(len(sees)):
            cell_did[j, n] += by_cell * sees[n]
            gate_did[j, n] += by_gate * sees[n]
        if token >= 0:
            cell_read[j, token] += by_cell
            gate_read[j, token] += by_gate


@part
def blame_head(error: Floats, heard: Floats, down_head: Floats) -> None:
    """Add the way downhill for the weights of the outputs; `error` [C] is that of what they squash."""
    for k in range(len(error)):
        for m in range(len(heard)):
            down_head[k, m] += error[k] * heard[m]


@part
def blame(
    reaches: float, j: int, gate: int, gated: int, sees: Floats, token: int, say: Floats, shown: Floats,
    cell_did: Floats, gate_did: Floats, cell_read: Floats, gate_read: Floats, down: Floats, down_read: Floats,
) -> None:  # fmt: skip
    """Add the way downhill for the weights that lead to a cell and to its gates: `down` [U, N], `down_read` [U, V].

    `reaches` is what of the outputs' errors reaches the cell numbered j; for the others see `remember`.
    """
    if gated:
        opened = say[gate + gated]
        by_gate = reaches * shown[j] * opened * (1.0 - opened)
        for n in range(len(sees)):
            down[gate + gated, n] += by_gate * sees[n]
        if token >= 0:
            down_read[gate + gated, token] += by_gate
        reaches *= opened
    reaches *= (1.0 - shown[j] * shown[j]) / 2.0  # h' = (1 - h^2) / 2
    for n in range(len(sees)):
        down[j, n] += reaches * cell_did[j, n]
        down[gate, n] += reaches * gate_did[j, n]
    for v in range(down_read.shape[1]):
        down_read[j, v] += reaches * cell_read[j, v]
        down_read[gate, v] += reaches * gate_read[j, v]


@part
def move(weights: Floats, down: Floats, rate: float) -> float:
    """Move weights downhill; the square of the way's length."""
    square = 0.0
    for i in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            square += down[i, k] * down[i, k]
            weights[i, k] += rate * down[i, k]
    return square


@part
def move_column(weights: Floats, column: int, down: Floats, rate: float) -> float:
    """The same where only the weights of one token have a way, if there are such: all the others stay."""
    square = 0.0
    if column >= 0 and weights.shape[1]:
        for k in range(len(down)):
            square += down[k] * down[k]
            weights[k, column] += rate * down[k]
    return square


@part
def met(latest: Floats, bounds: Bounds) -> bool:
    """Whether the latest sequences meet the criterion."""
    wrong, mean = 0, 0.0
    for i in range(len(latest)):
        mean += latest[i, 1] / len(latest)
        if not latest[i, 0] < bounds.error:
            wrong += 1
            if wrong >= bounds.allowed:
                return False
    return mean < bounds.mean
