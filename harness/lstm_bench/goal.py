"""The one score of a task, and what is worth reaching. Apart from `task`, so that who reads answers needs no torch."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """The one score of a task, and what is worth reaching.

    Attributes:
        metric: its name among the task's tallies.
        maximize: whether more is better.
        unit: for tables, such as `bits`; empty where the metric's name says it.
        chance: the score of one who knows nothing, where known.
        ceiling: the best possible score, where known.
        target: the score whose time to reach is recorded.
        ends_run: reaching the target ends the run (`solved`), and runs are ranked by sequences to it.
    """

    metric: str
    maximize: bool
    unit: str = ""
    chance: float | None = None
    ceiling: float | None = None
    target: float | None = None
    ends_run: bool = False

    def better(self, score: float, than: float) -> bool:
        """Whether a score beats another; a tie does not."""
        return score > than if self.maximize else score < than

    def reached(self, score: float) -> bool:
        """Whether a score is at the target or past it; without a target, never."""
        return self.target is not None and not self.better(self.target, score)

    def objective(self, score: float, target_sequences: float | None = None) -> float:
        """One number for the search, ordered as results are ranked: see `search_maximizes` for its direction.

        The score itself, but where the target ends the run: there solved runs lie in (0, 1), fewer sequences
        first, and unsolved ones in (1, 3), better scores first. Samplers and tables look at the order alone.

        >>> goal = Goal("mse", maximize=False, target=0.01, ends_run=True)
        >>> goal.objective(0.009, 40_000) < goal.objective(0.002, 80_000) < goal.objective(0.02)
        True
        """
        if not self.ends_run:
            return score
        if target_sequences is not None:
            return target_sequences / (target_sequences + 1e6)
        loss = -score if self.maximize else score
        return 2 + loss / (1 + abs(loss))

    def sequences(self, objective: float) -> float | None:
        """The sequences to the target by an `objective` where it ends the run; None of a run that missed it.

        >>> goal = Goal("mse", maximize=False, target=0.01, ends_run=True)
        >>> goal.sequences(goal.objective(0.009, 3e6)), goal.sequences(goal.objective(0.02))
        (3000000.0, None)
        """
        return 1e6 * objective / (1 - objective) if objective < 1 else None

    @property
    def search_maximizes(self) -> bool:
        """Whether a larger `objective` is better."""
        return self.maximize and not self.ends_run
