import math
from collections.abc import Mapping
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler

from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.spec import RunSpec
from lstm_bench.tuning.space import DEFAULT, Space

SGD = {"train.optimizer": "sgd"}
MOMENTUM = {"low": 0.5, "high": 0.95, "when": SGD}
OPTIMIZERS = {"train.optimizer": ["adamw", "sgd"]}


def base(**settings: Any) -> RunSpec:
    spec, _ = spec_of({"task": "toy:Toy"}, {path.replace("__", "."): value for path, value in settings.items()})
    return spec


def settings_of(space: Space, trials: int = 40) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=RandomSampler(0))
    return [space.suggest(study.ask()) for _ in range(trials)]


def refused(given: Mapping[str, Any], spec: RunSpec | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        Space.of(given, spec or base())
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("train.lr", {"low": 1.0, "high": 0.1}, "expected low < high"),
        ("train.lr", {"low": 0.0, "high": 0.1, "log": True}, "expected 0 < low < high"),
        ("train.lr", {"low": -1.0, "high": 0.1}, "train.lr = -1.0: expected greater than 0"),
        ("train.lr", {"low": 0.1}, "expected two or more choices"),
        ("train.lr", [0.1], "expected two or more choices"),
        ("train.lr", [0.1, 0.1, 0.2], "expected two or more choices"),
        ("train.lr", [[0.1], [0.2]], "expected two or more choices"),
        ("train.lr", {"choices": [0.1]}, "expected two or more choices"),
        ("train.lr", {"low": float("nan"), "high": 0.1}, "expected low < high"),
        ("train.lr", {"low": 0.1, "high": float("inf")}, "expected low < high"),
        ("train.lr", {"low": 0.1, "high": 10**400}, "expected low < high"),
        ("train.lr", {"low": False, "high": True}, "expected low < high"),
        ("train.lr", {"low": "a", "high": "b"}, "expected low < high"),
        ("train.lr", {"low": 0.1, "high": 0.2, "lag": True}, "expected two or more choices"),
        ("train.lr", {"low": 0.1, "high": 0.2, "log": "yes"}, "log = 'yes', expected true or false"),
        ("train.lr", {"low": 0.1, "high": 0.2, "log": True, "step": 0.1}, "step = 0.1 with log = true"),
        ("train.lr", {"low": 0.1, "high": 0.5, "step": 0}, "step = 0, expected above 0"),
        ("train.lr", {"low": 0.1, "high": 0.5, "step": "small"}, "step = 'small', expected above 0"),
        ("train.lr", {"low": 0.1, "high": 0.5, "step": 0.3}, "expected a step that divides the range"),
        ("train.lr", {"low": 0.1, "high": 0.5, "step": 0.6}, "expected a step that divides the range"),
        ("train.lr", {"low": 0.1, "high": 1e20, "step": 1e-10}, "expected a step that divides the range"),
        ("train.lr", "wide", "expected two or more choices"),
        ("train.rl", [0.1, 0.2], "Did you mean 'train.lr'"),
        ("model.hidden", [8, "many"], "model.hidden = 'many'"),
        ("model.hidden", {"low": 0, "high": 8}, "model.hidden = 0"),
        ("model.hidden", {"low": 1.5, "high": 8}, "expected whole numbers"),
        ("model.hidden", {"low": 1, "high": 9, "step": 0.5}, "expected whole numbers"),
        ("model.cell", {"low": 1, "high": 2}, "expected choices, since it is 'lstm' now"),
        ("options.lenght", [8, 9], "unknown key"),
        ("seed", [1, 2], "unknown key"),
        ("task", ["toy:Toy", "adding"], "unknown key"),
        ("model.cell", ["lstm", "lstn"], "Did you mean 'lstm'"),
    ],
)
def test_a_space_that_cannot_be_is_one_line(path: str, given: object, words: str) -> None:
    assert words in refused({path: given})


def test_a_range_is_of_the_kind_of_its_value() -> None:
    space = Space.of({"train.weight_decay": {"low": 0, "high": 1}, "model.hidden": {"low": 2, "high": 8}}, base())
    assert isinstance(space.distributions["train.weight_decay"], FloatDistribution)
    assert isinstance(space.distributions["model.hidden"], IntDistribution)


def test_choices_may_stand_in_a_table() -> None:
    space = Space.of({"model.hidden": {"choices": [2, 4]}}, base())
    assert space.distributions == {"model.hidden": CategoricalDistribution([2, 4])}


def test_the_default_space_is_one() -> None:
    assert list(Space.of(DEFAULT, base()).distributions) == list(DEFAULT)


