"""Sequences drawn afresh: the training data never repeat, and no seed's test data are another's training data.

What is drawn is the same on every platform: integers and uniform numbers to the bit, normal ones, which go through a
logarithm and a cosine, to a few units of the last place.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar, cast

import torch
from torch import Tensor

from lstm_bench.families.scoring import frequencies, score
from lstm_bench.task import Batch, Family, Split, Task, generator

MOST = 32  # batches that are drawn together: a draw of 32 batches costs little more than one of one
STEPS = 2**17  # time steps that are drawn together at most, so that long sequences stay small in memory
FACTORS = (2, 4)  # how many times longer than trained a task is tested


class Drawn:
    """Batches from `draw`, a floor from the best constant, and the same task with sequences 2 and 4 times as long.

    Attributes:
        version: of the generator: another one makes another task.
        eval_sequences: in valid, and as many others in test.
        longest: the option that says how long a sequence is (at most, where lengths differ); see `longer`.
    """

    __slots__ = ()

    family: ClassVar[Family] = "synthetic"
    source: ClassVar[str] = "generated afresh for every batch"
    licence: ClassVar[str] = "none needed"
    version: ClassVar[int] = 1
    eval_sequences: ClassVar[int] = 1024
    longest: ClassVar[str] = "length"

    def draw(self, count: int, random: torch.Generator) -> Batch:
        """`count` sequences with their targets. All chance comes from `random`."""
        raise NotImplementedError

    def prepare(self) -> str:
        """Nothing to read; the generator's name and version stand for the data."""
        return f"{type(self).__name__}-{self.version}"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Several batches are drawn together and handed out one by one; valid and test are one draw each."""
        if split != "train":
            whole = self.draw(self.eval_sequences, generator(seed, split, 0))
            for at in range(start * batch_size, self.eval_sequences, batch_size):
                yield whole.take(slice(at, at + batch_size))
            return
        together = max(1, min(MOST, STEPS // (batch_size * max(1, self.span))))
        first = start % together
        for block in range(start // together, sys.maxsize):
            drawn = self.draw(together * batch_size, generator(seed, split, block))
            for k in range(first, together):
                yield drawn.take(slice(k * batch_size, (k + 1) * batch_size))
            first = 0

    @property
    def span(self) -> int:
        """About how many time steps a sequence has."""
        return int(getattr(self, self.longest))

    @property
    def longer(self) -> Mapping[str, Task]:
        """The same task with sequences 2 and 4 times as long."""
        return {f"{factor}x": cast(Task, self._longer(factor)) for factor in FACTORS}

    def _longer(self, factor: int) -> Any:
        return replace(cast(Any, self), **{self.longest: factor * getattr(self, self.longest)})

    def floors(self, seed: int) -> Mapping[str, float]:
        """The best constant, learnt from as many training sequences as the test has."""
        task = cast(Task, self)
        answer = constant(next(self.batches("train", self.eval_sequences, seed)), task.signature.outputs)
        return {"constant": score(task, lambda batch: spread(answer, task, batch), seed=seed)}


def constant(train: Batch, outputs: int) -> Tensor:
    """The best answer of one who does not look at the inputs, [C]: frequencies of classes as logits, or a mean."""
    if train.targets.is_floating_point():
        return train.targets.mean(0)
    return frequencies(train.targets, outputs)


def spread(answer: Tensor, task: Task, batch: Batch) -> Tensor:
    """One answer, [C], for each sequence of a batch, or for each step of each."""
    shape = batch.inputs.shape[:2] if task.signature.every_step else batch.inputs.shape[:1]
    return answer.expand(*shape, -1)
