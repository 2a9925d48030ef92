"""Tests that a task's author inherits: derive from `TaskSuite`, name the task, and let pytest find it.

    class TestMine(TaskSuite):
        task = "my-task"  # its name, its class, or module:attr

What is proved holds for the defaults and for other values of every option whose range is known; `given` narrows that.
"""

import math
import pickle
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal

import pytest
import torch
from annotated_types import Ge, Gt, Le, Lt
from hypothesis import HealthCheck, settings
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.families.scoring import score
from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec, checked
from lstm_bench.task import UNSCORED, Batch, Split, Task, load_task, predicts_next, told

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
BATCH = 8  # sequences
FIRST = 6  # batches that are looked at
READ = 500  # batches at most that are read of a whole split
CLOSE = 1e-5  # how near an oracle comes to the ceiling: logits are finite
calm = settings(
    deadline=None,
    max_examples=8,
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class TaskSuite:
    """What the engine relies on in a task.

    Attributes:
        task: a name, a class, or `module:attr`.
        given: values of options, or hypothesis strategies of values, where the annotation does not say what is
            possible (a path), or says too much.
        small: numbers without an upper bound are tried up to this.
        shared: sequences of train that are known to be in test too; an official split may have some.
    """

    task: ClassVar[Any]
    given: ClassVar[Mapping[str, Any]] = {}
    small: ClassVar[int] = 12
    shared: ClassVar[int] = 0

    def test_it_says_what_it_is(self) -> None:
        """The first line of the docstring, family and goal are what tables show."""
        cls = self._class()
        assert (cls.__doc__ or "").strip(), "expected a docstring: its first line stands in tables"
        task = self._default()
        assert task.family in ("classification", "language", "synthetic")
        assert isinstance(task.prepare(), str)
        assert isinstance(task.defaults, Mapping)
        for known in (task.goal.chance, task.goal.ceiling, task.goal.target):
            assert known is None or math.isfinite(known)

    def test_it_travels_between_processes(self) -> None:
        """A task is pickled with its options."""
        task = self._default()
        again = pickle.loads(pickle.dumps(task))  # noqa: S301  # its own bytes
        assert again == task

    @hypothesis_given(st.data())
    @calm
    def test_batches_fit_the_signature(self, data: st.DataObject) -> None:
        """Shapes, types and ranges of inputs, targets and lengths, in every split."""
        task = self._drawn(data)
        for split in SPLITS:
            batches = first(task, split, 3)
            assert batches, f"{split} has no batch"
            for batch in batches:
                fits(task, batch)

    @hypothesis_given(st.data(), st.integers(0, 2**40), st.integers(0, FIRST - 1))
    @calm
    def test_batch_k_depends_on_split_size_seed_and_k_alone(self, data: st.DataObject, seed: int, start: int) -> None:
        """The same call gives the same batches, and one that starts later gives the rest of them: runs resume so."""
        task = self._drawn(data)
        for split in SPLITS:
            whole = first(task, split, FIRST, seed=seed)
            alike(whole, first(task, split, FIRST, seed=seed))
            alike(whole[start:], first(task, split, FIRST - start, seed=seed, start=start))

    @hypothesis_given(st.data())
    @calm
    def test_train_never_ends_and_the_others_do(self, data: st.DataObject) -> None:
        """The budget of steps ends training; an evaluation is a whole split."""
        task = self._drawn(data)
        assert len(first(task, "train", 50)) == 50
        for split in ("valid", "test"):
            assert sum(1 for _ in islice(task.batches(split, 256, 0), 100_000)) < 100_000

    def test_no_sequence_is_in_two_splits(self) -> None:
        """What is tested was not trained on; where sequences are few and short, chance alone may repeat them."""
        task = self._default()
        if task.signature.epoch_timesteps is None or any(batch.carry for batch in first(task, "train", 3)):
            pytest.skip("drawn afresh from apart seeds, or one text cut in pieces")
        seen = {split: set(sequences(task.batches(split, BATCH, 0), split)) for split in SPLITS}
        assert len((seen["train"] | seen["valid"]) & seen["test"]) == self.shared
        assert seen["train"].isdisjoint(seen["valid"])

    @hypothesis_given(st.data())
    @calm
    def test_what_stands_in_the_next_input_is_said_to(self, data: st.DataObject) -> None:
        """A model that reads both ways would see it: `next_symbol`."""
        task = self._drawn(data)
        batches = first(task, "train", 3)
        if task.signature.every_step and task.signature.vocab == task.signature.outputs:
            scored = torch.cat([(b.targets[:, :-1] != UNSCORED).flatten() for b in batches])
            equal = torch.cat([(b.targets[:, :-1] == b.inputs[:, 1:]).flatten() for b in batches])
            assert predicts_next(task) or not bool(equal[scored].all() and scored.any())

    @hypothesis_given(st.data())
    @calm
    def test_the_loss_is_finite_and_reaches_every_weight(self, data: st.DataObject) -> None:
        """A model of the signature can be trained on it and scored."""
        task = self._drawn(data)
        torch.manual_seed(0)
        network = SequenceModel(task.signature, ModelSpec(hidden=4, embedding=4))
        batch = first(task, "train", 1)[0]
        output, _ = network(batch.inputs, None, batch.lengths)
        loss = task.loss(output, batch)
        loss.backward()
        assert loss.dim() == 0
        assert math.isfinite(loss.item())
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in network.parameters())
        assert math.isfinite(task.tallies(output.detach(), batch)[task.goal.metric].value)

    @hypothesis_given(st.data())
    @calm
    def test_tallies_add_up(self, data: st.DataObject) -> None:
        """The score of a split does not depend on the batch size it is read in."""
        task = self._drawn(data)
        if any(batch.carry for batch in first(task, "test", 3)):
            pytest.skip("how a text is cut into readers is part of the measurement")
        found = []
        for size in (32, 128):
            batches = list(islice(task.batches("test", size, 0), READ))
            if len(batches) == READ:
                pytest.skip("test is too long to be read twice here")
            tallies = [task.tallies(plain(task, batch), batch)[task.goal.metric] for batch in batches]
            found.append(sum(tallies[1:], tallies[0]).value)
        assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-6)

    @hypothesis_given(st.data())
    @calm
    def test_the_true_answer_scores_the_ceiling(self, data: st.DataObject) -> None:
        """Where there is an oracle."""
        task = self._drawn(data)
        oracle = told(task, "oracle", None)
        if oracle is None or task.goal.ceiling is None:
            pytest.skip("no oracle, or no known ceiling")
        found = score(task, oracle, seed=data.draw(st.integers(0, 100)))
        assert found == pytest.approx(task.goal.ceiling, rel=CLOSE, abs=CLOSE)

    def test_floors_are_scores_that_know_little(self) -> None:
        """Finite, weakest first, none better than the ceiling; the weakest is about chance where that is known."""
        task, goal = self._default(), self._default().goal
        floors = dict(task.floors(0))
        assert floors, "expected a trivial model's score at least"
        scores = list(floors.values())
        assert all(map(math.isfinite, scores))
        if goal.ceiling is not None:
            assert not any(goal.better(one, goal.ceiling + (CLOSE if goal.maximize else -CLOSE)) for one in scores)
        if goal.chance is not None and goal.ceiling is not None:
            assert abs(scores[0] - goal.chance) <= 0.15 * abs(goal.ceiling - goal.chance) + CLOSE
        assert not goal.better(scores[0], scores[-1]), "expected the weakest first"

    def test_batches_that_carry_a_state_join_to_the_text_itself(self) -> None:
        """Each reader goes on where its batch before ended."""
        task = self._default()
        batches = first(task, "valid", 40)
        if not any(batch.carry for batch in batches):
            pytest.skip("no state is carried")
        joined = torch.cat([batch.inputs for batch in batches], dim=1)
        following = torch.cat([batch.targets for batch in batches], dim=1)
        scored = following[:, :-1] != UNSCORED
        assert torch.equal(joined[:, 1:][scored], following[:, :-1][scored])

    def test_longer_ones_fit_what_was_trained(self) -> None:
        """A model trained on the task can be tested on its longer versions."""
        task = self._default()
        longer: Mapping[str, Task] = told(task, "longer", {})
        for name, one in longer.items():
            assert name.isidentifier() or name[:-1].isdigit(), "it becomes part of a metric's name"
            assert one.signature.outputs == task.signature.outputs
            assert (one.signature.vocab, one.signature.features) == (task.signature.vocab, task.signature.features)
            fits(one, first(one, "test", 1)[0])

    def _class(self) -> Any:
        return load_task(self.task) if isinstance(self.task, str) else self.task

    def _default(self) -> Task:
        fixed = {name: value for name, value in self.given.items() if not isinstance(value, st.SearchStrategy)}
        return typing.cast(Task, checked(self._class(), fixed, "options."))

    def _drawn(self, data: st.DataObject) -> Task:
        """The task with some values of its options; those that it refuses in one line are not its fault."""
        cls = self._class()
        hints = typing.get_type_hints(cls, include_extras=True)
        values = {}
        for field in fields(cls):
            default = self.given.get(field.name, field.default)
            strategy = default if isinstance(default, st.SearchStrategy) else None
            if field.name not in self.given:
                strategy = values_of(hints[field.name], field.default, self.small)
            values[field.name] = data.draw(strategy, label=field.name) if strategy is not None else default
        try:
            return typing.cast(Task, checked(cls, values, "options."))
        except UsageError:
            return self._default()


