"""Samplers and pruners by name, their options as data.

A new sampler is made before every ask: what trial k proposes follows from the study's seed, k, and what was told so
far. A study that goes on after a kill neither repeats draws nor depends on how often it was begun.
"""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
)
from optuna.samplers import (
    BaseSampler,
)

from lstm_bench.errors import UsageError, in_one_line, unknown
from lstm_bench.spec import Value, check_value, parse_value
from lstm_bench.tuning.pruners import PRUNERS, PrunerKind
from lstm_bench.tuning.samplers import SAMPLERS, SamplerKind
from lstm_bench.tuning.space import Space


@dataclass(frozen=True, slots=True)
class Method:
    """A sampler or a pruner as it is asked for.

    Attributes:
        name: in `SAMPLERS` or `PRUNERS`.
        options: those that are given; the others have our defaults, or else Optuna's.
    """

    name: str
    options: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def parse(cls, given: str | Mapping[str, Any], kind: Literal["sampler", "pruner"]) -> "Method":
        """From `tpe`, `tpe,n_startup_trials=8`, or a table of `name` and options.

        Raises:
            UsageError: an unknown name or option, or a value that the option cannot have.
        """
        table = _table(given, kind) if isinstance(given, str) else dict(given)
        kinds: Mapping[str, SamplerKind | PrunerKind] = SAMPLERS if kind == "sampler" else PRUNERS
        name = table.pop("name", None)
        if not isinstance(name, str):
            raise UsageError(f'{kind} = {given!r}: expected a name, such as {{ name = "{next(iter(kinds))}" }}')
        if name not in kinds:
            raise unknown(kind, name, kinds)
        known = kinds[name].options
        for key in table:
            if key not in known:
                raise unknown(f"option of {kind} {name}:", key, known)
        options = {key: check_value(known[key], value, f"{kind} {name}: {key}") for key, value in table.items()}
        return cls(name, options)

    def __str__(self) -> str:
        return ",".join([self.name, *(f"{key}={_written(value)}" for key, value in self.options.items())])


def _table(text: str, kind: str) -> dict[str, Any]:
    """A command line's `tpe,n_startup_trials=8` as a table."""
    name, *settings = [part.strip() for part in text.split(",")]
    table: dict[str, Any] = {"name": name}
    for setting in settings:
        key, equals, raw = setting.partition("=")
        if not equals:
            raise UsageError(f"{kind} {text}: found {setting!r}, expected OPTION=VALUE, such as {name},{setting}=1")
        table[key.strip()] = parse_value(raw.strip())
    return table


def _written(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def draw_seed(seed: int, number: int) -> int:
    """The seed of what one trial draws: a hash of the study's seed and of the trial's number, below 2^32."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{number}".encode(), digest_size=4).digest(), "big")


def make_sampler(method: Method, space: Space, seed: int, number: int) -> BaseSampler:
    """The sampler that proposes one trial.

    Args:
        method: a sampler's.
        space: what is searched.
        seed: the study's.
        number: the trial's.

    Raises:
        UsageError: options that exclude each other, or a package that is not installed.
    """
    kind = SAMPLERS[method.name]
    own_seed = seed if kind.sequence else draw_seed(seed, number)
    told = {"space": space} if kind.made_for_space else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # the version is pinned
            return kind.make(seed=own_seed, **told, **{**kind.defaults, **method.options})
    except ValueError as error:
        raise UsageError(f"sampler {method}: {in_one_line(error).replace('`', '')}") from None


def make_pruner(method: Method, steps: int, eval_every: int, prune_after: int) -> BasePruner:
    """The pruner of a study.

    Args:
        method: a pruner's.
        steps: the most that a run trains; 0 where its budget is in something else.
        eval_every: steps from one reading to the next.
        prune_after: steps before which nobody is judged; the median and percentile pruners do not know of it.

    Raises:
        UsageError: options that exclude each other, or runs of no number of steps for one that divides it.
    """
    kind = PRUNERS[method.name]
    if not steps and "max_resource" in kind.resources:
        able = ", ".join(name for name, other in PRUNERS.items() if "max_resource" not in other.resources)
        raise UsageError(f"pruner '{method.name}' divides train.steps, which is 0: expected it above 0, or {able}")
    first = max(prune_after, eval_every)
    resources = {"min_resource": min(first, steps) if steps else first, "max_resource": steps}
    ours = {**kind.defaults, **{name: resources[name] for name in kind.resources}}
    try:
        return kind.make(**{**ours, **method.options})
    except ValueError as error:
        raise UsageError(f"pruner {method}: {in_one_line(error).replace('`', '')}") from None


def refuse(sampler: Method, pruner: Method, space: Space, objectives: int) -> None:
    """Refuse what cannot be, and what Optuna would quietly make random draws of.

    Raises:
        UsageError: a sampler that cannot search such a space or for so many objectives, options that exclude each
            other, or a package that is not installed.
    """
    kind = SAMPLERS[sampler.name]
    if objectives > kind.objectives:
        able = " or ".join(name for name, other in SAMPLERS.items() if other.objectives >= objectives)
        raise UsageError(f"sampler '{sampler.name}' with {objectives} objectives: it takes one; expected {able}")
    if kind.learns != "nothing" and len(drawn_at_random(sampler, space)) == len(space.distributions):
        raise UsageError(
            f"sampler '{sampler.name}' searches ranges of numbers that have no condition: none in "
            f"{', '.join(space.distributions)}; give one a range, or choose another sampler, such as tpe"
        )
    make_sampler(sampler, space, seed=0, number=0)
    make_pruner(pruner, steps=10**9, eval_every=1, prune_after=0)


def drawn_at_random(sampler: Method, space: Space) -> list[str]:
    """The paths of a space that a sampler cannot model: it draws them at random and learns nothing of them."""
    learns = {
        "all": space.distributions,
        "unconditional": space.distributions.keys() - space.conditions.keys(),
        "unconditional ranges": space.free_ranges,
        "nothing": (),
    }[SAMPLERS[sampler.name].learns]
    return [path for path in space.distributions if path not in learns]
