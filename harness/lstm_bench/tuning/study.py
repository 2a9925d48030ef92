"""A study: what is asked, checked; and the files that are this question's."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from typing import Any

import tomli_w
from optuna.pruners import BasePruner

from lstm_bench.errors import UsageError
from lstm_bench.execute import asked_of, resolve, settled
from lstm_bench.goal import Goal
from lstm_bench.record.disk import SCHEMA
from lstm_bench.record.files import Results
from lstm_bench.record.study import Purpose, StudyFiles
from lstm_bench.spec import RunSpec, Value, checked
from lstm_bench.suites import Budget, Strategy, StudyTable
from lstm_bench.task import Published, Task, told
from lstm_bench.tuning.measures import check_objectives
from lstm_bench.tuning.methods import Method, make_pruner, refuse
from lstm_bench.tuning.ranges import longest
from lstm_bench.tuning.space import DEFAULT, Space

TRIALS = 12  # of a study that is given neither a number nor minutes
ENDLESS = 10**9  # steps
FRESH_SEEDS_FROM = 1000  # seeds that confirm begin here, above the search's
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
MAY_CHANGE = {
    "trials",
    "minutes",
    "confirm_seeds",
    "confirm_top",
    "run_timeout",
    "max_failures",
    "schema",
    "id",
    "family",
    "source",
    "published",
}


@dataclass(frozen=True, slots=True)
class Question:
    """A study as it is asked, checked: nothing in it can be refused later but its data.

    Attributes:
        base: resolved, its precision as it was asked; the space's values are put into it. Its seed is the first of the
            search's.
        task: the task that it names.
        space: what is searched.
        budget: how much it may spend; its trials are written out, no more than a grid has cells.
        strategy: how it searches; `sampler` and `pruner` are its own, read.
        confirm: values by dotted path that the confirming runs have instead, such as more steps: a search may be
            cheaper than what it is for.
        given: the space as it was given.
        workers: runs at once, where the study is deterministic and they belong to the question.
    """

    base: RunSpec
    task: Task
    space: Space
    budget: Budget
    strategy: Strategy
    sampler: Method
    pruner: Method
    confirm: Mapping[str, Value]
    given: Mapping[str, Any]
    workers: int | None

    @classmethod
    def of(cls, table: StudyTable, settings: Mapping[str, Value], *, workers: int = 1) -> "Question":
        """The question of a file's table, with the settings of `--set` on top.

        Raises:
            UsageError: something in it does not exist or cannot be.
        """
        base, task = asked_of(table.run, settings)
        budget, strategy = checked(Budget, table.budget, ""), checked(Strategy, table.strategy, "")
        if budget.trials is None and budget.minutes is None:
            budget = replace(budget, trials=TRIALS)
        given = table.search or DEFAULT
        space = Space.of(given, base)
        sampler, pruner = Method.parse(strategy.sampler, "sampler"), Method.parse(strategy.pruner, "pruner")
        if sampler.name == "grid":
            cells = math.prod(len(choices) for choices in space.grid().values())
            budget = replace(budget, trials=min(budget.trials or cells, cells))
        _check_seeds(base, budget, table.confirm)
        resolve(base.with_values(table.confirm))
        check_objectives(strategy.objectives, task.goal, base.device)
        if strategy.deterministic and budget.minutes is not None:
            raise UsageError(
                "--deterministic with --minutes: how many trials fit into a time is not repeatable; use --trials"
            )
        if strategy.deterministic and (base.train.seconds or "train.seconds" in space.distributions):
            raise UsageError(
                "--deterministic with train.seconds: how far a run comes in a time is not repeatable; use train.steps"
            )
        strategy = replace(strategy, enqueue=[space.check(first) for first in strategy.enqueue])
        refuse(sampler, pruner, space, objectives=max(1, len(strategy.objectives)))
        held_to = workers if strategy.deterministic else None
        asked = cls(base, task, space, budget, strategy, sampler, pruner, table.confirm, given, held_to)
        asked.make_pruner()  # or it says why it cannot be
        return asked

    @property
    def goal(self) -> Goal:
        """The task's."""
        return self.task.goal

    @property
    def objectives(self) -> list[str]:
        """What is to be good, by metric; at least the goal's."""
        return self.strategy.objectives or [f"valid/{self.goal.metric}"]

    @property
    def seeds(self) -> list[int]:
        """The seeds on which each setting of the search is run."""
        return [self.base.seed + k for k in range(self.budget.seeds)]

    @property
    def fresh_seeds(self) -> list[int]:
        """The seeds that confirm; the search has none of them."""
        return [FRESH_SEEDS_FROM + k for k in range(self.budget.confirm_seeds)]

    @property
    def trials(self) -> float:
        """How many trials there may be; infinite where the minutes alone say."""
        return self.budget.trials or math.inf

    @property
    def steps(self) -> int:
        """The most steps that a run of the search may have; 0 where its budget is in something else."""
        return longest(self.base.train.steps, self.space.distributions.get("train.steps"))

    @property
    def span(self) -> int:
        """From the first step of one seed's run to that of the next, on the curve of a setting: no run is longer."""
        return self.steps or ENDLESS

    def make_pruner(self) -> BasePruner:
        """A new one, which has judged nobody.

        Raises:
            UsageError: its options exclude each other, or do not fit the runs.
        """
        steps = self.steps * self.budget.seeds
        return make_pruner(self.pruner, steps, self.base.train.eval_every, self.budget.prune_after)

    def run_spec(self, settings: Mapping[str, Any], seed: int, purpose: Purpose = "search") -> RunSpec:
        """The run of a setting on a seed; a confirming one has what it is to have instead."""
        instead = self.confirm if purpose == "confirm" else {}
        return settled(self.base.with_values({**settings, **instead, "seed": seed}))

    def asked(self, facts: Mapping[str, str]) -> dict[str, Any]:
        """What is asked, whole, as plain tables; the facts are those beneath every run of the study."""
        asked = {
            "schema": SCHEMA,
            **asdict(self.budget),
            **asdict(self.strategy),
            "workers": self.workers,
            "family": self.task.family,
            "source": getattr(self.task, "source", None),
            "published": published(self.task),
            **self.base.to_dict(),
            "search": dict(self.given),
            "confirm": dict(self.confirm),
            "goal": _stated(asdict(self.goal)),
            "facts": dict(facts),
        }
        return _stated(asked)

    def to_toml(self, facts: Mapping[str, str]) -> str:
        """What `study.toml` says."""
        return tomli_w.dumps(self.asked(facts))