def test_suggestions_are_in_the_given_order_and_have_the_distributions() -> None:
    given = {
        "train.warmup": {"low": 0, "high": 20, "step": 10},
        "train.lr": {"low": 1e-3, "high": 1e-1, "log": True},
        "train.clip": {"low": 0.5, "high": 1.5, "step": 0.5},
        "train.schedule": ["constant", "cosine"],
    }
    space = Space.of(given, base())
    study = optuna.create_study(sampler=RandomSampler(0))
    trial = study.ask()
    settings = space.suggest(trial)
    assert list(settings) == list(given)
    assert trial.distributions == space.distributions
    assert trial.params == settings


def test_a_parameter_is_searched_only_where_its_condition_holds() -> None:
    space = Space.of({"train.momentum": MOMENTUM, **OPTIMIZERS}, base())
    assert list(space.distributions) == ["train.optimizer", "train.momentum"]  # what it needs is drawn first
    drawn = settings_of(space)
    assert all(("train.momentum" in one) == (one["train.optimizer"] == "sgd") for one in drawn)
    assert {one["train.optimizer"] for one in drawn} == {"adamw", "sgd"}


def test_a_condition_may_list_values_and_name_several_paths() -> None:
    when = {"train.optimizer": "sgd", "model.layers": [2, 3]}
    given = {
        **OPTIMIZERS,
        "model.layers": {"low": 1, "high": 3},
        "model.dropout": {"choices": [0.1, 0.3], "when": when},
    }
    drawn = settings_of(Space.of(given, base()), 60)
    assert all(
        ("model.dropout" in one) == (one["train.optimizer"] == "sgd" and one["model.layers"] > 1) for one in drawn
    )
    assert any("model.dropout" in one for one in drawn)


def test_a_condition_on_what_is_not_searched_follows_the_base() -> None:
    space = Space.of({"train.momentum": MOMENTUM}, base(train__optimizer="sgd"))
    assert space.conditions == {}
    assert "can never be: expected 'adamw', since it is not searched" in refused({"train.momentum": MOMENTUM})
    given = {"train.momentum": {**MOMENTUM, "when": {"train.optimizer": ["adamw", "sgd"]}}}
    assert Space.of(given, base()).conditions == {}


def test_a_path_whose_condition_fails_has_the_value_of_the_base() -> None:
    given = {
        **OPTIMIZERS,
        "train.momentum": {"choices": [0.5, 0.7], "when": SGD},
        "train.warmup": {"choices": [0, 10], "when": {"train.momentum": [0.5, 0.9]}},  # 0.9 is the base's
    }
    drawn = settings_of(Space.of(given, base()))
    assert all(("train.warmup" in one) == (one.get("train.momentum", 0.9) in {0.5, 0.9}) for one in drawn)
    assert {one.get("train.momentum") for one in drawn} == {None, 0.5, 0.7}


def test_a_condition_finds_a_value_that_steps_lead_to() -> None:
    given = {
        "train.clip": {"low": 0.1, "high": 0.7, "step": 0.2},
        "model.layers": {"choices": [1, 2], "when": {"train.clip": 0.7}},  # 0.1 + 3 * 0.2 is 0.7000000000000001
    }
    drawn = settings_of(Space.of(given, base()))
    assert {"model.layers" in one for one in drawn if math.isclose(one["train.clip"], 0.7)} == {True}


def test_an_unquoted_path_in_a_condition_is_understood() -> None:
    space = Space.of({**OPTIMIZERS, "train.momentum": {**MOMENTUM, "when": {"train": {"optimizer": "sgd"}}}}, base())
    assert space.conditions == {"train.momentum": {"train.optimizer": ("sgd",)}}


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"train.optimiser": "sgd"}, "Did you mean 'train.optimizer'"),
        ({"train.optimizer": "sgb"}, "train.optimizer = 'sgb'"),
        ({"train.optimizer": []}, "can never be"),
        ({"model.hidden": 5}, "model.hidden = 5 can never be: expected 8 or 16"),
        ({"model.hidden": [8, 5]}, "can never be: expected 8 or 16"),
        ({"train.warmup": 3}, "can never be: expected 0..20 in steps of 10"),
        ({"train.warmup": 30}, "can never be: expected 0..20 in steps of 10"),
        ({"model.layers": 2}, "can never be: expected 1, since it is not searched"),
        ({"train.momentum": 0.9}, "train.momentum needs train.momentum"),
        ("sgd", "when = 'sgd', expected a table"),
        ({}, "when = {}, expected a table"),
    ],
)
def test_a_condition_that_cannot_be_is_one_line(when: object, words: str) -> None:
    others = {**OPTIMIZERS, "model.hidden": [8, 16], "train.warmup": {"low": 0, "high": 20, "step": 10}}
    assert words in refused({**others, "train.momentum": {**MOMENTUM, "when": when}})