def values_of(annotation: Any, default: Any, small: int) -> st.SearchStrategy[Any] | None:
    """What an option may be, as far as its annotation says; None: its default alone.

    Args:
        annotation: such as `Annotated[int, Field(ge=2)]`, `bool`, `Literal["a", "b"]`.
        default: is always among them.
        small: the largest number that is tried where no smaller bound is given.
    """
    low, high = -math.inf, math.inf
    if typing.get_origin(annotation) is Annotated:
        annotation, *notes = typing.get_args(annotation)
        for bound in _bounds(notes):
            match bound:
                case Ge(ge=edge) | Gt(gt=edge):
                    low = max(low, float(typing.cast(float, edge)) + (isinstance(bound, Gt) and annotation is int))
                case Le(le=edge) | Lt(lt=edge):
                    high = min(high, float(typing.cast(float, edge)) - (isinstance(bound, Lt) and annotation is int))
    strategy: st.SearchStrategy[Any]
    if annotation is bool:
        strategy = st.booleans()
    elif typing.get_origin(annotation) is Literal:
        strategy = st.sampled_from(typing.get_args(annotation))
    elif annotation is int and math.isfinite(low):
        strategy = st.integers(int(low), int(min(high, max(low, small))))
    else:
        return None
    return strategy if default is MISSING else st.one_of(strategy, st.just(default))


