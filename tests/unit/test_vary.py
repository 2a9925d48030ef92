from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.spec import RunSpec
from lstm_bench.suites import StudyTable
from lstm_bench.suites.names import arm_name
from lstm_bench.tuning.space import DEFAULT
from lstm_bench.tuning.study import check_name
from lstm_bench.tuning.vary import CLOSE, arms, fitted, measured, parse_vary, questions

RATES = {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}}


def table(search: Mapping[str, Any] = RATES, **strategy: Any) -> StudyTable:
    return StudyTable({"task": "toy:Toy"}, {"trials": 3}, strategy, search)


def spec(**settings: Any) -> RunSpec:
    found, _ = spec_of({"task": "toy:Toy"}, {path.replace("__", "."): value for path, value in settings.items()})
    return found


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("model.layers=1,2", "model.layers", [1, 2]),
        ("train.lr=1e-3, 0.5", "train.lr", [1e-3, 0.5]),
        ("model.cell=lstm,my.cells:GRU", "model.cell", ["lstm", "my.cells:GRU"]),
        ("options.flag=true,false", "options.flag", [True, False]),
    ],
)
def test_values_are_read_as_settings_are(text: str, path: str, values: list[Any]) -> None:
    assert parse_vary(text) == (path, values)


@pytest.mark.parametrize("text", ["model.layers=1", "model.layers=2,2", "model.layers=", "model.layers", "=1,2"])
def test_what_is_no_choice_of_values_is_one_line(text: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_vary(text)
    assert "\n" not in str(error.value)


def test_each_value_is_a_question_of_its_own_with_equal_budgets() -> None:
    found = arms(table(), {"train.steps": 50}, parse_vary("model.layers=1,2"), workers=2)
    assert list(found) == ["layers-1", "layers-2"]
    one, two = found.values()
    assert [question.base.model.layers for question in (one, two)] == [1, 2]
    assert one.budget == two.budget
    assert one.space.distributions == two.space.distributions
    assert one.base.with_values({"model.layers": 2}) == two.base
    assert {question.base.train.steps for question in (one, two)} == {50}


def test_one_question_is_asked_where_nothing_varies() -> None:
    found = questions(table(), {}, vary=None, match=None, workers=1)
    assert list(found) == [""]
    assert list(found[""].space.distributions) == ["train.lr"]
    assert questions(table(), {}, vary="model.layers=1,2", match=None, workers=1).keys() == {"layers-1", "layers-2"}


def test_a_file_may_say_what_varies_and_an_option_goes_before_it() -> None:
    asked = replace(table(), vary={"model.layers": [1, 3]})
    assert questions(asked, {}, vary=None, match=None, workers=1).keys() == {"layers-1", "layers-3"}
    assert questions(asked, {}, vary="model.layers=1,2", match=None, workers=1).keys() == {"layers-1", "layers-2"}


@pytest.mark.parametrize(
    "vary", [{"model.layers": [1]}, {"model.layers": 1}, {"model.layers": [1, 2], "model.cell": ["lstm", "gru"]}]
)
def test_what_a_file_cannot_vary_is_one_line(vary: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"^vary.*: .*expected [a-z0-9, ]+") as error:
        questions(replace(table(), vary=vary), {}, vary=None, match=None, workers=1)
    assert "\n" not in str(error.value)


def test_deterministic_arms_know_their_workers() -> None:
    found = arms(table(deterministic=True), {}, parse_vary("model.layers=1,2"), workers=3)
    assert [question.workers for question in found.values()] == [3, 3]


def test_what_varies_is_taken_out_of_the_default_space() -> None:
    for question in arms(table({}), {}, parse_vary("model.hidden=8,16"), workers=1).values():
        assert list(question.space.distributions) == [path for path in DEFAULT if path != "model.hidden"]


def test_what_varies_is_not_searched_when_nothing_else_is_left_of_the_default_space() -> None:
    """`--vary train.lr` with `--match` takes both paths of the default space; then nothing is left to search."""
    try:
        found = arms(table({}), {}, parse_vary("train.lr=0.1,0.01"), workers=1, match="params")
    except UsageError:
        return  # refusing it is right, too
    for question in found.values():
        assert "train.lr" not in question.space.distributions
        assert "model.hidden" not in question.space.distributions


def test_no_two_arms_share_a_name() -> None:
    try:
        found = arms(table(), {}, parse_vary("options.spy=a/b,a:b"), workers=1)
    except UsageError:
        return
    assert len(found) == 2


@pytest.mark.parametrize(
    ("vary", "settings", "match", "words"),
    [
        ("train.lr=0.1,0.2", {}, None, "in the search space too"),
        ("model.layers=1,2", {"model.layers": 3}, None, "--set model.layers says one value"),
        ("model.layers=0,1", {}, None, "model.layers = 0"),
        ("model.layres=1,2", {}, None, "Did you mean 'model.layers'"),
        ("model.cell=lstm,lstn", {}, None, "Did you mean 'lstm'"),
        ("model.layers=1,2", {}, "sizes", "'sizes'"),
        ("model.layers=1,2", {}, "param", "Did you mean 'params'"),
        (None, {}, "params", "--match params"),
    ],
)
def test_arms_that_cannot_be_are_one_line(
    vary: str | None, settings: dict[str, Any], match: str | None, words: str
) -> None:
    with pytest.raises(UsageError) as error:
        questions(table(), settings, vary=vary, match=match, workers=1)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_the_hidden_size_is_not_both_fitted_and_searched() -> None:
    with pytest.raises(UsageError, match=r"--match fits model\.hidden"):
        arms(table({**RATES, "model.hidden": [8, 16]}), {}, parse_vary("model.layers=1,2"), workers=1, match="params")


@pytest.mark.parametrize("match", ["params", "flops"])
def test_matched_arms_are_of_one_size(match: str) -> None:
    found = arms(table(), {"model.hidden": 128}, parse_vary("model.layers=1,2,3"), workers=1, match=match)
    bases = [question.base for question in found.values()]
    assert bases[0].model.hidden == 128
    target = measured(bases[0], match)
    assert all(abs(measured(base, match) / target - 1) <= CLOSE for base in bases)
    assert [base.model.hidden for base in bases] == sorted((base.model.hidden for base in bases), reverse=True)


def test_the_default_space_is_searched_without_the_hidden_size_that_is_fitted() -> None:
    for question in arms(
        table({}), {"model.hidden": 128}, parse_vary("model.layers=1,2"), workers=1, match="params"
    ).values():
        assert list(question.space.distributions) == ["train.lr"]


def test_sizes_that_cannot_be_equal_say_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"model\.hidden = 1 is nearest to .* params, .*% off; expected within 2%"):
        arms(table(), {"model.hidden": 1}, parse_vary("model.layers=1,2"), workers=1, match="params")


