"""A study: what is asked, and the place in Optuna's journal that remembers what was told."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import optuna
import tomli_w
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from lstm_bench.errors import UsageError
from lstm_bench.execute import resolve
from lstm_bench.record.files import SCHEMA, Results, StudyFiles
from lstm_bench.spec import RunSpec, Value, checked
from lstm_bench.suites import Budget
from lstm_bench.task import Goal

STARTUP_TRIALS = 4  # drawn at random before the sampler learns, and finished before the pruner judges
FRESH_SEEDS_FROM = 1000  # seeds that confirm begin here, above the search's


@dataclass(frozen=True, slots=True)
class StudySpec:
    """What is asked of a study.

    Attributes:
        base: resolved; the space's values are put into it. Its seed is the search's.
        space: by dotted path, see `search.space`.
        budget: how much it may spend, and where.
        confirm: values by dotted path that the confirming runs have instead, such as more steps: a search may be
            cheaper than what it is for.
    """

    base: RunSpec
    space: Mapping[str, Any]
    budget: Budget
    confirm: Mapping[str, Value]

    @classmethod
    def from_dict(
        cls,
        base: RunSpec,
        budget: Mapping[str, Any],
        space: Mapping[str, Any],
        confirm: Mapping[str, Value],
    ) -> "StudySpec":
        """The study of a resolved base.

        Raises:
            UsageError: an unknown key in the budget or in confirm, or a value of the wrong type or range.
        """
        resolve(base.with_values(confirm))
        if "seed" in confirm:
            raise UsageError(
                "seed in confirm: the fresh seeds are the harness's to choose; confirm_seeds says how many"
            )
        if base.seed >= FRESH_SEEDS_FROM:
            raise UsageError(f"seed = {base.seed}: expected below {FRESH_SEEDS_FROM}, where the fresh seeds begin")
        return cls(base, space, checked(Budget, budget, ""), confirm)

    @property
    def fresh_seeds(self) -> list[int]:
        """The seeds that confirm; the search has none of them."""
        return [FRESH_SEEDS_FROM + k for k in range(self.budget.confirm_seeds)]

    def asked(self, facts: Mapping[str, str]) -> dict[str, Any]:
        """What is asked, whole, as plain tables; the facts are those beneath every run of the study."""
        return {
            "schema": SCHEMA,
            **asdict(self.budget),
            **self.base.to_dict(),
            "search": dict(self.space),
            "confirm": dict(self.confirm),
            "facts": dict(facts),
        }

    def to_toml(self, facts: Mapping[str, str]) -> str:
        """What `study.toml` says."""
        return tomli_w.dumps(self.asked(facts))


def differences(asked: Mapping[str, Any], now: Mapping[str, Any], where: str = "") -> list[str]:
    """The dotted paths at which two studies' questions differ; the number of trials may grow."""
    paths: list[str] = []
    for key in sorted({*asked, *now} - {"trials", "confirm_seeds", "schema"}):
        one, other = asked.get(key), now.get(key)
        if isinstance(one, Mapping) and isinstance(other, Mapping) and where != "search.":
            paths += differences(one, other, f"{where}{key}.")
        elif one != other:
            paths.append(where + key)
    return paths


def open_study(results: Results, files: StudyFiles, spec: StudySpec, goal: Goal) -> optuna.Study:
    """The study in the journal, made if need be, with nothing left running in it.

    The sampler's seed follows from the search's and from the trials told so far: a study that goes on with the
    old seed would repeat its draws. The files are the truth: what the journal remembers of a study that they do
    not know (its folder was deleted) is forgotten.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(results.journal)))
    told = len(files.trials)
    if not told:
        with contextlib.suppress(KeyError):  # the usual case: the journal does not know it either
            optuna.delete_study(study_name=files.name, storage=storage)
    seed = hashlib.blake2b(f"{spec.base.seed}/{told}".encode(), digest_size=4).digest()
    study = optuna.create_study(
        storage=storage,
        study_name=files.name,
        direction="maximize" if goal.search_maximizes else "minimize",
        sampler=TPESampler(n_startup_trials=STARTUP_TRIALS, seed=int.from_bytes(seed, "big")),
        pruner=MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=spec.budget.prune_after),
        load_if_exists=True,
    )
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
    return study
