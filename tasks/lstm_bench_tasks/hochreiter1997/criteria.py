"""What the tasks of 1997 share: squared error on the outputs, and a criterion that is reached or not.

The paper counts training sequences until a criterion is met, and so do we: it is the goal, and reaching it ends the
run. Its conditions are made one number, each as a share of its bound, the worst of them; below 1 all are met.

Two things differ from the paper, in every task here. The criterion is measured on the fresh sequences of valid, again
and again, where the paper looks at the latest training sequences in some experiments. And the model has a linear
head, where the paper's outputs are squashed; its loss is the squared error of the outputs as the paper's is, but where
a task says otherwise.
"""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor

from lstm_bench.families import Drawn, score
from lstm_bench.families.synthetic import spread
from lstm_bench.task import UNSCORED, Batch, Goal, Signature, Tally, Task

LEARNT_FROM = 256  # training sequences that the constant is learnt from
CANDIDATES = 16  # of their answers, tried as constants
REACHED = math.nextafter(1.0, 0.0)  # the largest score below 1


@dataclass(frozen=True, slots=True)
class Criterion:
    """When a task counts as learnt.

    Attributes:
        error: a sequence is wrong where an output is off by as much.
        allowed: of the sequences evaluated, fewer than this must be wrong.
        mean: the mean absolute error must be below it.
    """

    error: float
    allowed: int = 1
    mean: float = math.inf


def worst(means: Tensor, criterion: Criterion, sequences: int) -> float:
    """The worst of a criterion's conditions, each as a share of its bound.

    Args:
        means: [2], the share of wrong sequences and the mean absolute error.
        criterion: the bounds.
        sequences: how many are evaluated, of which so many may be wrong.
    """
    wrong, error = means.tolist()
    return float(max(round(wrong * sequences) / criterion.allowed, error / criterion.mean))


def evaluated_by(criterion: Criterion, wrong_B: Tensor, error_B: Tensor, sequences: int) -> dict[str, Tally]:
    """`criterion` and what it is made of: `wrong`, the share of wrong sequences, and `error`, the mean absolute error.

    Args:
        criterion: the bounds.
        wrong_B: [B] bool.
        error_B: [B] mean absolute error of each sequence.
        sequences: how many are evaluated in all.
    """
    wrong, error, count = wrong_B.sum().double(), error_B.double().sum(), len(wrong_B)
    judge = functools.partial(worst, criterion=criterion, sequences=sequences)
    return {
        "criterion": Tally(torch.stack([wrong, error]), count, judge),
        "wrong": Tally(wrong, count),
        "error": Tally(error, count),
    }


class Judged(Drawn):
    """Sequences drawn afresh, squared error on the outputs, and a criterion as the one score: `criterion`.

    Attributes:
        criterion: the bounds.
        latest: of how many of the latest training sequences a learner that sees them one by one is asked it, as the
            paper has it; 0: of the valid split.
        chance: what the best constant scores, where known.
        ceiling: the best possible score, where known.
    """

    __slots__ = ()

    latest: ClassVar[int] = 0

    @property
    def criterion(self) -> Criterion:
        """A class variable does."""
        raise NotImplementedError

    @property
    def chance(self) -> float | None:
        """Not known."""
        return None

    @property
    def ceiling(self) -> float | None:
        """Nothing wrong."""
        return 0.0

    @property
    def signature(self) -> Signature:
        """A class variable does."""
        raise NotImplementedError

    @property
    def goal(self) -> Goal:
        """Below 1, as soon as can be."""
        return Goal(
            "criterion", maximize=False, chance=self.chance, ceiling=self.ceiling, target=REACHED, ends_run=True
        )

    def aims(self, batch: Batch) -> Tensor:
        """What the outputs should be: the real targets, or 1 for the right one and 0 elsewhere, [B, C] or [B, T, C]."""
        if batch.targets.is_floating_point():
            return batch.targets
        right = batch.targets.clamp(min=0)[..., None]
        zeros = torch.zeros(*batch.targets.shape, self.signature.outputs, device=right.device)
        return zeros.scatter_(-1, right, 1.0)  # a quarter of the time of one_hot, whose numbers are whole

    def judged(self, output: Tensor, batch: Batch) -> Tensor:
        """The absolute errors that the criterion looks at, [B, any]: all of them."""
        return (output - self.aims(batch)).abs().flatten(1)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The squared error, summed over the outputs, mean over sequences (and steps)."""
        return ((output - self.aims(batch)) ** 2).sum(-1).mean()

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`criterion`, `wrong`, `error` and `mse`, of what the criterion looks at."""
        errors = self.judged(output, batch)
        each = errors.double().flatten()
        return {**self.of_errors(errors.amax(1), errors.mean(1)), "mse": Tally(each @ each, len(each))}

    def of_errors(self, largest_B: Tensor, mean_B: Tensor) -> Mapping[str, Tally]:
        """`criterion`, `wrong` and `error` of sequences by their largest and their mean absolute error, [B] each."""
        wrong_B = ~(largest_B < self.criterion.error)  # what is no number is wrong
        return evaluated_by(self.criterion, wrong_B, mean_B, self.eval_sequences)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The best constant by the criterion on training sequences: the mean of the answers, or one of them."""
        task = cast(Task, self)
        train = next(self.batches("train", LEARNT_FROM, seed))
        aims = self.aims(train)
        answers = aims[:CANDIDATES] if aims.dim() == 2 else aims[:CANDIDATES, -1]
        scored = aims if train.targets.is_floating_point() else aims[train.targets != UNSCORED]
        candidates = [scored.flatten(0, -2).mean(0), *answers]
        best = min(candidates, key=lambda one: self.tallies(spread(one, task, train), train)["criterion"].value)
        return {"constant": score(task, lambda batch: spread(best, task, batch), seed=seed)}


def lengths_from(shortest: int, count: int, random: torch.Generator) -> Tensor:
    """Lengths from T to 1.1 T, each as likely, [B]."""
    return torch.randint(shortest, shortest + shortest // 10 + 1, (count,), generator=random)


def beyond(lengths_B: Tensor, steps: int) -> Tensor:
    """Where padding is, [B, T] bool."""
    return torch.arange(steps) >= lengths_B[:, None]
