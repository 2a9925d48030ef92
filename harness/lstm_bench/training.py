"""The loop: `train` yields a reading after each evaluation, and knows nothing of who listens.

Logging, pruning, early stopping and saving are what the caller does in an ordinary `for` loop.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from lstm_bench.meter import Watch, synchronize
from lstm_bench.model import State, detached
from lstm_bench.result import Reading, now_ms
from lstm_bench.spec import TrainSpec
from lstm_bench.task import Batch, Split, Tally, Task

EVAL_BATCH = 64  # sequences at once in every evaluation, whatever the training batch: scores stay comparable
COUNTS = ("step", "sequences", "timesteps", "seconds")  # of a TrainState, how far it has come


@dataclass(slots=True)
class TrainState:
    """All that training changes.

    Attributes:
        model: called as `model(inputs, state, lengths) -> (output, state)`.
        seed: of the order of the data; the model's weights are drawn already.
        seconds: spent training, in the run's earlier processes too.
        recurrent: the state carried from the batch before.
        best: the best reading so far, and `best_weights` the weights at it.
    """

    model: nn.Module
    optimizer: Optimizer
    schedule: LambdaLR
    seed: int
    device: torch.device
    step: int = 0
    sequences: int = 0
    timesteps: int = 0
    seconds: float = 0.0
    recurrent: State | None = None
    best: Reading | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def fresh(cls, model: nn.Module, spec: TrainSpec, *, seed: int, device: torch.device) -> "TrainState":
        """The state before the first step; moves the model to the device."""
        model = model.to(device)
        matrices = [p for p in model.parameters() if p.ndim > 1]
        vectors = [p for p in model.parameters() if p.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": spec.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        optimizer: Optimizer
        if spec.optimizer == "sgd":
            optimizer = SGD(groups, lr=spec.lr, momentum=spec.momentum, fused=True)
        else:
            optimizer = AdamW(groups, lr=spec.lr, fused=True)
        return cls(model, optimizer, LambdaLR(optimizer, lambda step: rate(step, spec)), seed, device)

    def keep_best(self, reading: Reading) -> None:
        """Take a reading as the best, with a copy of the weights that gave it."""
        self.best = reading
        self.best_weights = {name: value.detach().clone() for name, value in self.model.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """All that a run needs to go on bit for bit, as tensors and plain values; the caller keeps the seed.

        To be taken while `train` is suspended at a reading. The tensors are the state's own, so write them down before
        the next step.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": random_states(self.device),
            "counts": {name: getattr(self, name) for name in COUNTS},
            "recurrent": None if self.recurrent is None else [list(layer) for layer in self.recurrent],
            "best": None if self.best is None else self.best.to_dict(),
            "best_weights": self.best_weights,
        }

    def load_state_dict(self, values: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, in a state of the same spec and on the same kind of device."""
        self.model.load_state_dict(values["model"])
        self.optimizer.load_state_dict(values["optimizer"])
        self.schedule.load_state_dict(values["schedule"])
        set_random_states(values["random"], self.device)
        for name in COUNTS:
            setattr(self, name, values["counts"][name])
        carried, best = values["recurrent"], values["best"]
        self.recurrent = None if carried is None else tuple(tuple(layer) for layer in carried)
        self.best = None if best is None else Reading(**best)
        self.best_weights = dict(values["best_weights"])


class Sums(NamedTuple):
    """Of the steps of a window, on the device."""

    loss: Tensor
    norm: Tensor  # of the whole gradient, before clipping
    largest_norm: Tensor  # of those that are numbers: the last one before a run diverges says more than a NaN


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Of torch's generators that a run draws from (dropout does), by device type."""
    states = {"cpu": torch.get_rng_state()}
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Go on drawing where `random_states` was taken."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)


def rate(step: int, spec: TrainSpec) -> float:
    """The learning rate of step `step` (from 0) as a share of its peak: linear warm-up, then the schedule.

    The cosine falls from 1 to 0 over the whole run, warm-up included (Loshchilov and Hutter 2017, one cycle).
    """
    warm = min(1.0, (step + 1) / spec.warmup) if spec.warmup else 1.0
    if spec.schedule == "constant":
        return warm
    return warm * 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * step / spec.steps))))


