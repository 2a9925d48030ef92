import copy
import itertools
import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice, pairwise
from typing import Any, Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

from lstm_bench.evaluation import evaluate
from lstm_bench.losses import mean_squared_error, squared_error
from lstm_bench.meter import Watch
from lstm_bench.model import SequenceModel, State
from lstm_bench.result import Reading, steady_speeds
from lstm_bench.schedule import rate
from lstm_bench.spec import ModelSpec, TrainSpec
from lstm_bench.task import Batch, Goal, Signature, Split, Tally, Task, generator
from lstm_bench.train_state import TrainState
from lstm_bench.training import train
from lstm_bench_tasks.synthetic.adding import Adding

CPU = torch.device("cpu")
VALID_BATCHES, STEPS = 2, 5  # of `Sums`: batches in valid, numbers in a sequence
calm = settings(deadline=None, max_examples=25)


class Sums:
    """The sum of five numbers."""

    goal = Goal("mse", maximize=False)
    signature = Signature(features=1, outputs=1, every_step=False, epoch_timesteps=100)

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        for k in range(start, sys.maxsize if split == "train" else VALID_BATCHES):
            numbers = torch.rand(batch_size, STEPS, 1, generator=generator(seed, split, k))
            yield self.batch(k, numbers, numbers.sum(1))

    def batch(self, _: int, inputs: Tensor, targets: Tensor) -> Batch:
        return Batch(inputs, targets)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return mean_squared_error(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        return {"mse": squared_error(output, batch.targets)}


def network(signature: Signature = Sums.signature, hidden: int = 3) -> SequenceModel:
    torch.manual_seed(0)
    return SequenceModel(signature, ModelSpec(hidden=hidden))


def fresh(spec: TrainSpec, model: nn.Module | None = None) -> TrainState:
    return TrainState.fresh(model or network(), spec, seed=0, device=CPU)


def readings(state: TrainState, task: Task | Sums, spec: TrainSpec, watch: Watch | None = None) -> Iterator[Reading]:
    return train(state, task, spec, watch=watch or Watch())  # type: ignore[arg-type]  # Sums has what train needs


def test_one_step_gives_the_numbers_it_always_gave() -> None:
    task, spec = Adding(length=6), TrainSpec(steps=1, batch_size=4, lr=1e-2, warmup=0, weight_decay=0.1)
    state = fresh(spec, network(task.signature))
    (reading,) = readings(state, task, spec)
    checksum = sum(float(p.detach().double().abs().sum()) for p in state.model.parameters())
    found = (reading.metrics["train/loss"], reading.metrics["valid/mse"], checksum)
    assert found == pytest.approx((1.328869, 1.837821, 21.219610), rel=1e-5), (
        "the first step has moved, so no score of this version can be compared with one before: if you meant it, "
        f"say so in CHANGELOG.md, measure results/reference/ again, and write {found} here"
    )


class Clock:
    """Stands still until it is told otherwise."""

    now = 0

    def __call__(self) -> float:
        return self.now


class Timed(Sums):
    """Every batch takes as long as it is told; all else takes no time."""

    def __init__(self, clock: Clock, seconds: Mapping[str, int]) -> None:
        self.clock, self.seconds = clock, seconds

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        for batch in super().batches(split, batch_size, seed, start):
            self.clock.now += self.seconds[split]
            yield batch


@calm
@given(training=st.integers(1, 1000), evaluating=st.integers(0, 1000), held=st.integers(0, 1000))
def test_no_speed_knows_of_evaluations_or_of_the_callers_time(training: int, evaluating: int, held: int) -> None:
    clock = Clock()
    task, spec = Timed(clock, {"train": training, "valid": evaluating}), TrainSpec(steps=5, batch_size=4, eval_every=2)
    watch, found = Watch(clock), []
    for reading in readings(fresh(spec), task, spec, watch):
        clock.now += held
        found.append(reading)
    assert [reading.seconds for reading in found] == [2 * training, 4 * training, 5 * training]
    assert {r.metrics["speed/window_timesteps_per_second"] for r in found} == {4 * STEPS / training}
    assert steady_speeds(found) == {
        "speed/sequences_per_second": 4 / training,
        "speed/timesteps_per_second": 4 * STEPS / training,
    }
    assert watch.evaluating.seconds == 3 * VALID_BATCHES * evaluating
    assert watch.harness_share == pytest.approx(3 * held / clock.now)


@calm
@given(steps=st.integers(1, 12), eval_every=st.integers(1, 15))
def test_a_reading_comes_every_eval_every_steps_and_at_the_end(steps: int, eval_every: int) -> None:
    spec = TrainSpec(steps=steps, batch_size=2, eval_every=eval_every)
    found = list(readings(fresh(spec), Sums(), spec))
    assert [reading.step for reading in found] == sorted({*range(eval_every, steps, eval_every), steps})
    for reading in found:
        assert (reading.sequences, reading.timesteps) == (2 * reading.step, 2 * reading.step * STEPS)
        assert reading.metrics["progress/sequences"] == reading.sequences
        assert reading.metrics["progress/epochs"] == reading.timesteps / 100


@pytest.mark.parametrize(
    ("budget", "last"),
    [
        ({"epochs": 1.0}, 10),  # an epoch of `Sums` are 100 time steps, a step 2 x 5
        ({"epochs": 0.25}, 3),
        ({"sequences": 9}, 5),
        ({"sequences": 10**6, "epochs": 0.5}, 5),
        ({"steps": 4, "sequences": 9}, 4),
    ],
)
def test_the_first_budget_that_is_used_ends_the_run(budget: dict[str, Any], last: int) -> None:
    spec = TrainSpec(**{"steps": 0, "batch_size": 2, "eval_every": 4, **budget})
    found = list(readings(fresh(spec), Sums(), spec))
    assert [reading.step for reading in found] == sorted({*range(4, last, 4), last})
    assert [reading.is_last for reading in found] == [False] * (len(found) - 1) + [True]


def test_a_budget_of_seconds_ends_with_the_step_that_uses_it_and_counts_training_alone() -> None:
    clock = Clock()
    task, spec = Timed(clock, {"train": 2, "valid": 100}), TrainSpec(steps=0, seconds=9.0, batch_size=2, eval_every=2)
    found = list(readings(fresh(spec), task, spec, Watch(clock)))
    assert [(reading.step, reading.seconds) for reading in found] == [(2, 4.0), (4, 8.0), (5, 10.0)]
    assert [reading.metrics["progress/budget"] for reading in found] == pytest.approx([4 / 9, 8 / 9, 10 / 9])


def test_a_budget_of_seconds_counts_those_before_a_break() -> None:
    clock = Clock()
    task, spec = Timed(clock, {"train": 2, "valid": 100}), TrainSpec(steps=0, seconds=9.0, batch_size=2, eval_every=2)
    state = fresh(spec)
    list(islice(readings(state, task, spec, Watch(clock)), 1))
    assert [reading.seconds for reading in readings(state, task, spec, Watch(clock))] == [8.0, 10.0]


@pytest.mark.parametrize("budget", [{"steps": 10}, {"epochs": 1.0}, {"sequences": 20}, {"seconds": 20.0}])
def test_the_cosine_falls_over_the_whole_of_any_budget(budget: dict[str, Any]) -> None:
    clock = Clock()
    values = {"steps": 0, "batch_size": 2, "eval_every": 1, "warmup": 0, "lr": 0.1, "schedule": "cosine", **budget}
    task, spec = Timed(clock, {"train": 2, "valid": 100}), TrainSpec(**values)
    state = fresh(spec)
    rates = [state.optimizer.param_groups[0]["lr"] for _ in readings(state, task, spec, Watch(clock))]
    late = 1 if "seconds" in budget else 0  # the batch itself takes these
    assert rates == pytest.approx([0.1 * rate(k, (k + late) / 10, spec) for k in range(10)])


def test_a_plateau_lowers_the_rate_from_the_next_step_on() -> None:
    task, steps = Scripted([3, 2, 2, 2, 1, 1, 1, 1], maximize=False), 8
    spec = TrainSpec(
        steps=steps,
        batch_size=2,
        eval_every=1,
        warmup=0,
        lr=0.1,
        schedule="plateau",
        plateau_patience=2,
        plateau_factor=0.1,
    )
    state = fresh(spec)
    rates = [state.optimizer.param_groups[0]["lr"] for _ in readings(state, task, spec)]
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 3 + [0.001])


