"""N-grams of symbols with Witten-Bell smoothing: what counting alone achieves."""

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Probabilities = npt.NDArray[np.float64]


def witten_bell_bits(
    train: npt.NDArray[np.unsignedinteger], test: npt.NDArray[np.unsignedinteger], vocab: int, orders: list[int]
) -> dict[int, float]:
    """Bits per symbol of `test` under n-gram models counted in `train`, for each highest order asked for.

    The model of order n mixes what followed the last n symbols with the model of order n - 1, down to the uniform
    one: p_n(x | c) = (N(c, x) + D(c) p_(n-1)(x | c')) / (N(c) + D(c)), where N counts, D counts distinct
    successors, and a context never seen leaves p_(n-1) as it is (Witten and Bell 1991, method C, interpolated).

    The first symbol has no context and is not scored; the next ones use what context there is.
    """
    probabilities: Probabilities = np.full(len(test), 1 / vocab)
    bits = {}
    for order in range(max(orders) + 1):
        # Positions with a whole context; a pair's code is its context's code and then the symbol.
        pairs, counts = np.unique(_codes(train, vocab, order + 1), return_counts=True)
        contexts, first, kinds = np.unique(pairs // vocab, return_index=True, return_counts=True)
        totals = np.add.reduceat(counts, first)
        seen = _codes(test, vocab, order + 1)
        pair_counts = _look_up(pairs, counts, seen)
        total = _look_up(contexts, totals, seen // vocab)
        distinct = _look_up(contexts, kinds, seen // vocab)
        probabilities[order:] = _mixed(pair_counts, total, distinct, probabilities[order:])
        if order in orders:
            bits[order] = float(-np.log2(probabilities[1:]).mean())
    return bits


def witten_bell_table(sequences: npt.NDArray[np.int64], vocab: int, order: int) -> Probabilities:
    """The same model whole, for small alphabets: [vocab^order, vocab], what follows each context.

    Args:
        sequences: [N, T] symbols to count; a context lies within one sequence.
        vocab: number of symbols.
        order: symbols in a context; the last is the lowest digit of its row's number.
    """
    table: Probabilities = np.full((1, vocab), 1 / vocab)
    for length in range(order + 1):
        codes = np.concatenate([_codes(sequence, vocab, length + 1) for sequence in sequences])
        counts = np.bincount(codes, minlength=vocab ** (length + 1)).reshape(-1, vocab)
        lower = np.tile(table, (len(counts) // len(table), 1))
        table = _mixed(counts, counts.sum(1, keepdims=True), (counts > 0).sum(1, keepdims=True), lower)
    return table


def _mixed(counts: Codes, total: Codes, kinds: Codes, lower: Probabilities) -> Probabilities:
    """Counts of symbols after a context, mixed with the model of one order less; `lower` where it was never seen."""
    return np.where(total > 0, (counts + kinds * lower) / np.maximum(total + kinds, 1), lower)


def _codes(symbols: npt.NDArray[np.integer], vocab: int, length: int) -> Codes:
    """One number for each run of `length` symbols, the last symbol in its lowest digit."""
    codes = np.zeros(len(symbols) - length + 1, dtype=np.int64)
    for offset in range(length):
        codes = codes * vocab + symbols[offset : len(symbols) - length + 1 + offset]
    return codes


def _look_up(keys: Codes, values: Codes, wanted: Codes) -> Codes:
    """The value of each wanted key, 0 where it is not among the (sorted) keys."""
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0)