def train(state: TrainState, task: Task, spec: TrainSpec, *, watch: Watch) -> Generator[Reading, None, None]:
    """Train until the budget is used, with a reading every `eval_every` steps and at the end.

    The watch stands still while the caller holds a reading, so a slow caller lowers no throughput.

    Yields:
        A reading with `train/loss` and `train/gradient_norm` (means over the window; the norm is that before clipping),
        `train/gradient_norm_max`, `valid/...` for each tally, the window's speed, and `progress/...`.
    """
    batches = task.batches("train", spec.batch_size, state.seed, start=state.step)
    while state.step < spec.steps:
        window = min(spec.eval_every - state.step % spec.eval_every, spec.steps - state.step)
        seconds, timesteps = watch.training.seconds, state.timesteps
        with watch.training:
            sums = train_window(state, task, spec, islice(batches, window))
            synchronize(state.device)
        with watch.evaluating:
            scores = evaluate(state.model, task, "valid", state.seed, state.device, spec)
        seconds = watch.training.seconds - seconds
        state.seconds += seconds
        metrics = {
            "train/loss": float(sums.loss) / window,
            "train/gradient_norm": float(sums.norm) / window,
            "train/gradient_norm_max": float(sums.largest_norm),
            **{f"valid/{name}": score for name, score in scores.items()},
            "speed/window_timesteps_per_second": (state.timesteps - timesteps) / seconds,
            **progress(state, task),
        }
        reading = Reading(
            state.step,
            state.sequences,
            state.timesteps,
            state.seconds,
            now_ms(),
            metrics,
        )
        name = f"valid/{task.goal.metric}"
        if state.best is None or task.goal.better(metrics[name], state.best.metrics[name]):
            state.keep_best(reading)
        yield reading


def train_window(state: TrainState, task: Task, spec: TrainSpec, batches: Iterator[Batch]) -> Sums:
    """One optimiser step a batch. Nothing waits for the device here."""
    state.model.train()
    loss_sum, norm_sum = torch.zeros((), device=state.device), torch.zeros((), device=state.device)
    largest = torch.full((), torch.nan, device=state.device)  # fmax passes over what is no number
    parameters = list(state.model.parameters())
    for cpu_batch in batches:
        batch = cpu_batch.to(state.device)
        with autocast(state.device, spec):
            output, after = state.model(batch.inputs, state.recurrent if batch.carry else None, batch.lengths)
        state.recurrent = detached(after)
        loss = task.loss(output.float(), batch)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(parameters, spec.clip)
        state.optimizer.step()
        state.schedule.step()
        loss_sum += loss.detach()
        norm_sum += norm
        largest = torch.fmax(largest, norm)
        state.step += 1
        state.sequences += len(batch.inputs)
        state.timesteps += batch.timesteps
    return Sums(loss_sum, norm_sum, largest)


@torch.no_grad()
def evaluate(
    model: nn.Module, task: Task, split: Split, seed: int, device: torch.device, spec: TrainSpec
) -> dict[str, float]:
    """The mean of each of the task's tallies over a whole split."""
    model.eval()
    tallies: dict[str, Tally] = {}
    recurrent: State | None = None
    for cpu_batch in task.batches(split, EVAL_BATCH, seed):
        batch = cpu_batch.to(device)
        with autocast(device, spec):
            output, recurrent = model(batch.inputs, recurrent if batch.carry else None, batch.lengths)
        for name, tally in task.tallies(output.float(), batch).items():
            tallies[name] = tallies[name] + tally if name in tallies else tally
    return {name: tally.value for name, tally in tallies.items()}


def autocast(device: torch.device, spec: TrainSpec) -> torch.autocast:
    """bfloat16 where the spec asks for it; losses and tallies are always float32 and wider."""
    return torch.autocast(device.type, torch.bfloat16, enabled=spec.precision == "bfloat16")


def progress(state: TrainState, task: Task) -> dict[str, float]:
    """How far the run has come, in sequences, and in epochs where the data have an end."""
    done = {"progress/sequences": float(state.sequences)}
    epoch = task.signature.epoch_timesteps
    return done | ({"progress/epochs": state.timesteps / epoch} if epoch else {})