@settings(deadline=None, max_examples=20)
@given(hidden=st.integers(1, 4096), layers=st.integers(1, 3), match=st.sampled_from(["params", "flops"]))
def test_a_model_fits_itself(hidden: int, layers: int, match: str) -> None:
    base = spec(model__hidden=hidden, model__layers=layers)
    assert fitted(base, measured(base, match), match) == hidden


@settings(deadline=None, max_examples=20)
@given(target=st.integers(50_000, 5_000_000), layers=st.integers(1, 3))
def test_the_nearest_hidden_size_is_found(target: int, layers: int) -> None:
    base = spec(model__layers=layers)
    found = fitted(base, target, "params")

    def off(hidden: int) -> int:
        return abs(measured(base.with_values({"model.hidden": hidden}), "params") - target)

    assert off(found) <= min(off(found - 1), off(found + 1))


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ("model.layers", 2, "layers-2"),
        ("model.cell", "my.cells:GRU", "cell-my.cells-GRU"),
        ("train.lr", 1e-3, "lr-0.001"),
        ("options.flag", True, "flag-True"),
    ],
)
def test_an_arm_has_a_name_that_a_study_may_have(path: str, value: Any, name: str) -> None:
    assert arm_name(path, value) == name
    assert check_name(arm_name(path, value)) == name
