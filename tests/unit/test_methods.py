import inspect
import io
import math
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PercentilePruner
from optuna.samplers import CmaEsSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.execute import spec_of
from lstm_bench.tuning.journal import open_journal
from lstm_bench.tuning.methods import (
    Method,
    draw_seed,
    drawn_at_random,
    make_pruner,
    make_sampler,
    refuse,
)
from lstm_bench.tuning.own_samplers import OptimizerUnpickler
from lstm_bench.tuning.pruners import PRUNERS, Hyperband
from lstm_bench.tuning.samplers import SAMPLERS
from lstm_bench.tuning.space import Space

RATE = {"train.lr": {"low": 1e-3, "high": 1e-1, "log": True}}
DECAY = {"train.weight_decay": {"low": 0.0, "high": 0.1}}
STEPPED = {"train.warmup": {"low": 0, "high": 20, "step": 10}}
CHOICES = {"model.hidden": [8, 16, 32]}
CONDITIONAL = {
    "train.optimizer": ["adamw", "sgd"],
    "train.momentum": {"low": 0.1, "high": 0.9, "when": {"train.optimizer": "sgd"}},
}
WITHOUT_RUNS = Method("none")


def space_of(*parts: Mapping[str, Any]) -> Space:
    return Space.of(
        {path: given for part in parts for path, given in part.items()}, spec_of({"task": "toy:Toy"}, {})[0]
    )


MIXED = space_of(RATE, CHOICES, STEPPED, CONDITIONAL)
CELLS = space_of(CHOICES, STEPPED)
# Each with what makes it learn within a few trials.
LEARNING = {
    "tpe": (Method("tpe"), MIXED),
    "random": (Method("random"), MIXED),
    "qmc": (Method("qmc"), MIXED),
    "grid": (Method("grid"), CELLS),
    "cma-es": (Method("cma-es", {"popsize": 4}), MIXED),
    "gp": (Method("gp"), MIXED),
    "nsga-ii": (Method("nsga-ii", {"population_size": 4}), MIXED),
}


def score(settings: Mapping[str, Any]) -> float:
    rate = math.log10(settings.get("train.lr", 0.01))
    return (rate + 2) ** 2 + settings.get("model.hidden", 8) / 100 + settings.get("train.momentum", 0.5)


def proposals(
    path: Path, method: Method, space: Space, trials: int, *, reload: bool, seed: int = 0, objectives: int = 1
) -> list[dict[str, Any]]:
    """What a study of two workers proposes, with a new process's eyes before each ask or not."""
    found: list[dict[str, Any]] = []
    study: optuna.Study | None = None
    for number in range(trials):
        if study is None or reload:
            study = optuna.create_study(
                storage=open_journal(path), study_name="s", directions=["minimize"] * objectives, load_if_exists=True
            )
        study.sampler = make_sampler(method, space, seed, number)
        trial = study.ask()
        assert trial.number == number
        found.append(space.suggest(trial))
        if number:
            study.tell(number - 1, [score(found[number - 1]) + k for k in range(objectives)])
    return found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_study_proposes_the_same_however_often_it_is_begun(name: str, tmp_path: Path) -> None:
    method, space = LEARNING[name]
    trials = 9 if name == "grid" else 12
    whole = proposals(tmp_path / "whole", method, space, trials, reload=False)
    assert proposals(tmp_path / "parts", method, space, trials, reload=True) == whole
    assert proposals(tmp_path / "other", method, space, trials, reload=False, seed=1) != whole
    distinct = {tuple(settings.items()) for settings in whole}
    # A child may be its parent's copy; the parents themselves are drawn.
    assert len(distinct) == trials if name != "nsga-ii" else len(distinct) > 4


@pytest.mark.parametrize("name", [name for name, kind in SAMPLERS.items() if kind.learns != "nothing"])
def test_what_was_told_is_learnt_from(name: str, tmp_path: Path) -> None:
    """Except by a sequence and a grid: these do not listen."""
    method, space = LEARNING[name]
    one = proposals(tmp_path / "one", method, space, 9, reload=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "score", lambda settings: -math.log(settings.get("train.lr", 1)))
        other = proposals(tmp_path / "other", method, space, 9, reload=False)
    assert (one == other) == SAMPLERS[name].sequence


@pytest.mark.parametrize("name", [name for name, kind in SAMPLERS.items() if kind.objectives > 1])
def test_several_objectives(name: str, tmp_path: Path) -> None:
    method, space = LEARNING[name]
    refuse(method, WITHOUT_RUNS, space, objectives=2)
    whole = proposals(tmp_path / "whole", method, space, 8, reload=False, objectives=2)
    assert proposals(tmp_path / "parts", method, space, 8, reload=True, objectives=2) == whole


