"""What a task of 1997 tells a learner besides, and how well a model does by its criterion."""

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from lstm_bench.evaluation import EVAL_BATCH, added
from lstm_bench.learners.net import Bounds
from lstm_bench.spec import TrainSpec
from lstm_bench.task import Batch, Tally, Task
from lstm_bench.train_state import TrainState
from lstm_bench.training import Judge


class Criterion(Protocol):
    """Bounds that a task is learnt within."""

    @property
    def error(self) -> float:
        """A sequence is wrong where an output is off by as much."""
        ...

    @property
    def allowed(self) -> int:
        """Of the sequences that are looked at, fewer must be wrong."""
        ...

    @property
    def mean(self) -> float:
        """Their mean absolute error must be below."""
        ...


class Judged(Task, Protocol):
    """What a task tells besides, so that it can be learnt as in 1997."""

    @property
    def criterion(self) -> Criterion:
        """When it counts as learnt."""
        ...

    @property
    def latest(self) -> int:
        """How many of the latest training sequences that is asked of; 0: it is asked of the valid split."""
        ...

    def aims(self, batch: Batch) -> Tensor:
        """What the outputs should be, [B, C] or [B, T, C]."""
        ...

    def of_errors(self, largest_B: Tensor, mean_B: Tensor) -> Mapping[str, Tally]:
        """The tallies of sequences by their largest and their mean absolute error."""
        ...


def bounds_of(task: Judged) -> Bounds:
    """A task's criterion as the kernels see it."""
    return Bounds(task.criterion.error, task.criterion.allowed, task.criterion.mean)


def judge_on_valid() -> Judge:
    """Judges by the valid split, which it draws once."""
    valid: list[Batch] = []

    def judge(state: TrainState, task: Task, _: TrainSpec) -> dict[str, float]:
        valid.extend(() if valid else task.batches("valid", EVAL_BATCH, state.seed))
        return judged_on(valid, state.model, cast(Judged, task))

    return judge


@torch.no_grad()
def judged_on(batches: Iterable[Batch], model: nn.Module, task: Judged) -> dict[str, float]:
    """A model's scores on batches; on the first of them alone, where these have more wrong sequences than all may."""
    tallies: dict[str, Tally] = {}
    for batch in batches:
        output, _ = model(batch.inputs, None, batch.lengths)
        tallies = added(tallies, task.tallies(output.float(), batch))
        if tallies["wrong"].total >= task.criterion.allowed:
            break
    return {name: tally.value for name, tally in tallies.items()}