def _bounds(notes: Iterable[Any]) -> Iterator[Any]:
    for note in notes:
        yield from getattr(note, "metadata", [note])  # pydantic's Field holds annotated-types


def first(task: Task, split: Split, n: int, *, seed: int = 0, start: int = 0) -> list[Batch]:
    """The first batches of a split, of 8 sequences each."""
    return list(islice(task.batches(split, BATCH, seed, start), n))


def fits(task: Task, batch: Batch) -> None:
    """Assert that a batch is as the signature and `Batch` say."""
    signature, (size, steps) = task.signature, batch.inputs.shape[:2]
    assert size >= 1
    assert steps >= 1
    if signature.vocab is not None:
        assert (batch.inputs.dtype, batch.inputs.dim()) == (torch.int64, 2)
        assert 0 <= int(batch.inputs.min()) <= int(batch.inputs.max()) < signature.vocab
    else:
        assert (batch.inputs.dtype, batch.inputs.shape[2:]) == (torch.float32, (signature.features,))
        assert bool(batch.inputs.isfinite().all())
    if batch.targets.dtype == torch.int64:
        assert batch.targets.shape == ((size, steps) if signature.every_step else (size,))
        scored = batch.targets[batch.targets != UNSCORED]
        assert len(scored), "a batch without a scored target has no loss"
        assert 0 <= int(scored.min()) <= int(scored.max()) < signature.outputs
    else:
        assert batch.targets.dtype == torch.float32
        assert batch.targets.shape[0] == size
        assert bool(batch.targets.isfinite().all())
    if batch.lengths is not None:
        assert (batch.lengths.dtype, batch.lengths.shape) == (torch.int64, (size,))
        assert int(batch.lengths.min()) >= 1
        assert int(batch.lengths.max()) == steps, "no step is padding for every sequence"


def alike(ones: Sequence[Batch], others: Sequence[Batch]) -> None:
    """Assert that batches are equal, bit for bit."""
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        assert torch.equal(one.inputs, other.inputs)
        assert torch.equal(one.targets, other.targets)
        assert one.carry == other.carry
        assert (one.lengths is None) == (other.lengths is None)
        assert one.lengths is None or other.lengths is None or torch.equal(one.lengths, other.lengths)


def plain(task: Task, batch: Batch) -> Tensor:
    """An output that depends on the inputs alone, sequence by sequence: the sums of the inputs, turned."""
    steps = batch.inputs.float() if batch.inputs.dim() == 2 else batch.inputs.sum(2)
    if batch.lengths is not None:
        steps = steps * (torch.arange(steps.shape[1]) < batch.lengths[:, None])
    told_BT = steps.cumsum(1) if task.signature.every_step else steps.sum(1)
    return torch.sin(told_BT[..., None] * torch.arange(1, task.signature.outputs + 1))


def sequences(batches: Iterable[Batch], split: Split) -> Iterator[bytes]:
    """Each sequence of a split as bytes; of train, those of enough batches for several epochs."""
    for batch in islice(batches, 400 if split == "train" else None):
        for at in range(len(batch.inputs)):
            steps = batch.inputs.shape[1] if batch.lengths is None else int(batch.lengths[at])
            yield batch.inputs[at, :steps].numpy().tobytes()
