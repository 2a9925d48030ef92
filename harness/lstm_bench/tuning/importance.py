"""Which of the searched parameters mattered: how their values among the best trials differ from those of all."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

from lstm_bench.analysis.answer import goal_asked
from lstm_bench.record.study import Trial
from lstm_bench.spec import RunSpec
from lstm_bench.suites import study_table
from lstm_bench.tuning.ranges import distribution_of, parted

FEWEST = 8  # complete trials


def importances(asked: Mapping[str, Any], trials: Sequence[Trial]) -> dict[str, float]:
    """Each searched parameter's share of what parts the best tenth of the complete trials from the rest.

    PED-ANOVA (Watanabe et al., IJCAI 2023), for parameters with a condition too, as Optuna does by default. Judged is
    the task's score alone, as the search ranks it, also where several objectives were asked. Another measure (fANOVA)
    may well rank the parameters otherwise: an order of size, not a verdict.

    Nothing where there is nothing to say: of fewer than 8 complete trials the best tenth is one trial, which a
    single lucky run decides; one parameter alone has all the importance there is; and where all trials are equally
    good, no setting mattered.

    Args:
        asked: what was asked, as in `study.toml`.
        trials: the search's; those that are not complete are passed over.

    Returns:
        Shares by path that sum to 1, the largest first.
    """
    complete = [trial for trial in trials if trial.objective is not None]
    searched = {path for trial in complete for path in trial.settings}
    if len(complete) < FEWEST or len(searched) < 2 or len({trial.objective for trial in complete}) == 1:
        return {}
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    base = RunSpec.from_dict(study_table(asked).run)
    distributions = {path: distribution_of(path, parted(path, of)[0], base) for path, of in asked["search"].items()}
    study = optuna.create_study(direction="maximize" if goal_asked(asked).search_maximizes else "minimize")
    study.add_trials(
        create_trial(
            value=trial.objective,
            params=dict(trial.settings),
            distributions={path: distributions[path] for path in trial.settings},
        )
        for trial in complete
    )
    shares = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    return {path: float(share) for path, share in sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))}
