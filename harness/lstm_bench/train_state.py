"""All that training changes, and how it is put aside and taken up again."""

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lstm_bench.model import State
from lstm_bench.optimizer import Average, make_optimizer
from lstm_bench.result import Reading
from lstm_bench.schedule import Plateau
from lstm_bench.spec import TrainSpec

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
        latest: of the online learner: [R, 2] largest and mean absolute error of the latest R training sequences.
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
    latest: Tensor | None = None
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
            "latest": self.latest,
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
        self.latest = values.get("latest")
        self.best = None if best is None else Reading(**best)
        self.best_weights = dict(values["best_weights"])


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
