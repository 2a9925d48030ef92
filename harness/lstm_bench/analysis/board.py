"""A study's answer: the best setting, how sure we are of it, and what it cost. Made from files alone."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from lstm_bench.analysis.advice import advice
from lstm_bench.analysis.answer import Board, top_trials
from lstm_bench.analysis.front import front_of
from lstm_bench.analysis.interval import mean_interval
from lstm_bench.goal import Goal
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, StudyFiles, Trial, confirming, trials_of
from lstm_bench.result import RunResult

ASKED = ("trials", "minutes", "seeds", "confirm_seeds", "confirm_top", "confirm")  # what a board repeats
FIGURES = ("target/", "speed/", "memory/", "cost/", "progress/", "model/")  # of each confirming run


@dataclass(frozen=True, slots=True)
class Contender:
    """A setting good enough in the search to be run again.

    Attributes:
        trial: in which the search ran it.
        fresh: its complete runs on fresh seeds, by seed.
    """

    trial: Trial
    fresh: Mapping[int, tuple[RunLine, RunResult]]

    @property
    def merits(self) -> dict[int, float]:
        """By fresh seed, the valid score as the search ranks it."""
        return {seed: line.objective for seed, (line, _) in self.fresh.items() if line.objective is not None}

    @property
    def merit(self) -> float:
        """Its mean over the fresh seeds."""
        return statistics.fmean(self.merits.values())


def contenders_of(results: Results, lines: Sequence[RunLine], top: Sequence[Trial]) -> list[Contender]:
    """The best trials with what their settings did on fresh seeds."""
    found = []
    for trial in top:
        ended = [(line, results.run(line.run).result) for line in confirming(lines, trial.number)]
        sound = {line.seed: (line, result) for line, result in ended if result and result.status.complete}
        found.append(Contender(trial, sound))
    return found


def ranked(contenders: Sequence[Contender], seeds: int, goal: Goal) -> list[Contender]:
    """The contenders by their mean valid score on fresh seeds, never by test: the first is the winner.

    One counts only when it was complete on all the seeds; where none was, those count that were on any.
    """
    some = [contender for contender in contenders if contender.fresh]
    whole = [contender for contender in some if len(contender.fresh) >= seeds]
    return sorted(whole or some, key=lambda contender: contender.merit, reverse=goal.search_maximizes)


def make_board(results: Results, files: StudyFiles, goal: Goal, lines: Sequence[RunLine] | None = None) -> Board:
    """The answer of a study as it stands, as `board.json` (schema: results/README.md).

    `best` is None where no trial was complete, `confirmed` where no confirming run was.

    Args:
        results: where its runs are.
        files: the study's.
        goal: its task's.
        lines: the study's runs, where they are known already.
    """
    asked = files.asked
    lines = files.lines if lines is None else lines
    trials = [trial for trial in trials_of(lines) if trial.done]
    contenders = contenders_of(results, lines, top_trials(trials, goal, asked.get("confirm_top", 1)))
    first = ranked(contenders, asked["confirm_seeds"], goal)[:2]
    searched = asked.get("search", {})  # an option that is searched is a setting, no part of what the task is
    longer = bool(asked.get("confirm"))  # then search and confirmation are no longer the same run
    board: Board = {
        "study": files.name,
        "task": asked["task"],
        "goal": asdict(goal),
        "options": {key: value for key, value in asked.get("options", {}).items() if f"options.{key}" not in searched},
        "facts": asked.get("facts", {}),
        "asked": {key: asked[key] for key in ASKED if key in asked},
        "statuses": dict(Counter(trial.status.value for trial in trials if trial.status)),
        "reused": sum(line.reused for line in lines),
        "best": _searched(contenders[0].trial) if contenders else None,
        "contenders": [
            _searched(one.trial) | {"fresh": _fresh(one, goal, longer=longer) if one.fresh else None}
            for one in contenders
        ],
        "confirmed": _confirmed(first[0], results, goal) if first else None,
        "front": front_of(trials, asked.get("objectives", []), goal),
    }
    differences = _differences(*first) if len(first) == 2 else []
    return board | {"advice": advice(board, asked, differences)}


def _searched(trial: Trial) -> Board:
    return {
        "trial": trial.number,
        "runs": [line.run for line in trial.runs],
        "seeds": [line.seed for line in trial.runs],
        "settings": dict(trial.settings),
        "score": trial.score,
    }


def _fresh(contender: Contender, goal: Goal, *, longer: bool) -> Board:
    """What a setting did on fresh seeds, and by how much the search had thought better of it."""
    valid, test = ([result.metrics[f"{room}/{goal.metric}"] for _, result in contender.fresh.values()]
                   for room in ("best", "test"))  # fmt: skip
    drop = None
    if contender.trial.score is not None and not longer:
        drop = (contender.trial.score - statistics.fmean(valid)) * (1 if goal.maximize else -1)
    return {
        "seeds": list(contender.fresh),
        "valid_scores": valid,
        "valid": asdict(mean_interval(valid)),
        "test_scores": test,
        "test": asdict(mean_interval(test)),
        "drop": drop,
    }


def _differences(one: Contender, other: Contender) -> list[float]:
    """By the fresh seeds that both have had."""
    return [merit - other.merits[seed] for seed, merit in one.merits.items() if seed in other.merits]


def _confirmed(winner: Contender, results: Results, goal: Goal) -> Board:
    lines = [line for line, _ in winner.fresh.values()]
    found = [result for _, result in winner.fresh.values()]
    test = f"test/{goal.metric}"
    scores = [result.metrics[test] for result in found]
    return {
        "trial": winner.trial.number,
        "settings": dict(winner.trial.settings),
        "runs": [line.run for line in lines],
        "seeds": [line.seed for line in lines],
        "statuses": [result.status.value for result in found],
        "scores": scores,
        "score": asdict(mean_interval(scores)),
        "floors": {name: _floor(name, found, test) for name in found[0].floors},
        "longer": {
            name.removeprefix(f"{test}_"): asdict(mean_interval([one.metrics[name] for one in found]))
            for name in found[0].metrics
            if name.startswith(f"{test}_")
        },
        "target_seconds": [result.metrics.get("target/seconds") for result in found],
        "target_sequences": [result.metrics.get("target/sequences") for result in found],
        "train_seconds": _median(found, "cost/train_seconds"),
        "eval_seconds": _median(found, "cost/eval_seconds"),
        "timesteps_per_second": _median(found, "speed/timesteps_per_second"),
        "sequences_per_second": _median(found, "speed/sequences_per_second"),
        "mfu": _median(found, "speed/mfu") if all("speed/mfu" in result.metrics for result in found) else None,
        "memory": {
            name: max(result.metrics[name] for result in found)
            for name in found[0].metrics
            if name.startswith("memory/")
        },
        "parameters": found[0].metrics["model/parameters"],
        "figures": {
            name: [result.metrics.get(name) for result in found]
            for name in dict.fromkeys(name for result in found for name in result.metrics)
            if name.startswith(FIGURES)
        },
        "machine": results.run(lines[0].run).machine,
    }


def _floor(name: str, found: Sequence[RunResult], test: str) -> Board:
    """A floor's mean over the seeds, and the paired difference to it: each run against the floor of its split."""
    differences = [result.metrics[test] - result.floors[name] for result in found]
    return {
        "score": statistics.fmean(result.floors[name] for result in found),
        "difference": asdict(mean_interval(differences)),
        "at_floor": sum(name in result.at_floor for result in found),
    }


def _median(found: Sequence[RunResult], name: str) -> float:
    return statistics.median(result.metrics[name] for result in found)
