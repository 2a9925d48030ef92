"""The loop: `train` yields a reading after each evaluation, and knows nothing of who listens.

Logging, pruning, early stopping and saving are what the caller does in an ordinary `for` loop.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lstm_bench.evaluation import autocast, evaluate
from lstm_bench.meter import Watch, synchronize
from lstm_bench.model import State, detached
from lstm_bench.optimizer import Average, make_optimizer
from lstm_bench.result import BUDGET, Reading, now_ms
from lstm_bench.schedule import Plateau, rate, used
from lstm_bench.spec import TrainSpec
from lstm_bench.task import Batch, Task

COUNTS = ("step", "sequences", "timesteps", "seconds")  # of a TrainState, how far it has come


@dataclass(slots=True)
class TrainState:
    """All that training changes.

    Attributes:
        model: called as `model(inputs, state, lengths) -> (output, state)`.
        average: of its weights, where one is asked for; the model holds it whenever no window is trained.
        seed: of the order of the data; the model's weights are drawn already.
        seconds: spent training, in the run's earlier processes too.
        recurrent: the state carried from the batch before.
        best: the best reading so far, and `best_weights` the weights at it.
    """

    model: nn.Module
    optimizer: Optimizer
    average: Average | None
    seed: int
    device: torch.device
    plateau: Plateau = field(default_factory=Plateau)
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
        average = Average(model, spec.average_decay) if spec.average_decay else None
        return cls(model, make_optimizer(model, spec), average, seed, device)

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
            "average": None if self.average is None else self.average.others,
            "plateau": asdict(self.plateau),
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
        if self.average is not None:
            self.average.load(values["average"])
        self.plateau = Plateau(**values["plateau"])
        set_random_states(values["random"], self.device)
        for name in COUNTS:
            setattr(self, name, values["counts"][name])
        carried, best = values["recurrent"], values["best"]
        self.recurrent = None if carried is None else tuple(tuple(layer) for layer in carried)
        self.best = None if best is None else Reading(**best)
        self.best_weights = dict(values["best_weights"])


def train(state: TrainState, task: Task, spec: TrainSpec, *, watch: Watch) -> Generator[Reading, None, None]:
    """Train until the budget is used, with a reading every `eval_every` steps and at the end.

    The watch stands still while the caller holds a reading, so a slow caller lowers no throughput.

    Yields:
        A reading with `train/loss` and `train/gradient_norm` (means over the window; the norm is that before clipping),
        `train/gradient_norm_max`, `valid/...` for each tally, the window's speed, and `progress/...`.
    """
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
            sums = train_window(state, task, spec, batches, share)
            synchronize(state.device)
        with watch.evaluating:
            scores = evaluate(state.model, task, "valid", state.seed, state.device, spec)
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


class Sums(NamedTuple):
    """Of the steps of a window, on the device."""

    loss: Tensor
    norm: Tensor  # of the whole gradient, before clipping
    largest_norm: Tensor  # of those that are numbers: the last one before a run diverges says more than a NaN


def train_window(
    state: TrainState, task: Task, spec: TrainSpec, batches: Iterator[Batch], share: Callable[[], float]
) -> Sums:
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


def random_states(device: torch.device) -> dict[str, Tensor]:
    """Of torch's generators that a run draws from (dropout does), by device type."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_states(states: dict[str, Tensor], device: torch.device) -> None:
    """Go on drawing where `random_states` was taken."""
    torch.set_rng_state(states["cpu"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"].cpu(), device)
    if device.type == "mps":
        torch.mps.set_rng_state(states["mps"].cpu())
