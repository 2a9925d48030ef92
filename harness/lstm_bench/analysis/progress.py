"""A study as a search: the best so far, trial by trial, and the best that n trials can be expected to find."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstm_bench.analysis.answer import goal_asked
from lstm_bench.goal import Goal
from lstm_bench.record.study import StudyFiles, Trial

LUCK = (0.05, 0.95)  # of all searches of n trials, as many end below the band that is shown, and up to its top


@dataclass(frozen=True)
class Progress:
    """What a study's trials brought, in the order in which they ended.

    Attributes:
        study: its name.
        values: of each trial that is done, its score as `value_of` has it; None of one that brought nothing.
        seconds: on the study's clock, when each ended: wall clock, over all the study's starts and with all its
            workers, pruned and failed trials included.
        maximize: whether more is better.
        independent: whether no trial knew of those before it, so that any order is as likely as theirs.
    """

    study: str
    values: Sequence[float | None]
    seconds: Sequence[float]
    maximize: bool
    independent: bool = False

    @property
    def best_so_far(self) -> list[float | None]:
        """The best value up to each trial; None before the first one."""
        better = max if self.maximize else min
        found: list[float | None] = [None]
        for value in self.values:
            found.append(better((one for one in (found[-1], value) if one is not None), default=None))
        return found[1:]

    @property
    def seconds_a_trial(self) -> float:
        """Of the study's clock, on average; 0 of an older study, which has none."""
        return max(self.seconds, default=0.0) / max(1, len(self.values))

    @cached_property
    def counted(self) -> NDArray[np.float64]:
        """Each trial's value, the worst first.

        A trial that was pruned, failed or missed the target counts as the worst of those that have a value: it took its
        place in the budget and brought nothing. Nothing at all where none has a value.
        """
        found = [value for value in self.values if value is not None]
        worst = (min if self.maximize else max)(found, default=0.0)
        values = np.sort([worst if value is None else value for value in self.values if found])
        return values if self.maximize else values[::-1]

    def expected_best(self, n: ArrayLike) -> NDArray[np.float64]:
        """The mean over all searches of n trials of the best that they find.

        Trials are drawn independently from those that were run: sum of v (F(v)^n - F(v-)^n) over their values v, F
        being the share of trials that are no better (Dodge, Gururangan, Card, Schwartz and Smith 2019, EMNLP, eq. 7).
        Where a sampler learns from trial to trial it describes its trials as if in random order.

        Args:
            n: numbers of trials, from 1; they need not be whole. Beyond the trials that there are it says nothing new.
        """
        share = np.arange(len(self.counted) + 1) / max(1, len(self.counted))
        chances = np.diff(share ** np.asarray(n, dtype=float)[..., None], axis=-1)
        return np.asarray(chances @ self.counted)

    def best_at(self, quantile: float, n: ArrayLike) -> NDArray[np.float64]:
        """The value that the best of n trials fails to beat in such a share of all searches: the first with F^n >= q.

        Two of these are a band around `expected_best`: the luck of one search, not how little is known of F itself.

        Args:
            quantile: q, above 0 and at most 1.
            n: as for `expected_best`.
        """
        trials = len(self.counted)
        place = np.ceil(trials * quantile ** (1 / np.asarray(n, dtype=float)) - 1e-9).astype(int)
        return np.asarray(self.counted[np.clip(place, 1, trials) - 1])


def progress_of(files: StudyFiles, trials: Sequence[Trial] | None = None) -> Progress:
    """A study's progress.

    Args:
        files: the study's.
        trials: its trials, where they are known already.
    """
    asked = files.asked
    goal = goal_asked(asked)
    done = [trial for trial in (files.trials if trials is None else trials) if trial.done]
    ended = sorted(done, key=lambda trial: (clock_of(trial), trial.number))
    return Progress(
        files.name,
        [value_of(trial, goal) for trial in ended],
        [clock_of(trial) for trial in ended],
        goal.search_maximizes,
        independent=_is_random(asked),
    )


def value_of(trial: Trial, goal: Goal) -> float | None:
    """A complete trial's valid score; where the target ends the runs, the sequences to it, if all its seeds got there.

    Each is the mean over the trial's seeds. More of it is better where `goal.search_maximizes`.
    """
    if trial.objective is None or not goal.ends_run:
        return trial.score if trial.objective is not None else None
    found = [goal.sequences(line.objective) for line in trial.runs if line.objective is not None]
    reached = [sequences for sequences in found if sequences is not None]
    return statistics.fmean(reached) if len(reached) == len(found) else None


def clock_of(trial: Trial) -> float:
    """When the last of a trial's runs ended, in seconds of the study's clock."""
    return max(line.clock for line in trial.runs)


def _is_random(asked: Mapping[str, Any]) -> bool:
    sampler = asked.get("sampler", "tpe")
    return (sampler["name"] if isinstance(sampler, Mapping) else sampler) == "random" and not asked.get("enqueue")