def test_without_clipping_the_gradient_is_as_it_was_and_its_norm_is_recorded() -> None:
    free, loose = (TrainSpec(steps=1, batch_size=2, clip=clip) for clip in (0.0, 1e6))
    states = [fresh(free), fresh(loose)]
    (one,), (other,) = (list(readings(state, Sums(), spec)) for state, spec in zip(states, (free, loose), strict=True))
    assert one.metrics["train/gradient_norm"] == other.metrics["train/gradient_norm"] > free.clip
    assert_close(states[0].model.state_dict(), states[1].model.state_dict(), rtol=1e-6, atol=1e-7)


def test_what_is_evaluated_and_kept_is_the_average_and_training_goes_on_without_it() -> None:
    plain = TrainSpec(steps=6, batch_size=2, eval_every=2, lr=0.1, warmup=0)
    averaged, every = replace(plain, average_decay=0.5), replace(plain, eval_every=1)
    state, bare, stepwise = fresh(averaged), fresh(plain), fresh(every)
    path = [copy.deepcopy(stepwise.model.state_dict()) for _ in readings(stepwise, Sums(), every)]
    found = [(reading, copy.deepcopy(state.model.state_dict())) for reading in readings(state, Sums(), averaged)]
    losses = [reading.metrics["train/loss"] for reading in readings(bare, Sums(), plain)]
    assert [reading.metrics["train/loss"] for reading, _ in found] == losses
    for reading, held in found:
        shares = [0.5 ** (reading.step - k) for k in range(1, reading.step + 1)]
        means = {name: sum(w * p[name] for w, p in zip(shares, path, strict=False)) / sum(shares) for name in held}
        assert_close(held, means, rtol=1e-5, atol=1e-6)
        other = network()
        other.load_state_dict(held)
        assert reading.metrics["valid/mse"] == evaluate(other, Sums(), "valid", 0, CPU, averaged)["mse"]  # type: ignore[arg-type]
    assert state.best is not None
    assert_close(
        state.best_weights, next(dict(held) for reading, held in found if reading == state.best), rtol=0, atol=0
    )