def test_conditions_that_lead_in_a_circle_are_refused() -> None:
    given = {
        "train.optimizer": {"choices": ["adamw", "sgd"], "when": {"train.momentum": 0.9}},
        "train.momentum": {"choices": [0.5, 0.9], "when": SGD},
    }
    assert "lead back to where they began: train.optimizer needs train.momentum" in refused(given)


def test_settings_to_start_from_get_the_order_and_the_types_of_the_space() -> None:
    space = Space.of({"train.lr": {"low": 0.1, "high": 2.0}, "model.hidden": [8, 16]}, base())
    found = space.check({"model.hidden": 16, "train.lr": 1})
    assert list(found.items()) == [("train.lr", 1.0), ("model.hidden", 16)]
    assert isinstance(found["train.lr"], float)
    assert space.check({}) == {}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"train.rl": 0.2}, "Did you mean 'train.lr'"),
        ({"train.steps": 5}, "not searched: 'train.steps'"),
        ({"train.lr": 3.0}, "train.lr = 3.0 is outside of the search space: expected 0.1..2.0"),
        ({"train.lr": "fast"}, "train.lr = 'fast'"),
        ({"model.hidden": 9}, "expected 8 or 16"),
        ({"train.warmup": 5}, "expected 0..20 in steps of 10"),
        ({"train.optimizer": "adamw", "train.momentum": 0.9}, "searched only when train.optimizer = 'sgd'"),
        ({"train.momentum": 0.4}, "expected 0.5..0.95"),
    ],
)
def test_settings_to_start_from_that_cannot_be_are_one_line(settings: dict[str, Any], words: str) -> None:
    given = {
        "train.lr": {"low": 0.1, "high": 2.0},
        "model.hidden": [8, 16],
        "train.warmup": {"low": 0, "high": 20, "step": 10},
        **OPTIMIZERS,
        "train.momentum": MOMENTUM,
    }
    space = Space.of(given, base())
    with pytest.raises(UsageError) as caught:
        space.check(settings)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_start_may_leave_the_condition_to_the_draw() -> None:
    space = Space.of({**OPTIMIZERS, "train.momentum": MOMENTUM}, base())
    assert space.check({"train.momentum": 0.9}) == {"train.momentum": 0.9}


def test_the_cells_of_a_grid() -> None:
    given = {
        "train.warmup": {"low": 0, "high": 20, "step": 10},
        "train.clip": {"low": 0.1, "high": 0.7, "step": 0.2},
        "train.schedule": ["constant", "cosine"],
        "model.hidden": {"low": 1, "high": 4, "log": True},
    }
    space = Space.of(given, base())
    assert space.grid() == {
        "train.warmup": [0, 10, 20],
        "train.clip": [0.1, 0.3, 0.5, 0.7],
        "train.schedule": ["constant", "cosine"],
        "model.hidden": [1, 2, 3, 4],
    }
    assert space.cells() == 3 * 4 * 2 * 4


def test_what_is_no_grid_has_no_cells_and_is_one_line() -> None:
    continuous = Space.of({"model.hidden": [8, 16], "train.lr": {"low": 0.001, "high": 0.1}}, base())
    conditional = Space.of({**OPTIMIZERS, "train.momentum": MOMENTUM}, base())
    assert continuous.cells() is None
    assert conditional.cells() is None
    line = (
        "sampler 'grid' cannot try every value of train.lr = 0.001..0.1: "
        "give it a step or choices, or choose another sampler"
    )
    with pytest.raises(UsageError) as caught:
        continuous.grid()
    assert str(caught.value) == line
    with pytest.raises(UsageError, match=r"cannot try train.momentum only when train.optimizer = 'sgd'"):
        conditional.grid()
    huge = Space.of({"model.hidden": {"low": 1, "high": 10**30}}, base())
    with pytest.raises(UsageError, match="expected at most 10,000"):
        huge.grid()


@given(
    low=st.decimals(0, 100, places=3),
    step=st.decimals("0.001", 10, places=3),
    steps=st.integers(1, 50),
)
def test_every_value_of_a_stepped_range_is_in_it_as_optuna_has_it(low: Any, step: Any, steps: int) -> None:
    given = {"low": float(low), "high": float(low + step * steps), "step": float(step)}
    space = Space.of({"train.weight_decay": given}, base())
    values = space.grid()["train.weight_decay"]
    assert len(values) == steps + 1
    distribution = space.distributions["train.weight_decay"]
    for value in values:
        assert distribution._contains(distribution.to_internal_repr(value))
        assert space.check({"train.weight_decay": value}) == {"train.weight_decay": value}
