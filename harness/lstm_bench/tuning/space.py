"""A search space as data: `"train.lr" = { low = 1e-4, high = 1e-1, log = true }`, `"model.hidden" = [32, 64]`.

With `when` a parameter is searched only where others have certain values:
`"train.momentum" = { low = 0.5, high = 0.99, when = { "train.optimizer" = "sgd" } }`; for choices
`{ choices = [...], when = {...} }`.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
)

from lstm_bench.errors import UsageError, unknown
from lstm_bench.execute import resolve
from lstm_bench.spec import RunSpec, Value, known_paths
from lstm_bench.tuning.ranges import contains, count_of, distribution_of, extremes, parted, suggested, values_of, worded

# What is searched where neither suite nor file says otherwise.
DEFAULT: Mapping[str, Any] = {
    "train.lr": {"low": 1e-3, "high": 3e-2, "log": True},
    "model.hidden": [32, 64, 128],
}
NEVER_SEARCHED = ("task", "seed")
MOST_CELLS = 10_000  # of a grid: it is held in memory, and shuffled before every trial

Condition = Mapping[str, tuple[Value, ...]]


@dataclass(frozen=True, slots=True)
class Space:
    """What is searched, and where.

    Attributes:
        distributions: by path, in the order in which they are suggested: each after all that its condition is about.
        conditions: by path, of those that have one: the values that other searched paths must have.
        base: resolved; it gives the values of all paths that are not searched.
    """

    distributions: Mapping[str, BaseDistribution]
    conditions: Mapping[str, Condition]
    base: RunSpec

    @classmethod
    def of(cls, given: Mapping[str, Any], base: RunSpec) -> "Space":
        """The space that is given, each end, choice and condition tried in a spec.

        Args:
            given: by dotted path, a list of choices, or a table of `low`, `high` and perhaps `log`, `step`, `when`,
                or one of `choices` and perhaps `when`.
            base: resolved; what the space's values are put into.

        Raises:
            UsageError: the path is unknown, a value does not fit it, the range is none, or a condition cannot hold.
        """
        for path in given:
            if path not in base.flat() or path in NEVER_SEARCHED:
                allowed = [known for known in known_paths(base.options, base.cell) if known not in NEVER_SEARCHED]
                raise unknown("key in the search space:", path, allowed)
        parts = {path: parted(path, asked) for path, asked in given.items()}
        whens = {path: when for path, (_, when) in parts.items() if when}
        found = {path: distribution_of(path, asked, base) for path, (asked, _) in parts.items()}
        conditions = {path: _condition(path, when, found, whens, base) for path, when in whens.items()}
        order = _ordered(found, conditions)
        needs: dict[str, dict[str, Value]] = {}
        for path in order:
            needs[path] = _needed(conditions.get(path, {}), needs)
            for value in extremes(found[path]):
                resolve(base.with_values({**needs[path], path: value}))
        conditions = {path: condition for path, condition in conditions.items() if condition}
        return cls({path: found[path] for path in order}, conditions, base)

    @property
    def free_ranges(self) -> dict[str, BaseDistribution]:
        """Those that are ranges of numbers and have no condition."""
        return {
            path: distribution
            for path, distribution in self.distributions.items()
            if path not in self.conditions and not isinstance(distribution, CategoricalDistribution)
        }

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """A trial's settings: a value for each path whose condition holds, in the space's order."""
        values = self.base.flat()
        settings: dict[str, Value] = {}
        for path, distribution in self.distributions.items():
            if _holds(self.conditions.get(path, {}), values | settings):
                settings[path] = suggested(trial, path, distribution)
        return settings

    def check(self, settings: Mapping[str, Any]) -> dict[str, Value]:
        """Settings to start from, perhaps of some paths only, in the space's order and each of its path's type.

        Raises:
            UsageError: a path that is not searched, a value outside of its range, or one whose condition fails.
        """
        for path in settings:
            if path not in self.distributions:
                raise unknown("key in the settings to start from, not searched:", path, self.distributions)
        values = self.base.with_values(settings).flat()
        drawn = self.distributions.keys() - settings.keys()  # these may still get any value
        for path in settings:
            distribution, condition = self.distributions[path], self.conditions.get(path, {})
            if not contains(distribution, values[path]):
                raise UsageError(
                    f"{path} = {values[path]!r} is outside of the search space: expected {worded(distribution)}"
                )
            if not _holds({other: wanted for other, wanted in condition.items() if other not in drawn}, values):
                raise UsageError(
                    f"{path} = {values[path]!r} is searched only when {_worded_condition(condition)}: "
                    "leave it out, or set that too"
                )
        return {path: values[path] for path in self.distributions if path in settings}

    def cells(self) -> int | None:
        """How many combinations there are; None where a range is continuous or a condition makes them uneven."""
        counts = [count_of(distribution) for distribution in self.distributions.values()]
        known = [count for count in counts if count is not None]
        return None if self.conditions or len(known) < len(counts) else math.prod(known)

    def grid(self) -> dict[str, list[Value]]:
        """All values of each path.

        Raises:
            UsageError: a range is continuous, the space has conditions, or there are more than `MOST_CELLS`.
        """
        for path, condition in self.conditions.items():
            raise UsageError(
                f"sampler 'grid' cannot try {path} only when {_worded_condition(condition)}: "
                "leave out the condition, or choose another sampler"
            )
        for path, distribution in self.distributions.items():
            if count_of(distribution) is None:
                raise UsageError(
                    f"sampler 'grid' cannot try every value of {path} = {worded(distribution)}: "
                    "give it a step or choices, or choose another sampler"
                )
        if (cells := self.cells() or 0) > MOST_CELLS:
            raise UsageError(f"sampler 'grid': {cells:,} cells, expected at most {MOST_CELLS:,}: choose larger steps")
        return {path: values_of(distribution) for path, distribution in self.distributions.items()}


def _condition(
    path: str,
    when: Mapping[str, Any],
    found: Mapping[str, BaseDistribution],
    whens: Collection[str],
    base: RunSpec,
) -> Condition:
    """The values that other paths must have, checked against what they can have."""
    condition = {}
    for other, given in when.items():
        if other not in base.flat():
            raise unknown(f"key in the condition of {path}:", other, known_paths(base.options, base.cell))
        values = given if isinstance(given, list) else [given]
        wanted = tuple(base.with_values({other: value}).flat()[other] for value in values)
        if other not in found and base.flat()[other] in wanted:
            continue  # it holds in every trial
        # A path whose own condition fails has the base's value.
        possible = [
            other in found and (contains(found[other], value) or (other in whens and value == base.flat()[other]))
            for value in wanted
        ]
        if not all(possible) or not wanted:
            expected = worded(found[other]) if other in found else f"{base.flat()[other]!r}, since it is not searched"
            raise UsageError(f"search space of {path}: when {other} = {given!r} can never be: expected {expected}")
        condition[other] = wanted
    return condition


def _ordered(found: Mapping[str, BaseDistribution], conditions: Mapping[str, Condition]) -> list[str]:
    """The paths as they were given, but each after all that its condition is about."""
    try:
        return list(TopologicalSorter({path: conditions.get(path, {}) for path in found}).static_order())
    except CycleError as error:
        around = " needs ".join(reversed(error.args[1]))
        raise UsageError(
            f"search space: the conditions lead back to where they began: {around}; expected one of them without"
        ) from None


def _needed(condition: Condition, needs: Mapping[str, Mapping[str, Value]]) -> dict[str, Value]:
    """Values with which a path is searched: those of its condition, and of the conditions of what that is about."""
    needed = {path: value for other in condition for path, value in needs.get(other, {}).items()}
    return needed | {other: wanted[0] for other, wanted in condition.items()}


def _holds(condition: Condition, values: Mapping[str, Value]) -> bool:
    return all(any(_same(values[other], value) for value in wanted) for other, wanted in condition.items())


def _same(one: Value, other: Value) -> bool:
    """Equal; of numbers on a stepped range, as equal as their steps are added up."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other)
    return one == other


def _worded_condition(condition: Condition) -> str:
    """`train.optimizer = 'sgd'`."""
    wanted = {other: " or ".join(repr(value) for value in values) for other, values in condition.items()}
    return " and ".join(f"{other} = {values}" for other, values in wanted.items())
