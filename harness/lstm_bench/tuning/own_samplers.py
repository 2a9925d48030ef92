"""Samplers that Optuna does not have, or not as a study needs them that may be interrupted at any time."""

import importlib
import io
import itertools
import pickle
import random
from collections import Counter
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, CmaEsSampler, QMCSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lstm_bench.errors import BenchError, UsageError, in_one_line
from lstm_bench.spec import Value
from lstm_bench.tuning.space import Space


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
        self._ranges = space.free_ranges
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
                    raise _no_optimizer(trial, in_one_line(error)) from None
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


def tpe(space: Space, seed: int, **options: Any) -> BaseSampler:
    """Optuna's tree-structured Parzen estimator."""
    if space.conditions:  # what has the same condition is then searched together
        options.setdefault("multivariate", True)
        options.setdefault("group", options["multivariate"])
    return TPESampler(seed=seed, **options)
