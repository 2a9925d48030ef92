"""How much of its budget a run has used, and the learning rate that follows."""

import math
from dataclasses import dataclass

from lstm_bench.spec import TrainSpec


def used(spec: TrainSpec, *, steps: float, sequences: float, epochs: float, seconds: float) -> float:
    """The share of a run's budget that is used: 1 ends it. Of several kinds, that which comes to its end first."""
    kinds = ((steps, spec.steps), (sequences, spec.sequences), (epochs, spec.epochs), (seconds, spec.seconds))
    return max(done / whole for done, whole in kinds if whole)


def rate(step: int, share: float, spec: TrainSpec) -> float:
    """The learning rate of step `step` (from 0) as a share of its peak: linear warm-up, then the schedule.

    The cosine falls from 1 to 0 over the whole run, warm-up included (Loshchilov and Hutter 2017, one cycle).

    Args:
        step: from 0.
        share: of the budget, used before this step.
        spec: what is asked; how `plateau` lowers it besides is `Plateau`'s.
    """
    warm = min(1.0, (step + 1) / spec.warmup) if spec.warmup else 1.0
    return warm * 0.5 * (1 + math.cos(math.pi * share)) if spec.schedule == "cosine" else warm


@dataclass(slots=True)
class Plateau:
    """What is left of the learning rate after the plateaus so far: all of it, under the other schedules.

    Attributes:
        scale: of the rate.
        stale: readings in a row without a better score, since the last fall.
    """

    scale: float = 1.0
    stale: int = 0

    def hear(self, spec: TrainSpec, *, better: bool) -> None:
        """Take a reading; the rate falls after `plateau_patience` of them in a row that are no better."""
        self.stale = 0 if better else self.stale + 1
        if spec.schedule == "plateau" and self.stale == spec.plateau_patience:
            self.scale, self.stale = self.scale * spec.plateau_factor, 0