def test_a_draw_depends_on_the_seed_and_on_the_number() -> None:
    seeds = {draw_seed(seed, number) for seed in range(20) for number in range(200)}
    assert len(seeds) == 4000
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_failed_trials_are_no_reason_to_repeat_a_draw(tmp_path: Path) -> None:
    for name, (method, space) in LEARNING.items():
        study = optuna.create_study(storage=open_journal(tmp_path / name))
        found = []
        for number in range(5):
            study.sampler = make_sampler(method, space, 0, number)
            trial = study.ask()
            found.append(tuple(space.suggest(trial).items()))
            study.tell(trial, state=TrialState.FAIL)
        assert len(set(found)) == 5, name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("tpe", Method("tpe")),
        ("tpe,n_startup_trials=8", Method("tpe", {"n_startup_trials": 8})),
        (" qmc , qmc_type = halton, scramble=false", Method("qmc", {"qmc_type": "halton", "scramble": False})),
        ({"name": "tpe", "n_startup_trials": 8}, Method("tpe", {"n_startup_trials": 8})),
    ],
)
def test_a_sampler_from_a_file_and_from_the_command_line(given: str | dict[str, Any], expected: Method) -> None:
    found = Method.parse(given, "sampler")
    assert found == expected
    assert Method.parse(str(found), "sampler") == found


