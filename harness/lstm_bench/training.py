"""The loop: `train` yields a reading after each evaluation, and knows nothing of who listens.

Logging, pruning, early stopping and saving are what the caller does in an ordinary `for` loop.
"""

from collections.abc import Callable, Generator, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lstm_bench.evaluation import autocast, evaluate
from lstm_bench.meter import Watch, synchronize
from lstm_bench.model import detached
from lstm_bench.result import BUDGET, Reading, now_ms
from lstm_bench.schedule import rate, used
from lstm_bench.spec import TrainSpec
from lstm_bench.task import Batch, Task
from lstm_bench.train_state import TrainState

Share = Callable[[], float]  # of the budget that is used by now
Judge = Callable[[TrainState, Task, TrainSpec], dict[str, float]]


class Sums(NamedTuple):
    """Of the steps of a window, on the device."""

    loss: Tensor
    norm: Tensor  # of the whole gradient, before clipping
    largest_norm: Tensor  # of those that are numbers: the last one before a run diverges says more than a NaN


class Learner(NamedTuple):
    """How a window is trained, and how well it went: what the loop calls in turn."""

    window: Callable[[TrainState, Task, TrainSpec, Iterator[Batch], Share], Sums]
    judge: Judge


def train(
    state: TrainState, task: Task, spec: TrainSpec, *, watch: Watch, learner: Learner | None = None
) -> Generator[Reading, None, None]:
    """Train until the budget is used, with a reading every `eval_every` steps and at the end.

    The watch stands still while the caller holds a reading, so a slow caller lowers no throughput.

    Args:
        state: changed.
        task: what is learnt.
        spec: how.
        watch: takes the time.
        learner: None: an optimiser step a batch, judged by the valid split.

    Yields:
        A reading with `train/loss` and `train/gradient_norm` (means over the window; the norm is that before clipping),
        `train/gradient_norm_max`, `valid/...` for each tally, the window's speed, and `progress/...`.
    """
    way = learner or Learner(train_window, on_valid)
    batches = task.batches("train", spec.batch_size, state.seed, start=state.step)
    epoch = task.signature.epoch_timesteps

    def share() -> float:
        """Of the budget that is used by now, the seconds of the window that goes on included."""
        seconds = state.seconds + watch.training.elapsed - began
        epochs = state.timesteps / epoch if epoch else 0.0
        return used(spec, steps=state.step, sequences=state.sequences, epochs=epochs, seconds=seconds)

    began = watch.training.seconds
    while share() < 1:
        step, timesteps = state.step, state.timesteps
        with watch.training:
            sums = way.window(state, task, spec, batches, share)
            synchronize(state.device)
        with watch.evaluating:
            scores = way.judge(state, task, spec)
        seconds, began = watch.training.seconds - began, watch.training.seconds
        state.seconds += seconds
        metrics = {
            "train/loss": float(sums.loss) / (state.step - step),
            "train/gradient_norm": float(sums.norm) / (state.step - step),
            "train/gradient_norm_max": float(sums.largest_norm),
            **{f"valid/{name}": score for name, score in scores.items()},
            "speed/window_timesteps_per_second": (state.timesteps - timesteps) / seconds,
            BUDGET: share(),
            **seen(state, epoch),
        }
        reading = Reading(state.step, state.sequences, state.timesteps, state.seconds, now_ms(), metrics)
        name = f"valid/{task.goal.metric}"
        is_best = state.best is None or task.goal.better(metrics[name], state.best.metrics[name])
        if is_best:
            state.keep_best(reading)
        state.plateau.hear(spec, better=is_best)
        yield reading


def on_valid(state: TrainState, task: Task, spec: TrainSpec) -> dict[str, float]:
    """The scores of the whole valid split."""
    return evaluate(state.model, task, "valid", state.seed, state.device, spec)


def train_window(state: TrainState, task: Task, spec: TrainSpec, batches: Iterator[Batch], share: Share) -> Sums:
    """One optimiser step a batch, to the next reading. Nothing waits for the device here."""
    state.model.train()
    if state.average:
        state.average.swap()
    loss_sum, norm_sum = torch.zeros((), device=state.device), torch.zeros((), device=state.device)
    largest = torch.full((), torch.nan, device=state.device)  # fmax passes over what is no number
    parameters = list(state.model.parameters())
    for cpu_batch in batches:
        batch = cpu_batch.to(state.device)
        set_rate(state.optimizer, spec.lr * state.plateau.scale * rate(state.step, share(), spec))
        with autocast(state.device, spec):
            output, after = state.model(batch.inputs, state.recurrent if batch.carry else None, batch.lengths)
        state.recurrent = detached(after)
        loss = task.loss(output.float(), batch)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if spec.clip:
            nn.utils.clip_grads_with_norm_(parameters, spec.clip, norm)
        state.optimizer.step()
        loss_sum += loss.detach()
        norm_sum += norm
        largest = torch.fmax(largest, norm)
        state.step += 1
        state.sequences += len(cpu_batch.inputs)
        state.timesteps += cpu_batch.timesteps  # of the one on the device it would have to be waited for
        if state.average:
            state.average.take(state.step)
        if state.step % spec.eval_every == 0 or share() >= 1:
            break
    if state.average:
        state.average.swap()
    return Sums(loss_sum, norm_sum, largest)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Have the optimiser's next step use this learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def seen(state: TrainState, epoch: int | None) -> dict[str, float]:
    """What the run has seen, in sequences, and in epochs where the data have an end: after `epoch` time steps."""
    done = {"progress/sequences": float(state.sequences)}
    return done | ({"progress/epochs": state.timesteps / epoch} if epoch else {})
