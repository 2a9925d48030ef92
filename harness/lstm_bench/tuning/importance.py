"""Which of the searched parameters mattered, by two methods, and how sure that is."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator, get_param_importances
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, create_trial

from lstm_bench.analysis.answer import goal_asked
from lstm_bench.analysis.importance import Importances, Share
from lstm_bench.record.study import Trial
from lstm_bench.spec import RunSpec
from lstm_bench.suites import study_table
from lstm_bench.tuning.ranges import distribution_of, parted

FEWEST = 8  # complete trials
BOOTSTRAPS = 20

Shares = Mapping[str, float]  # by path, with sum 1


def importances(
    asked: Mapping[str, Any], trials: Sequence[Trial], methods: Sequence[str] = ("PED-ANOVA",)
) -> Importances:
    """Each searched parameter's share of the importance, and how far it moves over bootstraps of the trials.

    Judged is the task's score alone, as the search ranks it, also where several objectives were asked. The two methods
    ask different things, and may well differ:

    - `PED-ANOVA` (Watanabe et al., IJCAI 2023): what parts the best tenth of the trials from the rest; of parameters
      with a condition, too.
    - `fANOVA` (Hutter, Hoos and Leyton-Brown, ICML 2014): what share of the score's variance over the whole space each
      parameter explains by itself, as a random forest sees it; of parameters that every trial has.

    Nothing where there is nothing to say: of fewer than 8 complete trials the best tenth is one trial, which a
    single lucky run decides; one parameter alone has all the importance there is; and where all trials are equally
    good, no setting mattered. Of few trials the spread of PED-ANOVA is smaller than it should be: the best tenth is
    then a trial or two, which most bootstraps share.

    Args:
        asked: what was asked, as in `study.toml`.
        trials: the search's; those that are not complete are passed over.
        methods: of `METHODS`; fANOVA takes several times as long.

    Returns:
        By method and path, the largest of a method first. Equal for equal trials.
    """
    complete = [trial for trial in trials if trial.objective is not None]
    searched = {path for trial in complete for path in trial.settings}
    if len(complete) < FEWEST or len(searched) < 2 or len({trial.objective for trial in complete}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = RunSpec.from_dict(study_table(asked).run)
    distributions = {path: distribution_of(path, parted(path, of)[0], base) for path, of in asked["search"].items()}
    direction = StudyDirection.MAXIMIZE if goal_asked(asked).search_maximizes else StudyDirection.MINIMIZE
    found = {method: METHODS[method](complete, distributions, direction) for method in methods}
    return {method: shares for method, shares in found.items() if len(shares) > 1}


def _ped_anova(
    complete: Sequence[Trial], distributions: Mapping[str, BaseDistribution], direction: StudyDirection
) -> dict[str, Share]:
    """Of all trials, and of as many drawn from them with replacement."""
    frozen = [_frozen(trial, distributions) for trial in complete]
    chance = np.random.default_rng(0)

    def shares(sample: Sequence[FrozenTrial]) -> Shares:
        return get_param_importances(_study(sample, direction), evaluator=PedAnovaImportanceEvaluator())

    drawn = [[frozen[k] for k in chance.integers(len(frozen), size=len(frozen))] for _ in range(BOOTSTRAPS)]
    return _spread(shares(frozen), [shares(sample) for sample in drawn if len({one.value for one in sample}) > 1])


def _fanova(
    complete: Sequence[Trial], distributions: Mapping[str, BaseDistribution], direction: StudyDirection
) -> dict[str, Share]:
    """Of a forest and of each of its trees: a tree is grown from a bootstrap of the trials, as it is."""
    study = _study([_frozen(trial, distributions, unlogged=True) for trial in complete], direction)
    trees = [found for seed in range(BOOTSTRAPS) if (found := _tree(study, seed))]
    paths = {path for tree in trees for path in tree}
    return _spread({path: float(np.mean([tree[path] for tree in trees])) for path in paths}, trees)


def _tree(study: optuna.Study, seed: int) -> Shares:
    try:
        return get_param_importances(study, evaluator=FanovaImportanceEvaluator(n_trees=1, seed=seed))
    except RuntimeError:  # of few trials, it drew equally good ones
        return {}


METHODS: Mapping[str, Callable[..., dict[str, Share]]] = {"PED-ANOVA": _ped_anova, "fANOVA": _fanova}


def _spread(whole: Shares, each: Sequence[Shares]) -> dict[str, Share]:
    """Shares with their 5th and 95th percentile over bootstraps, the largest first."""
    found = {}
    for path, share in sorted(whole.items(), key=lambda pair: (-pair[1], pair[0])):
        low, high = np.quantile([shares.get(path, 0.0) for shares in each], (0.05, 0.95))
        found[path] = Share(share, float(low), float(high))
    return found


def _study(trials: Sequence[FrozenTrial], direction: StudyDirection) -> optuna.Study:
    study = optuna.create_study(direction=direction)
    study.add_trials(trials)
    return study


def _frozen(trial: Trial, distributions: Mapping[str, BaseDistribution], *, unlogged: bool = False) -> FrozenTrial:
    """A trial as Optuna has it.

    `unlogged` gives a logarithmic range as a linear one of logarithms: Optuna's fANOVA weighs all values of a range
    alike, so that of 1e-4 to 1e-1 little but the last decade would count.
    """
    own = {path: (distributions[path], value) for path, value in trial.settings.items()}
    if unlogged:
        own = {path: _unlogged(*pair) for path, pair in own.items()}
    return create_trial(
        value=trial.objective,
        params={path: value for path, (_, value) in own.items()},
        distributions={path: distribution for path, (distribution, _) in own.items()},
    )


def _unlogged(distribution: BaseDistribution, value: Any) -> tuple[BaseDistribution, Any]:
    if not (isinstance(distribution, FloatDistribution | IntDistribution) and distribution.log):
        return distribution, value
    return FloatDistribution(math.log(distribution.low), math.log(distribution.high)), math.log(value)
