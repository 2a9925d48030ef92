"""What one path of a search space can be: choices or a range, as it is given, and what can be drawn from it."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, cast

from optuna import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from lstm_bench.errors import UsageError
from lstm_bench.spec import RunSpec, Value, flattened


def parted(path: str, given: Any) -> tuple[Any, Mapping[str, Any]]:
    """What is to be searched of a path, and its condition.

    Raises:
        UsageError: `when` is no condition.
    """
    if not isinstance(given, Mapping):
        return given, {}
    asked = {key: value for key, value in given.items() if key != "when"}
    when = given.get("when", {})
    if not isinstance(when, Mapping) or ("when" in given and not when):
        raise UsageError(
            f'search space of {path}: when = {when!r}, expected a table such as {{ "train.optimizer" = "sgd" }}'
        )
    return (asked["choices"] if asked.keys() == {"choices"} else asked), flattened(when)


def distribution_of(path: str, given: Any, base: RunSpec) -> BaseDistribution:
    """What is given for a path, as Optuna's distribution.

    Args:
        path: dotted, of the base.
        given: a list of choices, or a table of `low`, `high` and perhaps `log`, `step`.
        base: resolved; the path's value there says of which kind a range is.

    Raises:
        UsageError: it is neither, or there is nothing to draw.
    """
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


def suggested(trial: Trial, path: str, distribution: BaseDistribution) -> Value:
    """A trial's value of one path."""
    match distribution:
        case FloatDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_float(path, low, high, step=step, log=log)
        case IntDistribution(low=low, high=high, step=step, log=log):
            return trial.suggest_int(path, low, high, step=step, log=log)
        case CategoricalDistribution(choices=choices):
            return cast(Value, trial.suggest_categorical(path, choices))
    raise AssertionError(f"{distribution} is none of Optuna's three")


def contains(distribution: BaseDistribution, value: Value) -> bool:
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


def count_of(distribution: BaseDistribution) -> int | None:
    """How many values can be drawn; None where the range is continuous."""
    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    if not distribution.step:
        return None
    return int(_steps(distribution.low, distribution.high, distribution.step)) + 1


def values_of(distribution: BaseDistribution) -> list[Value]:
    """All values that can be drawn from what is not continuous."""
    match distribution:
        case IntDistribution(low=low, high=high, step=step):
            return list(range(low, high + 1, step))
        case FloatDistribution(low=low, step=step):
            first, stride = Fraction(str(low)), Fraction(str(step))
            return [float(first + k * stride) for k in range(count_of(distribution) or 0)]
        case CategoricalDistribution(choices=choices):
            return cast(list[Value], list(choices))
    raise AssertionError(f"{distribution} is none of Optuna's three")


def extremes(distribution: BaseDistribution) -> list[Any]:
    """All choices, or both ends of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    return [distribution.low, distribution.high]


def worded(distribution: BaseDistribution) -> str:
    """`0.001..0.1`, `32 or 64`."""
    if isinstance(distribution, CategoricalDistribution):
        return " or ".join(repr(choice) for choice in distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    stepped = f" in steps of {distribution.step}" if distribution.step not in (None, 1) else ""
    return f"{distribution.low}..{distribution.high}{stepped}"


def longest(steps: int, distribution: BaseDistribution | None) -> int:
    """The most steps that a run may have: the base's, or the end of their range where `train.steps` is searched."""
    if isinstance(distribution, CategoricalDistribution):
        return max(int(choice) for choice in distribution.choices if choice is not None)
    return distribution.high if isinstance(distribution, IntDistribution) else steps
