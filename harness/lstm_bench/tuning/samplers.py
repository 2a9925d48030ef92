"""Samplers by name, with the options that a file may give them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler
from pydantic import Field

from lstm_bench.spec import Count, Natural, Value
from lstm_bench.tuning.own_samplers import CmaEs, Grid, Qmc, tpe

STARTUP_TRIALS = 4  # drawn at random before the sampler learns, and finished before the pruner judges

Two = Annotated[int, Field(ge=2)]
Four = Annotated[int, Field(ge=4)]
Share = Annotated[float, Field(ge=0, le=1)]


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
