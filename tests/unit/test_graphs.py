"""What is recorded and played again, and when; the graphs themselves are seen where there is a card (`test_cells`)."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from lstm_bench.cells import graphs
from lstm_bench.cells.graphs import Found, Recording, played


class Graph:
    """As a CUDA graph, but of a function: it works on the memory that it was recorded with."""

    def __init__(self, replay: Callable[[], None]) -> None:
        self.replay = replay


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes that were recorded, in their order."""
    found: list[tuple[int, ...]] = []

    def record(loop: Callable[..., Found], given: tuple[Tensor, ...], constants: dict[str, Any]) -> Recording:
        own = tuple(t.clone() for t in given)
        results = tuple(torch.full_like(one, torch.nan) for one in loop(*(t.clone() for t in own), **constants))

        def replay() -> None:
            for result, one in zip(results, loop(*own, **constants), strict=True):
                result.copy_(one)

        found.append(tuple(given[0].shape))
        return Recording(Graph(replay), own, results)  # type: ignore[arg-type]

    monkeypatch.setattr(graphs, "record", record)
    monkeypatch.setattr(graphs, "_seen", set())
    monkeypatch.setattr(graphs, "_recorded", {})
    return found


def doubled(x: Tensor, *, times: int = 2) -> Found:
    """In place, as the loops of cells are."""
    return x.mul_(times), x + 1


def test_what_comes_twice_is_recorded_and_each_answer_is_memory_of_its_own(recorded: list[tuple[int, ...]]) -> None:
    answers = [played(doubled, torch.full((2,), float(value))) for value in range(4)]
    assert recorded == [(2,)]
    for value, (twice, more) in enumerate(answers):
        assert twice.tolist() == [2 * value] * 2
        assert more.tolist() == [2 * value + 1] * 2


def test_shapes_and_constants_and_kinds_are_apart(recorded: list[tuple[int, ...]]) -> None:
    asked: list[tuple[Tensor, int]] = [
        (torch.ones(2), 2), (torch.ones(2), 3), (torch.ones(2).double(), 2), (torch.ones(3), 2), (torch.ones(4)[::2], 2)
    ]  # fmt: skip
    for _ in range(3):
        for x, times in asked:
            twice, _ = played(doubled, x.clone(), times=times)
            assert twice.dtype == x.dtype
            assert torch.equal(twice, times * torch.ones_like(x))
    assert len(recorded) == 4  # a clone of the last is as the first


def test_what_was_played_longest_ago_makes_room(
    recorded: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphs, "MOST", 2)

    def play(*sizes: int) -> None:
        for size in sizes:
            assert played(doubled, torch.ones(size))[0].tolist() == [2.0] * size

    play(1, 1, 2, 2, 1, 3, 3)
    assert recorded == [(1,), (2,), (3,)]
    play(1)  # is still there
    play(2)  # comes for the first time again
    assert recorded == [(1,), (2,), (3,)]
    play(2, 1)
    assert recorded == [(1,), (2,), (3,), (2,)]
    assert len(graphs._recorded) == 2  # that no memory is held is what it is for