def published(task: Task) -> list[dict[str, Any]]:
    """What others reached: a `score` each, or the `sequences` to the criterion where that is what a paper counts."""
    scores: Sequence[Published] = told(task, "published", ())
    counts: Mapping[str, float] = told(task, "sequences", {})
    return [
        *(asdict(one) for one in scores),
        *({"model": what, "sequences": count} for what, count in counts.items()),
    ]


def _stated(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None, which TOML cannot say."""
    return {key: value for key, value in values.items() if value is not None}


def _check_seeds(base: RunSpec, budget: Budget, confirm: Mapping[str, Value]) -> None:
    """Refuse seeds that would meet the fresh ones."""
    if "seed" in confirm:
        raise UsageError("seed in confirm: the fresh seeds are the harness's to choose; confirm_seeds says how many")
    if base.seed + budget.seeds > FRESH_SEEDS_FROM:
        raise UsageError(
            f"seed = {base.seed} with {budget.seeds} of them: expected below {FRESH_SEEDS_FROM}, "
            "where the fresh seeds begin"
        )


def differences(asked: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """The dotted paths at which two studies' questions differ; what the budget allows may grow."""
    paths: list[str] = []
    for key in sorted({*asked, *now} - MAY_CHANGE):
        one, other = asked.get(key), now.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping) and where != "search.":
            paths += differences(one, other, f"{where}{key}.")
        elif one != other:
            paths.append(where + key)
    return paths


def files_of(results: Results, name: str | None, stem: str, asked: Mapping[str, Any]) -> StudyFiles:
    """The study's files: those of the same question, or a name that is free.

    Raises:
        UsageError: the user's name is another question's.
    """
    for number in count(1):
        files = results.study(name or (stem if number == 1 else f"{stem}-{number}"))
        if not files.exists:
            return files
        differing = differences(files.asked, asked)
        if not differing:
            return files
        if name:
            raise UsageError(
                f"study '{name}' asked something else ({', '.join(differing)} differ): choose another --name"
            )
    raise AssertionError("count does not end")


def check_name(name: str) -> str:
    """A study's name that is no path.

    Raises:
        UsageError: it is none.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: expected letters, digits, '.', '_' and '-', such as --name first")
    return name