def test_a_pruner_has_numbers_of_its_options_types() -> None:
    found = Method.parse("percentile,percentile=10", "pruner")
    assert found.options == {"percentile": 10.0}
    assert isinstance(found.options["percentile"], float)


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ("tpr", "sampler", "unknown sampler 'tpr'. Did you mean 'tpe'? Available: cma-es, gp, grid"),
        ("tpe", "pruner", "unknown pruner 'tpe'"),
        ("medain", "pruner", "Did you mean 'median'"),
        ("tpe,n_startup=8", "sampler", "Did you mean 'n_startup_trials'? Available: constant_liar"),
        ("random,seed=8", "sampler", "unknown option of sampler random: 'seed'. None is available"),
        ("tpe,n_startup_trials", "sampler", "found 'n_startup_trials', expected OPTION=VALUE"),
        ("tpe,n_startup_trials=many", "sampler", "sampler tpe: n_startup_trials = 'many': expected a valid integer"),
        ("tpe,n_startup_trials=-1", "sampler", "n_startup_trials = -1: expected greater than or equal to 0"),
        ("qmc,qmc_type=soboll", "sampler", "qmc_type = 'soboll': expected 'sobol' or 'halton'"),
        ({"n_startup_trials": 8}, "sampler", 'expected a name, such as { name = "tpe" }'),
        ({"name": 8}, "pruner", 'expected a name, such as { name = "median" }'),
        ("asha,reduction_factor=1", "pruner", "greater than or equal to 2"),
        ("", "sampler", "unknown sampler ''"),
    ],
)
def test_a_method_that_is_none_is_one_line(given: Any, kind: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        Method.parse(given, kind)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


OPTUNAS: dict[str, type] = {
    "tpe": TPESampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
    "cma-es": CmaEsSampler,
    "gp": GPSampler,
    "nsga-ii": NSGAIISampler,
    "hyperband": HyperbandPruner,
}


@pytest.mark.parametrize("name", [*SAMPLERS, *PRUNERS])
def test_optuna_takes_every_option_of_the_tables(name: str) -> None:
    kind = {**SAMPLERS, **PRUNERS}[name]
    taken = inspect.signature(OPTUNAS.get(name, kind.make)).parameters
    assert {*kind.options, *kind.defaults} <= taken.keys()


@pytest.mark.parametrize(
    ("sampler", "space", "objectives", "words"),
    [
        ("grid", space_of(CHOICES, RATE), 1, "cannot try every value of train.lr = 0.001..0.1"),
        ("grid", space_of(CONDITIONAL), 1, "cannot try train.momentum only when train.optimizer = 'sgd'"),
        ("cma-es", space_of(RATE), 2, "'cma-es' with 2 objectives: it takes one; expected tpe or random or qmc"),
        ("cma-es", space_of(CHOICES), 1, "ranges of numbers that have no condition: none in model.hidden"),
        ("cma-es", space_of(CONDITIONAL), 1, "none in train.optimizer, train.momentum"),
        ("cma-es,use_separable_cma=true,with_margin=true", space_of(RATE), 1, "use_separable_cma=True and with_margin"),
        ("tpe,group=true,multivariate=false", space_of(RATE), 1, "group option can only be enabled"),
    ],
)
def test_what_a_sampler_cannot_is_refused_in_one_line(sampler: str, space: Space, objectives: int, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        refuse(Method.parse(sampler, "sampler"), WITHOUT_RUNS, space, objectives)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_drawn_at_random_is_told() -> None:
    found = {name: drawn_at_random(Method(name), MIXED) for name in SAMPLERS}
    assert found.pop("random") == list(MIXED.distributions)
    assert found.pop("cma-es") == ["model.hidden", "train.optimizer", "train.momentum"]
    assert found.pop("gp") == found.pop("nsga-ii") == ["train.momentum"]
    assert set(map(tuple, found.values())) == {()}


def test_cma_es_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(UsageError, match=r"pip install 'lstm-bench\[samplers\]'"):
        refuse(Method("cma-es"), WITHOUT_RUNS, space_of(RATE), 1)


@pytest.mark.parametrize("space", [space_of(RATE), space_of(RATE, DECAY), MIXED], ids=["one", "two", "mixed"])
@pytest.mark.parametrize("options", [{}, {"with_margin": True}, {"use_separable_cma": True}, {"lr_adapt": True}])
@pytest.mark.filterwarnings("ignore:Separable CMA-ES does not operate")
def test_cma_es_takes_up_its_own_state(space: Space, options: dict[str, Any], tmp_path: Path) -> None:
    method = Method("cma-es", {"popsize": 4, **options})
    whole = proposals(tmp_path / "whole", method, space, 16, reload=False)
    assert proposals(tmp_path / "parts", method, space, 16, reload=True) == whole
    trials = optuna.load_study(study_name="s", storage=open_journal(tmp_path / "parts")).trials
    generations = [value for trial in trials for key, value in trial.system_attrs.items() if "generation" in key]
    assert max(generations) >= 2


class Payload:
    """Makes a folder where it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def poisoned(tmp_path: Path, pickled: bytes) -> optuna.Study:
    """A study in whose journal the state of CMA-ES is another pickle."""
    study = optuna.create_study(storage=open_journal(tmp_path / "journal"))
    study.sampler = make_sampler(Method("cma-es"), space_of(RATE), 0, 0)
    trial = study.ask()
    space_of(RATE).suggest(trial)
    study._storage.set_trial_system_attr(trial._trial_id, "cma:optimizer:0", pickled.hex())
    study.tell(trial, 1.0)
    study.sampler = make_sampler(Method("cma-es"), space_of(RATE), 0, 1)
    return study


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_strange_pickle_in_the_journal_is_not_run(protocol: int, tmp_path: Path) -> None:
    pickled = pickle.dumps(Payload(tmp_path / "run"), protocol)
    study = poisoned(tmp_path, pickled)
    with pytest.raises(BenchError, match=r"in trial 0 cannot be used: it names posix.mkdir; it was not run"):
        space_of(RATE).suggest(study.ask())
    assert not (tmp_path / "run").exists()
    pickle.loads(pickled)  # noqa: S301  # so it would have been
    assert (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (pickle.dumps([1, 2]), "it is of type list"),
        (pickle.dumps(np.zeros(3)), "it is of type ndarray"),
        (pickle.dumps(np.zeros(3))[:20], "cannot be used"),
        (b"\x80\x04\x8c\x0acmaes._cma\x8c\x18CMA.__init__.__globals__\x93.", "it names cmaes._cma.CMA.__init__"),
        (b"cos\nsystem\n(S'true'\ntR.", "it names os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "it names builtins.eval"),
    ],
)
def test_what_is_no_optimizer_is_refused_in_one_line(pickled: bytes, words: str, tmp_path: Path) -> None:
    study = poisoned(tmp_path, pickled)
    with pytest.raises(BenchError) as caught:
        space_of(RATE).suggest(study.ask())
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.DEFAULT_PROTOCOL, pickle.HIGHEST_PROTOCOL + 1))
def test_an_optimizer_is_made_of_what_is_known(protocol: int) -> None:
    cmaes = pytest.importorskip("cmaes")
    first = cmaes.CMA(mean=np.zeros(2), sigma=0.2, bounds=np.array([[-1.0, 1.0]] * 2), seed=0)
    first.tell([(first.ask(), float(k)) for k in range(first.population_size)])
    second = OptimizerUnpickler(io.BytesIO(pickle.dumps(first, protocol))).load()
    assert second.generation == 1
    np.testing.assert_array_equal(first.mean, second.mean)


def test_a_grid_tries_each_cell_once_and_then_the_failed_ones(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_journal(tmp_path / "journal"))
    found = []
    for number in range(11):
        study.sampler = make_sampler(Method("grid"), CELLS, 0, number)
        trial = study.ask()
        found.append(CELLS.suggest(trial))
        study.tell(trial, *((None, TrialState.FAIL) if number in {2, 5} else (1.0,)))
    assert len({tuple(cell.items()) for cell in found[:9]}) == CELLS.cells() == 9
    assert sorted(found[9:], key=str) == sorted([found[2], found[5]], key=str)
    values = CELLS.grid()
    assert found[:9] != [
        {"model.hidden": hidden, "train.warmup": warmup}
        for hidden in values["model.hidden"]
        for warmup in values["train.warmup"]
    ]


def test_a_grid_goes_round_settings_that_came_first(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_journal(tmp_path / "journal"))
    first = {"model.hidden": 16, "train.warmup": 10}
    study.enqueue_trial(first)
    found = []
    for number in range(9):
        study.sampler = make_sampler(Method("grid"), CELLS, 0, number)
        found.append(CELLS.suggest(study.ask()))
    assert found[0] == first
    assert len({tuple(cell.items()) for cell in found}) == 9


def test_a_sequence_covers_all_paths_from_its_first_trial_on(tmp_path: Path) -> None:
    space = space_of(RATE, CHOICES)
    found = proposals(tmp_path / "journal", Method("qmc"), space, 16, reload=False)
    for octave in range(4):  # of 16 points of a Sobol sequence, four lie in each quarter
        low, high = 10 ** (-3 + octave / 2), 10 ** (-3 + (octave + 1) / 2)
        assert sum(low <= settings["train.lr"] < high for settings in found) == 4
    assert all(4 <= sum(settings["model.hidden"] == size for settings in found) <= 7 for size in (8, 16, 32))


def test_the_pruners_have_our_defaults() -> None:
    made = {name: make_pruner(Method(name), steps=900, eval_every=50, prune_after=100) for name in PRUNERS}
    assert isinstance(made["median"], MedianPruner)
    assert isinstance(made["none"], NopPruner)
    assert isinstance(made["percentile"], PercentilePruner)
    assert vars(made["median"])["_n_startup_trials"] == 4
    assert vars(made["median"])["_n_warmup_steps"] == 0
    assert vars(made["asha"])["_min_resource"] == 100
    assert vars(made["hyperband"])["_n_brackets"] == 3  # 100, 300, 900
    early = make_pruner(Method("asha"), steps=900, eval_every=50, prune_after=0)
    assert vars(early)["_min_resource"] == 50
    given = make_pruner(Method("asha", {"min_resource": 7}), steps=900, eval_every=50, prune_after=0)
    assert vars(given)["_min_resource"] == 7


@pytest.mark.parametrize("name", ["median", "percentile", "asha", "hyperband"])
def test_a_pruner_judges_the_same_after_a_reload(name: str, tmp_path: Path) -> None:
    def verdicts(path: Path, *, reload: bool) -> list[bool]:
        found, study = [], None
        for number in range(24):
            if study is None or reload:
                pruner = make_pruner(Method(name), steps=90, eval_every=10, prune_after=0)
                study = optuna.create_study(
                    storage=open_journal(path), study_name="s", load_if_exists=True, pruner=pruner
                )
            study.sampler = make_sampler(Method("random"), CELLS, 0, number)
            trial = study.ask()
            pruned = False
            for step in range(10, 91, 10):
                trial.report(float(draw_seed(step, number)), step)
                pruned = trial.should_prune()
                found.append(pruned)
                if pruned:
                    break
            study.tell(trial, *((None, TrialState.PRUNED) if pruned else (float(number),)))
        return found

    whole = verdicts(tmp_path / "whole", reload=False)
    assert {True, False} == set(whole)
    assert verdicts(tmp_path / "parts", reload=True) == whole


def test_hyperband_without_a_bracket_is_one_line() -> None:
    refuse(Method("tpe"), Method("hyperband", {"min_resource": 500}), space_of(RATE), 1)
    with pytest.raises(UsageError, match=r"pruner hyperband,min_resource=500: .* expected min_resource"):
        make_pruner(Method("hyperband", {"min_resource": 500}), steps=100, eval_every=10, prune_after=0)
    assert isinstance(Hyperband(min_resource=10, max_resource=90), BasePruner)
