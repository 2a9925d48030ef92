"""Several settings over several tasks: mean ranks, whether they differ, and one normalised score."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from lstm_bench.analysis.answer import Board, goal_of
from lstm_bench.analysis.interval import Interval, mean_interval
from lstm_bench.analysis.measures import as_scaled, measures_of, values_of
from lstm_bench.analysis.sides import Judged, Side

ALPHA = 0.05
CUT = 0.25  # of the scores at each end: what is left is the interquartile mean


@dataclass(frozen=True, slots=True)
class Ranks:
    """Settings over the tasks that all of them were confirmed on.

    Attributes:
        sides: their names.
        tasks: the tasks'.
        means: of each side, its mean rank over the tasks; 1 is the best, ties share theirs.
        p_value: Friedman's, of no difference between the sides; None where `silent` says why.
        critical: by how much two mean ranks must differ; likewise.
        silent: why nothing can be said of the ranks; None where something can.
        scores: of each side, the interquartile mean of its normalised scores; None where no task has a scale.
        best_seen: the tasks without a known ceiling, whose best score here counts as 1.
        unscaled: the tasks that are in no `scores`: no floor is known, or it is not below what counts as 1.
    """

    sides: list[str]
    tasks: list[str]
    means: list[float]
    p_value: float | None
    critical: float | None
    silent: str | None
    scores: list[Interval] | None
    best_seen: list[str]
    unscaled: list[str]

    @property
    def order(self) -> list[int]:
        """The sides by their mean rank, the best first."""
        return sorted(range(len(self.sides)), key=self.means.__getitem__)

    @property
    def groups(self) -> list[list[int]]:
        """The sides that cannot be told apart: each largest set of neighbours in `order` within `critical`.

        All of them where Friedman's test finds no difference: then no two are looked at.
        """
        if self.p_value is None or self.critical is None or self.p_value > ALPHA:
            return [self.order]
        order, apart = self.order, self.critical
        runs = [[b for b in order[at:] if self.means[b] - self.means[a] <= apart] for at, a in enumerate(order)]
        return [run for before, run in itertools.pairwise([[], *runs]) if not {*run} <= {*before}]

    def words(self) -> str:
        """What the ranks say, in a sentence or two."""
        if self.silent:
            return f"Over tasks: {self.silent}."
        told = "cannot be told apart" if self.p_value is None or self.p_value > ALPHA else "differ"
        return (
            f"Over {len(self.tasks)} tasks the ranks {told} (Friedman, p = {self.p_value:.2g}); "
            f"two sides do from {self.critical:.3g} on (Nemenyi, {ALPHA})."
        )


def tasks_of(first: Side, found: Sequence[Judged], sides: int) -> dict[str, list[Board]]:
    """The boards of each task in which every side has one that can be compared, in the order of the sides.

    Args:
        first: the side that the others were judged against.
        found: the others' studies, judged.
        sides: how many there are.
    """
    rows = {}
    for board in first.boards:
        others = [one.boards[0] for one in found if one.boards[1] is board and one.versus.refused is None]
        if len(others) == sides - 1:
            name = board["task"] if board["task"] not in rows else board["study"]
            rows[name] = [board, *others]
    return rows


def ranks_of(sides: Sequence[str], tasks: Mapping[str, Sequence[Board]]) -> Ranks:
    """Rank the sides on each task, and compare their mean ranks after Demsar (2006, JMLR 7).

    Friedman's test (1937) by its chi-squared approximation, which of few tasks is too careful rather than too bold
    (Iman and Davenport 1980); then Nemenyi's critical difference q sqrt(k (k + 1) / (6 n)) of k sides and n tasks, with
    q the studentized range of infinitely many degrees of freedom over sqrt(2). It corrects for all pairs.

    The interquartile mean (Agarwal et al. 2021, NeurIPS) leaves out the best and the worst quarter of the tasks; of
    fewer than four tasks it is the mean. Its interval is Student's over the fresh seeds, each with its own
    interquartile mean over the tasks: it says what other seeds would give, not what other tasks would.

    Args:
        sides: their names.
        tasks: by name, the confirmed boards in the order of the sides.
    """
    k, n = len(sides), len(tasks)
    ranks = np.array([stats.rankdata(_merits(boards)) for boards in tasks.values()]).reshape(n, k)
    silent = _silent(ranks)
    scales = {name: scale for name, boards in tasks.items() if (scale := _scale(boards)) is not None}
    return Ranks(
        sides=list(sides),
        tasks=list(tasks),
        means=[float(mean) for mean in ranks.mean(axis=0)] if n else [math.nan] * k,
        p_value=None if silent else float(stats.friedmanchisquare(*ranks.T).pvalue),
        critical=None if silent else critical_difference(k, n),
        silent=silent,
        scores=_scores(tasks, scales, k),
        best_seen=[name for name in scales if goal_of(tasks[name][0]).ceiling is None],
        unscaled=[name for name in tasks if name not in scales],
    )


def critical_difference(sides: int, tasks: int, alpha: float = ALPHA) -> float:
    """By how much two mean ranks must differ to be told apart (Nemenyi 1963; Demsar 2006, section 3.2.2).

    >>> round(critical_difference(4, 14), 2)  # Demsar's own example
    1.25
    """
    q = float(stats.studentized_range.ppf(1 - alpha, sides, math.inf)) / math.sqrt(2)
    return q * math.sqrt(sides * (sides + 1) / (6 * tasks))


def _silent(ranks: np.ndarray) -> str | None:
    n, k = ranks.shape
    if n < 2:
        return f"ranks over {n} task{'' if n == 1 else 's'} say nothing: two or more are needed"
    if k < 3:
        return "of two sides ranks say no more than the verdicts: three or more are needed"
    if (ranks == ranks[:, :1]).all():
        return "they are equal on each task"
    return None


def _merits(boards: Sequence[Board]) -> list[float]:
    """What ranks the sides on a task, less is better: the mean by which a verdict judges, or the way to the target."""
    goal = goal_of(boards[0])
    if goal.ends_run:  # all stop at the target: what parts them is the way there
        return [statistics.fmean(_objectives(board)) for board in boards]
    scores = [next(measures_of(board)) for board in boards]
    score = next((one for one in scores if one.scale == "linear"), scores[0])
    sign = -1 if goal.maximize else 1
    return [
        sign * statistics.fmean(as_scaled(value, score) for value in values_of(board, score).values())
        for board in boards
    ]


def _objectives(board: Board) -> list[float]:
    """By seed; less is better, as `Goal.objective` has it where the target ends the run."""
    found = board["confirmed"]
    pairs = zip(found["scores"], found["target_sequences"], strict=True)
    return [goal_of(board).objective(*pair) for pair in pairs]


def _scale(boards: Sequence[Board]) -> tuple[float, float] | None:
    """The scores that count as 0 and 1: the weakest floor, and the ceiling, else the best seen; None: no scale."""
    goal, floors = goal_of(boards[0]), boards[0]["confirmed"]["floors"]
    zero = next((floor["score"] for floor in floors.values()), goal.chance)  # the weakest is named first
    seen = (max if goal.maximize else min)(board["confirmed"]["score"]["mean"] for board in boards)
    one = seen if goal.ceiling is None else goal.ceiling
    return (zero, one) if zero is not None and goal.better(one, zero) else None


def _scores(
    tasks: Mapping[str, Sequence[Board]], scales: Mapping[str, tuple[float, float]], sides: int
) -> list[Interval] | None:
    found = [_interquartile([(tasks[name][side], scale) for name, scale in scales.items()]) for side in range(sides)]
    whole = [interval for interval in found if interval]
    return whole if len(whole) == sides else None


def _interquartile(scaled: Sequence[tuple[Board, tuple[float, float]]]) -> Interval | None:
    """Of one side, over its tasks; None without a task, or without a fresh seed that it had on all of them."""
    by_task = [
        {seed: (score - zero) / (one - zero) for seed, score in zip(found["seeds"], found["scores"], strict=True)}
        for found, (zero, one) in ((board["confirmed"], scale) for board, scale in scaled)
    ]
    seeds = set.intersection(*map(set, by_task)) if by_task else set()
    values = [float(stats.trim_mean([scores[seed] for scores in by_task], CUT)) for seed in sorted(seeds)]
    return mean_interval(values) if values else None
