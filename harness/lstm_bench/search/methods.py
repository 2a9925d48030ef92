"""Samplers and pruners by name, their options as data.

A new sampler is made before every ask: what trial k proposes follows from the study's seed, k, and what was told so
far. A study that goes on after a kill neither repeats draws nor depends on how often it was begun.
"""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from optuna.distributions import CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIISampler,
    RandomSampler,
)
from pydantic import Field

from lstm_bench.errors import UsageError, unknown
from lstm_bench.search.samplers import CmaEs, Grid, Qmc, tpe
from lstm_bench.search.space import Space
from lstm_bench.spec import Count, Natural, Value, check_value, parse_value

STARTUP_TRIALS = 4  # drawn at random before the sampler learns, and finished before the pruner judges

Two = Annotated[int, Field(ge=2)]
Four = Annotated[int, Field(ge=4)]
Share = Annotated[float, Field(ge=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]


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


@dataclass(frozen=True, slots=True)
class SamplerKind:
    """What there is to know of a sampler.

    Attributes:
        make: called with a seed and the options, and with the space where it is `made_for_space`.
        options: what may be set, each with the type and range of its value.
        defaults: where they are not Optuna's.
        made_for_space: whether it is told what is searched; the others learn it from the trials.
        sequence: whether it goes through one sequence in a study, so that all its trials have the study's seed.
        objectives: the most that it can search for at once.
        learns: what it models; it draws the rest at random.
    """

    make: Callable[..., BaseSampler]
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    made_for_space: bool = False
    sequence: bool = False
    objectives: float = float("inf")
    learns: Literal["all", "unconditional", "unconditional ranges", "nothing"] = "all"


@dataclass(frozen=True, slots=True)
class PrunerKind:
    """What there is to know of a pruner.

    Attributes:
        make: called with the options.
        options: what may be set, each with the type and range of its value.
        defaults: where they are not Optuna's.
        resources: options that have their default from the run's steps.
    """

    make: Callable[..., BasePruner]
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Value] = field(default_factory=dict)
    resources: tuple[str, ...] = ()


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
        raise UsageError(f"sampler {method}: {_one_line(error)}") from None


def make_pruner(method: Method, steps: int, eval_every: int, prune_after: int) -> BasePruner:
    """The pruner of a study.

    Args:
        method: a pruner's.
        steps: the most that a run trains.
        eval_every: steps from one reading to the next.
        prune_after: steps before which nobody is judged; the median and percentile pruners do not know of it.

    Raises:
        UsageError: options that exclude each other.
    """
    kind = PRUNERS[method.name]
    resources = {"min_resource": min(max(prune_after, eval_every), steps), "max_resource": steps}
    ours = {**kind.defaults, **{name: resources[name] for name in kind.resources}}
    try:
        return kind.make(**{**ours, **method.options})
    except ValueError as error:
        raise UsageError(f"pruner {method}: {_one_line(error)}") from None


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
    learns = SAMPLERS[sampler.name].learns
    return [
        path
        for path, distribution in space.distributions.items()
        if learns == "nothing"
        or (learns != "all" and path in space.conditions)
        or (learns == "unconditional ranges" and isinstance(distribution, CategoricalDistribution))
    ]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).replace("`", "").split())


class Hyperband(HyperbandPruner):
    """Optuna's, which knows its brackets from the start: else a study's first trials would have none."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._try_initialization(None)  # type: ignore[arg-type]  # asked only where the last step is not given
        if not self._pruners:
            raise ValueError(
                f"min_resource = {self._min_resource}, max_resource = {self._max_resource}: "
                "expected min_resource to be no larger"
            )


# What may be set is what a file can say of what Optuna's constructors take, without what they call deprecated.
SAMPLERS: Mapping[str, SamplerKind] = {
    "tpe": SamplerKind(
        tpe,
        {
            "n_startup_trials": Natural,
            "n_ei_candidates": Count,
            "multivariate": bool,
            "group": bool,
            "constant_liar": bool,
        },
        {"n_startup_trials": STARTUP_TRIALS},
        made_for_space=True,
    ),
    "random": SamplerKind(RandomSampler, learns="nothing"),
    "qmc": SamplerKind(
        Qmc,
        {"qmc_type": Literal["sobol", "halton"], "scramble": bool},
        {"scramble": True, "warn_independent_sampling": False},
        made_for_space=True,
        sequence=True,
    ),
    "grid": SamplerKind(Grid, made_for_space=True, sequence=True),
    "cma-es": SamplerKind(
        CmaEs,
        {
            "n_startup_trials": Natural,
            "popsize": Four,  # below, cmaes divides by zero
            "use_separable_cma": bool,
            "with_margin": bool,
            "lr_adapt": bool,
            "consider_pruned_trials": bool,
        },
        {"warn_independent_sampling": False},
        made_for_space=True,
        objectives=1,
        learns="unconditional ranges",
    ),
    "gp": SamplerKind(
        GPSampler,
        {"n_startup_trials": Natural, "deterministic_objective": bool},
        {"n_startup_trials": STARTUP_TRIALS, "warn_independent_sampling": False},
        learns="unconditional",
    ),
    "nsga-ii": SamplerKind(
        NSGAIISampler,
        {"population_size": Two, "mutation_prob": Share, "crossover_prob": Share, "swapping_prob": Share},
        {"population_size": 16},  # Optuna's 50 would be random draws all through most studies
        learns="unconditional",
    ),
}

_PERCENTILE = {
    "n_startup_trials": Natural,
    "n_warmup_steps": Natural,
    "interval_steps": Count,
    "n_min_trials": Count,
}
_HALVING = {"min_resource": Count, "reduction_factor": Two, "bootstrap_count": Natural}
PRUNERS: Mapping[str, PrunerKind] = {
    "median": PrunerKind(MedianPruner, _PERCENTILE, {"n_startup_trials": STARTUP_TRIALS}),
    "percentile": PrunerKind(
        PercentilePruner,
        {"percentile": Percent, **_PERCENTILE},
        {"percentile": 25.0, "n_startup_trials": STARTUP_TRIALS},
    ),
    "asha": PrunerKind(
        SuccessiveHalvingPruner,
        {**_HALVING, "min_early_stopping_rate": Natural},
        {"reduction_factor": 3},
        resources=("min_resource",),
    ),
    "hyperband": PrunerKind(
        Hyperband,
        {**_HALVING, "max_resource": Count},
        {"reduction_factor": 3},
        resources=("min_resource", "max_resource"),
    ),
    "none": PrunerKind(NopPruner),
}
