"""A search space as data: `"train.lr" = { low = 1e-4, high = 1e-1, log = true }`, `"model.hidden" = [32, 64]`.

With `when` a parameter is searched only where others have certain values:
`"train.momentum" = { low = 0.5, high = 0.99, when = { "train.optimizer" = "sgd" } }`; for choices
`{ choices = [...], when = {...} }`.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from graphlib import CycleError, TopologicalSorter
from typing import Any, cast

from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from lstm_bench.errors import UsageError, unknown
from lstm_bench.execute import resolve
from lstm_bench.spec import RunSpec, Value, flattened, known_paths

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
                allowed = [known for known in known_paths(base.options) if known not in NEVER_SEARCHED]
                raise unknown("key in the search space:", path, allowed)
        parts = {path: _parted(path, asked) for path, asked in given.items()}
        whens = {path: when for path, (_, when) in parts.items() if when}
        found = {path: _distribution(path, asked, base) for path, (asked, _) in parts.items()}
        conditions = {path: _condition(path, when, found, whens, base) for path, when in whens.items()}
        order = _ordered(found, conditions)
        needs: dict[str, dict[str, Value]] = {}
        for path in order:
            needs[path] = _needed(conditions.get(path, {}), needs)
            for value in _extremes(found[path]):
                resolve(base.with_values({**needs[path], path: value}))
        conditions = {path: condition for path, condition in conditions.items() if condition}
        return cls({path: found[path] for path in order}, conditions, base)

    def suggest(self, trial: Trial) -> dict[str, Value]:
        """A trial's settings: a value for each path whose condition holds, in the space's order."""
        values = self.base.flat()
        settings: dict[str, Value] = {}
        for path, distribution in self.distributions.items():
            if _holds(self.conditions.get(path, {}), values | settings):
                settings[path] = _suggest(trial, path, distribution)
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
            if not _contains(distribution, values[path]):
                raise UsageError(
                    f"{path} = {values[path]!r} is outside of the search space: expected {_worded(distribution)}"
                )
            if not _holds({other: wanted for other, wanted in condition.items() if other not in drawn}, values):
                raise UsageError(
                    f"{path} = {values[path]!r} is searched only when {_worded_condition(condition)}: "
                    "leave it out, or set that too"
                )
        return {path: values[path] for path in self.distributions if path in settings}

    def cells(self) -> int | None:
        """How many combinations there are; None where a range is continuous or a condition makes them uneven."""
        counts = [_count(distribution) for distribution in self.distributions.values()]
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
            if _count(distribution) is None:
                raise UsageError(
                    f"sampler 'grid' cannot try every value of {path} = {_worded(distribution)}: "
                    "give it a step or choices, or choose another sampler"
                )
        if (cells := self.cells() or 0) > MOST_CELLS:
            raise UsageError(f"sampler 'grid': {cells:,} cells, expected at most {MOST_CELLS:,}: choose larger steps")
        return {path: _values(distribution) for path, distribution in self.distributions.items()}


def _parted(path: str, given: Any) -> tuple[Any, Mapping[str, Any]]:
    """What is to be searched, and its condition."""
    if not isinstance(given, Mapping):
        return given, {}
    asked = {key: value for key, value in given.items() if key != "when"}
    when = given.get("when", {})
    if not isinstance(when, Mapping) or ("when" in given and not when):
        raise UsageError(
            f'search space of {path}: when = {when!r}, expected a table such as {{ "train.optimizer" = "sgd" }}'
        )
    return (asked["choices"] if asked.keys() == {"choices"} else asked), flattened(when)


def _distribution(path: str, given: Any, base: RunSpec) -> BaseDistribution:
    if _are_choices(given):
        return CategoricalDistribution(given)
    if not (isinstance(given, Mapping) and {"low", "high"} <= given.keys() <= {"low", "high", "log", "step"}):
        raise UsageError(
            f"search space of {path}: found {given!r}, expected two or more choices such as [32, 64], "
            "or { low = 1e-4, high = 1e-1, log = true }"
        )
    low, high, log, step = given["low"], given["high"], given.get("log", False), given.get("step")
    current = base.flat()[path]
    if not _is_number(current):
        raise UsageError(f"search space of {path}: found a range, expected choices, since it is {current!r} now")
    if not isinstance(log, bool):
        raise UsageError(f"search space of {path}: log = {log!r}, expected true or false")
    sound = all(_is_number(end) and abs(end) < 1e300 for end in (low, high))
    if not sound or low >= high or (log and low <= 0):
        wanted = "0 < low < high" if log else "low < high"
        raise UsageError(f"search space of {path}: low = {low!r}, high = {high!r}, expected {wanted}")
    if step is not None:
        _check_step(path, low, high, step, log=log)
    if isinstance(current, float):
        return FloatDistribution(low, high, log=log, step=step)
    if not all(isinstance(number, int) for number in (low, high, step or 1)):
        raise UsageError(f"search space of {path}: found {dict(given)!r}, expected whole numbers")
    return IntDistribution(low, high, log=log, step=step or 1)


def _are_choices(given: Any) -> bool:
    return (
        isinstance(given, list)
        and all(isinstance(choice, str | int | float | bool) for choice in given)
        and len(set(given)) == len(given) > 1
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_step(path: str, low: float, high: float, step: Any, *, log: bool) -> None:
    """Refuse what Optuna would mend on its own, with a warning that nobody reads."""
    if log:
        raise UsageError(f"search space of {path}: step = {step!r} with log = true, expected one of the two")
    if not (_is_number(step) and 0 < step < 1e300):
        raise UsageError(f"search space of {path}: step = {step!r}, expected above 0")
    steps = _steps(low, high, step)
    if steps.denominator > 1 or steps > 1e15:  # above, floats do not tell one from the next
        raise UsageError(
            f"search space of {path}: step = {step!r} does not lead from low = {low!r} to high = {high!r}: "
            "expected a step that divides the range"
        )


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
            raise unknown(f"key in the condition of {path}:", other, known_paths(base.options))
        values = given if isinstance(given, list) else [given]
        wanted = tuple(base.with_values({other: value}).flat()[other] for value in values)
        if other not in found and base.flat()[other] in wanted:
            continue  # it holds in every trial
        # A path whose own condition fails has the base's value.
        possible = [
            other in found and (_contains(found[other], value) or (other in whens and value == base.flat()[other]))
            for value in wanted
        ]
        if not all(possible) or not wanted:
            expected = _worded(found[other]) if other in found else f"{base.flat()[other]!r}, since it is not searched"
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


def _suggest(trial: Trial, path: str, distribution: BaseDistribution) -> Value:
    """A trial's value of one path."""
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(path, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(path, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return cast(Value, trial.suggest_categorical(path, choices))
    raise AssertionError(f"{distribution} is none of Optuna's three")


def _contains(distribution: BaseDistribution, value: Value) -> bool:
    """Whether a value of the path's own type can be drawn."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if isinstance(value, str) or not distribution.low <= value <= distribution.high:
        return False
    steps = (value - distribution.low) / (distribution.step or 1)
    return not distribution.step or abs(steps - round(steps)) < 1e-8  # as Optuna has it


def _steps(low: float, high: float, step: float) -> Fraction:
    """How many steps lead from one to the other, as they are written: 0.3 is three times 0.1."""
    return (Fraction(str(high)) - Fraction(str(low))) / Fraction(str(step))


def _count(distribution: BaseDistribution) -> int | None:
    """How many values can be drawn; None where the range is continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if not distribution.step:
        return None
    return int(_steps(distribution.low, distribution.high, distribution.step)) + 1


def _values(distribution: BaseDistribution) -> list[Value]:
    """All values that can be drawn from what is not continuous."""
    match distribution:
        case IntDistribution(low=low, high=high, step=step):
            return list(range(low, high + 1, step))
        case FloatDistribution(low=low, step=step):
            first, stride = Fraction(str(low)), Fraction(str(step))
            return [float(first + k * stride) for k in range(_count(distribution) or 0)]
        case CategoricalDistribution(choices=choices):
            return cast(list[Value], list(choices))
    raise AssertionError(f"{distribution} is none of Optuna's three")


def _extremes(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return [distribution.low, distribution.high]


def _worded(distribution: BaseDistribution) -> str:
    """`0.001..0.1`, `32 or 64`."""
    if isinstance(distribution, CategoricalDistribution):
        return " or ".join(repr(choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    stepped = f" in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
    return f"{distribution.low}..{distribution.high}{stepped}"


def _worded_condition(condition: Condition) -> str:
    """`train.optimizer = 'sgd'`."""
    wanted = {other: " or ".join(repr(value) for value in values) for other, values in condition.items()}
    return " and ".join(f"{other} = {values}" for other, values in wanted.items())
