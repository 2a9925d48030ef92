"""Pruners by name: Optuna's, with the options that a file may give them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from optuna.pruners import (
    BasePruner,
    HyperbandPruner,
    MedianPruner,
    NopPruner,
    PercentilePruner,
    SuccessiveHalvingPruner,
)
from pydantic import Field

from lstm_bench.spec import Count, Natural, Value
from lstm_bench.tuning.samplers import STARTUP_TRIALS, Two

Percent = Annotated[float, Field(ge=0, le=100)]


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
