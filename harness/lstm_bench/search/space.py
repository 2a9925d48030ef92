"""A search space as data: `"train.lr" = { low = 1e-4, high = 1e-1, log = true }`, `"model.hidden" = [32, 64]`."""

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from lstm_bench.errors import UsageError, unknown
from lstm_bench.execute import resolve
from lstm_bench.spec import RunSpec, known_paths

# What is searched where neither suite nor file says otherwise.
DEFAULT: Mapping[str, Any] = {
    "train.lr": {"low": 1e-3, "high": 3e-2, "log": True},
    "model.hidden": [32, 64, 128],
}


def distributions(space: Mapping[str, Any], base: RunSpec) -> dict[str, BaseDistribution]:
    """Optuna's distribution for each path of a space, each end and choice tried in a spec.

    Args:
        space: by dotted path, a list of choices, or a table of `low`, `high` and perhaps `log`, `step`.
        base: resolved; what the space's values are put into.

    Raises:
        UsageError: the path is unknown, a value does not fit it, or the range is none.
    """
    found = {}
    for path, given in space.items():
        if path not in base.flat() or path in ("task", "seed"):
            allowed = [known for known in known_paths(base.options) if known not in ("task", "seed")]
            raise unknown("key in the search space:", path, allowed)
        found[path] = _distribution(path, given, base)
        for value in _extremes(found[path]):
            resolve(base.with_values({path: value}))
    return found


def _distribution(path: str, given: Any, base: RunSpec) -> BaseDistribution:
    if isinstance(given, list) and len(set(given)) > 1:
        return CategoricalDistribution(given)
    if not (isinstance(given, Mapping) and {"low", "high"} <= given.keys() <= {"low", "high", "log", "step"}):
        raise UsageError(
            f"search space of {path}: found {given!r}, expected two or more choices such as [32, 64], "
            "or { low = 1e-4, high = 1e-1, log = true }"
        )
    low, high, log, step = given["low"], given["high"], given.get("log", False), given.get("step")
    sound = all(isinstance(end, int | float) and math.isfinite(end) for end in (low, high))
    if not sound or low >= high or (log and low <= 0):
        wanted = "0 < low < high" if log else "low < high"
        raise UsageError(f"search space of {path}: low = {low!r}, high = {high!r}, expected {wanted}")
    try:
        if isinstance(base.flat()[path], float):
            return FloatDistribution(low, high, log=log, step=step)
        return IntDistribution(low, high, log=log, step=step or 1)
    except (ValueError, TypeError) as error:
        raise UsageError(f"search space of {path}: {error}") from None


def _extremes(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [distribution.low, distribution.high]  # type: ignore[attr-defined]  # the other two have both