def test_the_training_loss_is_the_mean_over_the_window() -> None:
    every, third = (TrainSpec(steps=6, batch_size=2, eval_every=n) for n in (1, 3))
    losses = [r.metrics["train/loss"] for r in readings(fresh(every), Sums(), every)]
    means = [r.metrics["train/loss"] for r in readings(fresh(third), Sums(), third)]
    assert means == pytest.approx([sum(losses[:3]) / 3, sum(losses[3:]) / 3])


class OneBatch(Sums):
    """The same batch for ever."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        batch = next(super().batches("train", batch_size, seed))
        yield from itertools.repeat(batch, sys.maxsize - start if split == "train" else 1)


def test_one_batch_is_learnt_by_heart() -> None:
    spec = TrainSpec(steps=400, batch_size=4, lr=3e-2, schedule="cosine", eval_every=100)
    state = fresh(spec, network(hidden=16))
    first, *_, last = readings(state, OneBatch(), spec)
    assert first.metrics["train/loss"] > 0.1
    assert last.metrics["train/loss"] < 1e-4


class Scripted(Sums):
    """Each evaluation gives the next of the scores."""

    def __init__(self, scores: list[int], *, maximize: bool) -> None:
        self.goal = Goal("score", maximize=maximize)
        self.scores = iter(scores)

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        return islice(super().batches(split, batch_size, seed, start), None if split == "train" else 1)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:  # noqa: ARG002  # the script knows
        return {"score": Tally(torch.tensor(next(self.scores)), 1)}


@calm
@given(scores=st.lists(st.integers(0, 3), min_size=1, max_size=6), maximize=st.booleans())
def test_the_best_weights_are_those_of_the_best_reading(scores: list[int], maximize: bool) -> None:
    task, spec = Scripted(scores, maximize=maximize), TrainSpec(steps=len(scores), batch_size=2, eval_every=1)
    state = fresh(spec)
    found = [(reading, copy.deepcopy(state.model.state_dict())) for reading in readings(state, task, spec)]
    best = scores.index((max if maximize else min)(scores))  # the first among equals
    assert state.best == found[best][0]
    assert_close(state.best_weights, dict(found[best][1]), rtol=0, atol=0)


class Carried(Sums):
    """The state goes on from every batch to the next, but for every third."""

    def batch(self, k: int, inputs: Tensor, targets: Tensor) -> Batch:
        return Batch(inputs, targets, carry=k % 3 > 0)


class Spy(nn.Module):
    """Notes what states a model is given and gives, in training and in evaluations."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = network()
        self.calls: dict[bool, list[tuple[State | None, State]]] = {True: [], False: []}

    def forward(self, inputs: Tensor, state: State | None, lengths: Tensor | None) -> tuple[Tensor, State]:
        output, after = self.inner(inputs, state, lengths)
        self.calls[self.training].append((state, after))
        return output, after


