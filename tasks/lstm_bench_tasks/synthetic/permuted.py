"""Another task with its time steps in one fixed random order: what was near is far away."""

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from threadpoolctl import threadpool_limits
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.spec import RunSpec, parse_value
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally, Task, generator, make_task, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """Another task whose time steps come in one random order, the same for all sequences: `abcd` -> `cadb`.

    As in permuted sequential MNIST (Le et al. 2015): the same is known at the end, but neighbours are apart. The task
    must answer once, at the end of sequences of equal length. Score, loss and floors are its own; floors are measured
    in the order that it has (the majority and a linear model on all values do not depend on it). Of `mnist-1d` a GRU
    reaches 0.57 so, 0.91 in order (README of greydanus/mnist1d).

    Attributes:
        of: the other task's name.
        options: its options, such as `by = pixels` of `digits`.
        order: another one is another order.
    """

    of: str = "mnist-1d"
    options: str = ""
    order: Annotated[int, Field(ge=0)] = 0

    family: ClassVar[Family] = "synthetic"
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        "train.steps": 1500,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "model.hidden": 64,
    }

    @property
    def inner(self) -> Task:
        """The other task.

        Raises:
            UsageError: there is no such task or option.
        """
        return wrapped(self.of, self.options)

    @property
    def wraps(self) -> tuple[Task, ...]:
        """Its code counts as this one's."""
        return (self.inner,)

    @property
    def source(self) -> str:
        """The other task's."""
        return told(self.inner, "source", "")

    @property
    def licence(self) -> str:
        """The other task's."""
        return told(self.inner, "licence", "")

    @property
    def install(self) -> str:
        """The other task's."""
        return told(self.inner, "install", "")

    @property
    def goal(self) -> Goal:
        """The other task's."""
        return self.inner.goal

    @property
    def signature(self) -> Signature:
        """The other task's."""
        return self.inner.signature

    def prepare(self) -> str:
        """Read the other task's data, and see that its steps can be permuted.

        Raises:
            UsageError: it answers at every step, or its sequences are of unequal length.
        """
        digest = self.inner.prepare()
        with threadpool_limits(1):  # in the warm server, which is forked: a pool of threads would not come along
            every_step = self.inner.signature.every_step
            unequal = next(self.inner.batches("valid", 1, 0)).lengths is not None
        if every_step:
            raise UsageError(f"task 'permuted': options.of = '{self.of}' answers at every step: "
                             "expected a task that answers once, at the end")  # fmt: skip
        if unequal:
            raise UsageError(f"task 'permuted': the sequences of options.of = '{self.of}' differ in length: "
                             "expected them equal")  # fmt: skip
        return digest

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """The other task's, each sequence in the one order."""
        for batch in self.inner.batches(split, batch_size, seed, start):
            yield replace(batch, inputs=batch.inputs[:, permutation(batch.inputs.shape[1], self.order)])

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """The other task's."""
        return self.inner.loss(output, batch)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """The other task's."""
        return self.inner.tallies(output, batch)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The other task's."""
        return self.inner.floors(seed)

    def example(self) -> str:
        """Where the steps of a short sequence go."""
        letters = "abcdefghij"
        return f"{letters} -> {''.join(letters[at] for at in permutation(len(letters), self.order).tolist())}"


def permutation(steps: int, order: int) -> Tensor:
    """A random order of so many steps, [T] int64."""
    return torch.randperm(steps, generator=generator(order, "order", steps))


@functools.lru_cache(maxsize=8)
def wrapped(name: str, options: str) -> Task:
    """The task of a name with options as they are written, `a = 1, b = pixels`.

    Raises:
        UsageError: there is no such task or option, or an option has no value.
    """
    if name == "permuted":
        raise UsageError("task 'permuted': options.of = 'permuted': expected another task")
    values = {}
    for written in filter(None, map(str.strip, options.split(","))):
        key, equals, value = written.partition("=")
        if not equals:
            raise UsageError(f"task 'permuted': options.options = {options!r}: expected names with values, "
                             "such as 'by = pixels'")  # fmt: skip
        values[key.strip()] = parse_value(value.strip())
    return make_task(RunSpec(task=name, options=values))
