from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lstm_bench.schedule import Plateau, used
from lstm_bench.spec import BUDGETS, TrainSpec

calm = settings(deadline=None)
amounts = st.fixed_dictionaries({kind: st.integers(0, 1000) for kind in BUDGETS})


@calm
@given(wholes=amounts.filter(lambda kinds: any(kinds.values())), done=amounts)
def test_a_budget_is_used_once_any_of_its_kinds_is(wholes: dict[str, int], done: dict[str, int]) -> None:
    share = used(TrainSpec(**wholes), **done)  # type: ignore[arg-type]  # whole numbers are floats, too
    assert (share >= 1) == any(done[kind] >= whole for kind, whole in wholes.items() if whole)


@pytest.mark.parametrize(("factor", "patience"), [(0.5, 1), (0.1, 2), (0.9, 3)])
@calm
@given(scores=st.lists(st.integers(0, 3), max_size=20))
def test_plateaus_lower_the_rate_as_those_of_torch_do(factor: float, patience: int, scores: Sequence[int]) -> None:
    weight = torch.zeros(1, requires_grad=True)
    theirs = ReduceLROnPlateau(torch.optim.SGD([weight], lr=1.0), factor=factor, patience=patience - 1, threshold=0.0)
    spec = TrainSpec(schedule="plateau", plateau_factor=factor, plateau_patience=patience)
    ours, best = Plateau(), float("inf")
    for score in scores:
        theirs.step(score)
        ours.hear(spec, better=score < best)
        best = min(best, score)
        assert ours.scale == pytest.approx(theirs.get_last_lr()[0], abs=2e-8)  # torch stops at its own least step


def test_the_other_schedules_know_no_plateau() -> None:
    plateau = Plateau()
    for _ in range(10):
        plateau.hear(TrainSpec(plateau_patience=1), better=False)
    assert plateau.scale == 1.0