def test_the_state_is_carried_without_its_history_and_dropped_where_the_data_say() -> None:
    spec, spy = TrainSpec(steps=8, batch_size=2, eval_every=2), Spy()
    list(readings(fresh(spec, spy), Carried(), spec))
    assert [before is None for before, _ in spy.calls[True]] == [k % 3 == 0 for k in range(8)]
    assert [before is None for before, _ in spy.calls[False]] == [True, False] * 4  # no state comes from training
    for calls in spy.calls.values():
        for (_, given_back), (taken, _) in pairwise(calls):
            if taken is not None:
                assert_close(taken, given_back, rtol=0, atol=0)
                assert not any(part.requires_grad for layer in taken for part in layer)


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_a_run_that_was_left_goes_on_where_it_was(stop: int) -> None:
    spec = TrainSpec(steps=8, batch_size=2, eval_every=2, schedule="cosine")
    whole = fresh(spec)
    expected = [reading.metrics["train/loss"] for reading in readings(whole, Carried(), spec)]
    left = fresh(spec)
    first = list(islice(readings(left, Carried(), spec), stop))
    found = [*first, *readings(left, Carried(), spec)]
    assert [reading.metrics["train/loss"] for reading in found] == expected
    assert_close(left.model.state_dict(), whole.model.state_dict(), rtol=0, atol=0)


def test_a_state_comes_back_from_plain_values() -> None:
    spec = TrainSpec(steps=4, batch_size=2, eval_every=2, optimizer="sgd", schedule="plateau", average_decay=0.9)
    old, new = fresh(spec), fresh(spec)
    list(readings(old, Carried(), spec))
    random = torch.get_rng_state()
    values = copy.deepcopy(old.state_dict())
    torch.manual_seed(99)
    new.load_state_dict(values)
    assert_close(new.state_dict(), values, rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), random)
    assert (new.step, new.sequences, new.timesteps, new.seconds) == (4, 8, 8 * STEPS, old.seconds)
    assert (new.best, type(new.recurrent)) == (old.best, tuple)


@calm
@given(warmup=st.integers(0, 50), steps=st.integers(1, 50))
def test_the_warm_up_rises_linearly_to_the_peak(warmup: int, steps: int) -> None:
    spec = TrainSpec(warmup=warmup, steps=steps)
    rates = [rate(step, 0.0, spec) for step in range(warmup + 3)]
    assert rates[:warmup] == pytest.approx([(k + 1) / warmup for k in range(warmup)])
    assert rates[warmup:] == [1.0] * 3


@calm
@given(half=st.integers(1, 500))
def test_the_cosine_falls_from_the_peak_to_zero_over_the_run(half: int) -> None:
    spec = TrainSpec(schedule="cosine", warmup=0)
    rates = [rate(step, step / (2 * half), spec) for step in range(2 * half + 1)]
    assert (rates[0], rates[half], rates[-1]) == pytest.approx((1, 0.5, 0))
    assert all(now < before for before, now in pairwise(rates))


def test_the_cosine_is_warmed_up_too() -> None:
    cold, warm = (TrainSpec(schedule="cosine", warmup=n) for n in (0, 10))
    assert rate(4, 0.04, warm) == pytest.approx(rate(4, 0.04, cold) / 2)
    assert rate(10, 0.1, warm) == rate(10, 0.1, cold)


def test_the_optimiser_follows_the_schedule() -> None:
    spec = TrainSpec(steps=6, batch_size=2, eval_every=1, lr=0.1, warmup=2, schedule="cosine")
    state = fresh(spec)
    rates = [state.optimizer.param_groups[0]["lr"] for _ in readings(state, Sums(), spec)]
    assert rates == pytest.approx([0.1 * rate(step, step / 6, spec) for step in range(6)])


def test_the_whole_gradient_is_clipped() -> None:
    spec = TrainSpec(steps=1, batch_size=2, clip=1e-3)
    state = fresh(spec)
    list(readings(state, Sums(), spec))
    squares = [float(p.grad.square().sum()) for p in state.model.parameters() if p.grad is not None]
    assert math.sqrt(sum(squares)) == pytest.approx(1e-3, rel=1e-2)


