import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.families.ngram import witten_bell_bits

calm = settings(deadline=None)
texts = st.lists(st.integers(0, 3), min_size=5, max_size=40)


def slow_bits(train: Sequence[int], test: Sequence[int], vocab: int, order: int) -> float:
    """The formula, read aloud with dictionaries."""
    successors: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for n in range(order + 1):
        for at in range(n, len(train)):
            successors[tuple(train[at - n : at])].append(train[at])

    def probability(symbol: int, context: tuple[int, ...]) -> float:
        lower = probability(symbol, context[1:]) if context else 1 / vocab
        found = successors[context]
        if not found:
            return lower
        kinds = len(set(found))
        return (found.count(symbol) + kinds * lower) / (len(found) + kinds)

    scored = [probability(test[at], tuple(test[max(0, at - order) : at])) for at in range(1, len(test))]
    return -sum(map(math.log2, scored)) / len(scored)


def fast_bits(train: Sequence[int], test: Sequence[int], vocab: int, orders: list[int]) -> dict[int, float]:
    return witten_bell_bits(np.array(train, np.uint8), np.array(test, np.uint8), vocab, orders)


@calm
@given(texts, texts, st.integers(4, 200), st.sets(st.integers(0, 4), min_size=1))
def test_counting_is_as_the_slow_obvious_way(train: list[int], test: list[int], vocab: int, orders: set[int]) -> None:
    expected = {order: pytest.approx(slow_bits(train, test, vocab, order)) for order in orders}
    assert fast_bits(train, test, vocab, sorted(orders)) == expected


def test_a_case_worked_by_hand() -> None:
    # train 0 0 1; p_0: of 3 symbols 2 kinds, so p_0(0) = (2 + 2/2) / 5 = 3/5 and p_0(1) = (1 + 2/2) / 5 = 2/5.
    # After 0 came 0 and 1: p_1(1 | 0) = (1 + 2 * 2/5) / 4 = 9/20. After 1 came nothing: p_1(0 | 1) = p_0(0).
    assert fast_bits([0, 0, 1], [0, 1, 0], 2, [0, 1]) == {
        0: pytest.approx(-(math.log2(2 / 5) + math.log2(3 / 5)) / 2),
        1: pytest.approx(-(math.log2(9 / 20) + math.log2(3 / 5)) / 2),
    }


@calm
@given(texts, st.lists(st.integers(0, 3), min_size=4, max_size=4))
def test_probabilities_of_all_that_may_follow_sum_to_one(train: list[int], context: list[int]) -> None:
    # Only the last symbol differs: the bits of the whole, less those of the context, are the last symbol's.
    before = fast_bits(train, context, 4, [3])[3] * 3
    following = [fast_bits(train, [*context, symbol], 4, [3])[3] * 4 - before for symbol in range(4)]
    assert sum(2**-bits for bits in following) == pytest.approx(1)
