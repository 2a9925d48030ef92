"""What pruning saved: the training that pruned trials would still have had before them."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lstm_bench.record.files import Results
from lstm_bench.record.study import Trial
from lstm_bench.result import BUDGET, Status

TRAINED = "cost/train_seconds"


@dataclass(frozen=True, slots=True)
class Saved:
    """What pruning saved a search.

    Attributes:
        trials: that were pruned, of those that say how far they came.
        seconds: of training that they were spared.
        trained: seconds of training that all trials of the search had.
    """

    trials: int
    seconds: float
    trained: float

    @property
    def share(self) -> float:
        """Of the training that there would have been without pruning."""
        return self.seconds / (self.seconds + self.trained)


def saved_by_pruning(results: Results, trials: Sequence[Trial], seeds: int = 1) -> Saved | None:
    """What pruning saved a search; None where it saved nothing, or nobody knows.

    A run that trained for t seconds and used the share b of its budget would have trained for t / b (b as in
    `progress/budget`); a trial, for as long on each of its seeds. That is what it would have had at most: it might have
    reached a target before.

    Args:
        results: where the runs are.
        trials: the search's.
        seeds: on which each setting is run that is not pruned.
    """
    pruned, spared, trained = 0, 0.0, 0.0
    for trial in trials:
        ended = [(line, results.run(line.run).result) for line in trial.runs if line.status]
        own = [result.metrics for line, result in ended if result and not line.reused]
        spent = sum(metrics.get(TRAINED, 0.0) for metrics in own)
        trained += spent
        whole = [metrics[TRAINED] / metrics[BUDGET] for metrics in own if metrics.get(BUDGET) and TRAINED in metrics]
        if trial.status is Status.PRUNED and whole:
            pruned += 1
            spared += max(0.0, seeds * statistics.fmean(whole) - spent)
    return Saved(pruned, spared, trained) if spared else None