def test_the_gradient_norm_is_that_before_clipping() -> None:
    spec = TrainSpec(steps=1, batch_size=2, clip=1e6)
    free, clipped = fresh(spec), fresh(replace(spec, clip=1e-3))
    (whole,), (short,) = (list(readings(state, Sums(), spec)) for state in (free, clipped))
    squares = [float(p.grad.square().sum()) for p in free.model.parameters() if p.grad is not None]
    assert whole.metrics["train/gradient_norm"] == pytest.approx(math.sqrt(sum(squares)), rel=1e-5)
    assert short.metrics["train/gradient_norm"] == whole.metrics["train/gradient_norm"]


def test_the_gradient_norm_is_the_mean_over_the_window_and_the_largest_stands_beside_it() -> None:
    every, third = (TrainSpec(steps=6, batch_size=2, eval_every=n) for n in (1, 3))
    norms = [r.metrics["train/gradient_norm"] for r in readings(fresh(every), Sums(), every)]
    found = [r.metrics for r in readings(fresh(third), Sums(), third)]
    for metrics, own in zip(found, (norms[:3], norms[3:]), strict=True):
        assert metrics["train/gradient_norm"] == pytest.approx(sum(own) / 3)
        assert metrics["train/gradient_norm_max"] == max(own)


class Bursting(Sums):
    """The loss is no number from the third batch on."""

    def __init__(self) -> None:
        self.factors = itertools.chain([1.0, 1.0], itertools.repeat(math.nan))

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return super().loss(output, batch) * next(self.factors)


def test_the_largest_norm_is_the_largest_that_is_a_number() -> None:
    spec = TrainSpec(steps=6, batch_size=2, eval_every=3)
    sound = next(readings(fresh(replace(spec, eval_every=2)), Sums(), replace(spec, eval_every=2)))
    first, second = (r.metrics for r in readings(fresh(spec), Bursting(), spec))
    assert first["train/gradient_norm_max"] == sound.metrics["train/gradient_norm_max"]
    assert math.isnan(first["train/gradient_norm"])
    assert math.isnan(second["train/gradient_norm_max"])


@calm
@given(momentum=st.sampled_from([0.0, 0.5, 0.9]), decay=st.sampled_from([0.0, 0.1]), steps=st.integers(1, 4))
def test_stochastic_gradient_descent_by_hand(momentum: float, decay: float, steps: int) -> None:
    spec = TrainSpec(
        steps=steps, batch_size=4, lr=0.1, warmup=0, optimizer="sgd", momentum=momentum, weight_decay=decay, clip=1e6
    )
    state, model = fresh(spec), network()
    list(readings(state, Sums(), spec))
    speeds = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for batch in islice(Sums().batches("train", 4, 0), steps):
        model.zero_grad()
        Sums().loss(model(batch.inputs)[0], batch).backward()
        with torch.no_grad():
            for name, p in model.named_parameters():
                assert p.grad is not None
                speeds[name] = momentum * speeds[name] + p.grad + decay * (p.ndim > 1) * p
                p.sub_(0.1 * speeds[name])
    assert_close(state.model.state_dict(), model.state_dict())


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "rmsprop"])
def test_decay_is_on_matrices_and_not_on_biases(optimizer: Literal["adamw", "sgd", "rmsprop"]) -> None:
    state = fresh(TrainSpec(weight_decay=0.3, optimizer=optimizer))
    decays = {p: group["weight_decay"] for group in state.optimizer.param_groups for p in group["params"]}
    assert {name: decays[p] for name, p in state.model.named_parameters()} == {
        name: 0.0 if "bias" in name else 0.3 for name, _ in state.model.named_parameters()
    }


@pytest.mark.parametrize(("precision", "inside"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_losses_are_float32_in_every_precision(precision: str, inside: torch.dtype) -> None:
    class Typed(Sums):
        def loss(self, output: Tensor, batch: Batch) -> Tensor:
            seen.append(output.dtype)
            return super().loss(output, batch)

    seen: list[torch.dtype] = []
    spec = TrainSpec(steps=1, batch_size=2, precision=precision)  # type: ignore[arg-type]
    state = fresh(spec)
    state.model.head.register_forward_hook(lambda *given: seen.append(given[-1].dtype))  # type: ignore[union-attr,operator]
    list(readings(state, Typed(), spec))
    assert seen[:2] == [inside, torch.float32]
