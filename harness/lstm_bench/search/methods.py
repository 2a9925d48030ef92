"""Samplers and pruners by name, their options as data.

A new sampler is made before every ask: what trial k proposes follows from the study's seed, k, and what was told so
far. A study that goes on after a kill neither repeats draws nor depends on how often it was begun.
"""

import hashlib
import importlib
import io
import itertools
import pickle
import random
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
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
    CmaEsSampler,
    GPSampler,
    NSGAIISampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.trial import FrozenTrial, TrialState
from pydantic import Field

from lstm_bench.errors import BenchError, UsageError, unknown
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


class _WholeSpace(BaseSampler):
    """Samples all of a space together, from the first trial on and whatever the conditions.

    What a trial has no use for is drawn too: a point of a sequence stays a point.
    """

    _space: Space

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        """The space, instead of what the trials so far happen to share."""
        return dict(self._space.distributions)


class Qmc(_WholeSpace, QMCSampler):
    """Optuna's quasi-random sequence; how far a study has come in it stands in the journal."""

    def __init__(self, space: Space, **options: Any) -> None:
        self._space = space
        super().__init__(**options)


class Grid(_WholeSpace):
    """Each cell of a space once, in an order drawn by seed; then those again that failed.

    Optuna's own writes the whole grid into each trial, counts a failed trial as a cell that is done, and stops a study
    that is not running.
    """

    def __init__(self, space: Space, seed: int) -> None:
        self._space = space
        self._cells: list[tuple[Value, ...]] = list(itertools.product(*space.grid().values()))
        random.Random(seed).shuffle(self._cells)  # noqa: S311  # an order, no secret

    def sample_relative(self, study: optuna.Study, trial: FrozenTrial, *_: Any) -> dict[str, Any]:
        """The cell that was tried least, first of all among those that no trial has got through."""
        paths = list(self._space.distributions)
        done: Counter[tuple[Any, ...]] = Counter()
        tried: Counter[tuple[Any, ...]] = Counter()
        for other in study.get_trials(deepcopy=False):
            if other.number != trial.number:
                cell = tuple(other.params.get(path) for path in paths)
                tried[cell] += 1
                done[cell] += other.state is not TrialState.FAIL
        best = min(self._cells, key=lambda cell: (done[cell], tried[cell]))
        return dict(zip(paths, best, strict=True))

    def sample_independent(self, *_: Any) -> Any:
        """Nothing is left to sample alone."""
        raise AssertionError("a cell has a value for each path")


class CmaEs(CmaEsSampler):
    """Optuna's, over the ranges that have no condition; restores its state without running what it finds."""

    def __init__(self, space: Space, **options: Any) -> None:
        try:
            self._cmaes = importlib.import_module("cmaes")
        except ImportError:
            raise UsageError("sampler 'cma-es' needs the package cmaes: pip install 'lstm-bench[samplers]'") from None
        at_random = drawn_at_random(Method("cma-es"), space)
        self._ranges = {path: d for path, d in space.distributions.items() if path not in at_random}
        super().__init__(**options)

    def infer_relative_search_space(self, *_: Any) -> dict[str, BaseDistribution]:
        """The same at every trial: Optuna's own gives up for good when the trials so far share less than before."""
        return dict(sorted(self._ranges.items()))

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        """The optimizer that a trial keeps, as Optuna finds it, read by an unpickler that knows nothing else.

        Raises:
            BenchError: what the journal holds is none.
        """
        for trial in reversed(completed_trials):
            kept = {key: text for key, text in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
            if kept:
                try:
                    found = OptimizerUnpickler(io.BytesIO(bytes.fromhex(self._concat_optimizer_attrs(kept)))).load()
                except Exception as error:  # noqa: BLE001  # a damaged pickle raises whatever it likes
                    raise _no_optimizer(trial, _one_line(error)) from None
                if not isinstance(found, self._cmaes.CMA | self._cmaes.SepCMA | self._cmaes.CMAwM):
                    raise _no_optimizer(trial, f"it is of type {type(found).__name__}")
                return found
        return None


def _no_optimizer(trial: FrozenTrial, why: str) -> BenchError:
    return BenchError(
        f"the journal's state of sampler 'cma-es' in trial {trial.number} cannot be used: {why}; "
        "it was not run; move the journal away, and the study is made again from its files"
    )


class OptimizerUnpickler(pickle.Unpickler):
    """Reads what an optimizer of cmaes is made of; a pickle could otherwise run whatever its writer liked."""

    KNOWN = frozenset({
        ("cmaes._cma", "CMA"),
        ("cmaes._cmawm", "CMAwM"),
        ("cmaes._sepcma", "SepCMA"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),  # pickle protocol 5, Python's default from 3.14 on
    })  # fmt: skip

    def find_class(self, module_name: str, global_name: str) -> Any:
        """A global by name.

        Raises:
            UnpicklingError: it is none of the known ones.
        """
        if (module_name, global_name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"it names {module_name}.{global_name}")
        return super().find_class(module_name, global_name)


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


def _tpe(space: Space, seed: int, **options: Any) -> BaseSampler:
    if space.conditions:  # what has the same condition is then searched together
        options.setdefault("multivariate", True)
        options.setdefault("group", options["multivariate"])
    return TPESampler(seed=seed, **options)


# What may be set is what a file can say of what Optuna's constructors take, without what they call deprecated.
SAMPLERS: Mapping[str, SamplerKind] = {
    "tpe": SamplerKind(
        _tpe,
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
