import dataclasses
import tomllib

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.spec import ModelSpec, RunSpec, TrainSpec, fingerprint, parse_setting, parse_value

counts = st.integers(1, 10**6)
positive = st.floats(0, exclude_min=True, allow_infinity=False)
values = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans()
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
models = st.builds(
    ModelSpec,
    cell=st.text(),
    hidden=counts,
    layers=counts,
    embedding=counts,
    dropout=st.floats(0, 1, exclude_max=True),
    forget_bias=st.floats(allow_nan=False, allow_infinity=False),
)
trains = st.builds(
    TrainSpec,
    steps=counts,
    batch_size=counts,
    lr=positive,
    schedule=st.sampled_from(["constant", "cosine"]),
    warmup=st.integers(0, 10**6),
    weight_decay=st.floats(0, allow_infinity=False),
    clip=positive,
    eval_every=counts,
    precision=st.sampled_from(["auto", "float32", "bfloat16"]),
)
specs = st.builds(
    RunSpec,
    task=st.text(),
    options=st.dictionaries(names, values, max_size=3),
    model=models,
    cell=st.dictionaries(names, values, max_size=3),
    train=trains,
    seed=st.integers(0, 2**63 - 1),
    device=st.sampled_from(["cpu", "cuda"]),
    threads=counts,
)
calm = settings(deadline=None)  # the first example pays for imports
FACTS = {"data": "d", "code": "c", "torch": "2"}


@calm
@given(specs)
def test_a_spec_comes_back_from_its_toml_with_every_type(spec: RunSpec) -> None:
    back = RunSpec.from_dict(tomllib.loads(spec.to_toml()))
    assert back == spec
    assert repr(back) == repr(spec)  # 1 == 1.0 == True


@calm
@given(specs, specs)
def test_the_flat_values_of_a_spec_put_into_another_make_it_equal(spec: RunSpec, other: RunSpec) -> None:
    other = dataclasses.replace(other, options={}, cell={})
    assert repr(other.with_values(spec.flat())) == repr(spec)


@calm
@given(specs, specs)
def test_with_values_changes_what_it_names_and_nothing_else(spec: RunSpec, other: RunSpec) -> None:
    for path in ("train.lr", "model.hidden", "device"):
        value = other.flat()[path]
        assert spec.with_values({path: value}).flat() == spec.flat() | {path: value}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("train.steps", "many", "a valid integer"),
        ("train.steps", 1.0, "a valid integer"),
        ("train.steps", True, "a valid integer"),
        ("train.steps", 0, "greater than or equal to 1"),
        ("train.warmup", -1, "greater than or equal to 0"),
        ("train.lr", "3e-3", "a valid number"),
        ("train.lr", True, "a valid number"),
        ("train.lr", 0.0, "greater than 0"),
        ("train.lr", float("nan"), "a finite number"),
        ("train.lr", float("inf"), "a finite number"),
        ("train.clip", float("inf"), "a finite number"),
        ("train.weight_decay", -0.1, "greater than or equal to 0"),
        ("train.schedule", "linear", "'constant' or 'cosine'"),
        ("train.precision", "float16", "'auto', 'float32' or 'bfloat16'"),
        ("model.hidden", 0, "greater than or equal to 1"),
        ("model.dropout", 1.0, "less than 1"),
        ("model.forget_bias", float("-inf"), "a finite number"),
        ("model.cell", 3, "a valid string"),
        ("seed", -1, "greater than or equal to 0"),
        ("seed", False, "a valid integer"),
        ("seed", 2**63, "less than 9223372036854775808"),
        ("threads", 0, "greater than or equal to 1"),
        ("device", "tpu", "'cpu' or 'cuda'"),
        ("task", 3, "a valid string"),
        ("model", 3, "a table, such as model.<key> = <value>"),
        ("options", True, "a table, such as options.<key> = <value>"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(path: str, value: object, expected: str) -> None:
    with pytest.raises(UsageError) as error:
        RunSpec(task="adding").with_values({path: value})  # type: ignore[dict-item]
    assert str(error.value) == f"{path} = {value!r}: expected {expected}"


@pytest.mark.parametrize(
    ("path", "guess"),
    [
        ("lr", "train.lr"),
        ("hidden", "model.hidden"),
        ("train.stepz", "train.steps"),
        ("model.hiden", "model.hidden"),
        ("trian.lr", "train.lr"),
        ("options.lenght", "options.length"),
        ("sed", "seed"),
    ],
)
def test_an_unknown_key_gets_the_nearest_known_one(path: str, guess: str) -> None:
    with pytest.raises(UsageError) as error:
        spec_of({"task": "adding"}, {path: 3})
    message = str(error.value)
    assert message.startswith(f"unknown key '{path}'. Did you mean '{guess}'? Available: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("tables", "found"),
    [
        ({}, "no task is named"),
        ({"task": "adding", "trian": {"lr": 0.1}}, "unknown key 'trian'"),
        ({"task": "adding", "model": {"width": 3}}, "unknown key 'model.width'"),
    ],
)
def test_bad_tables_are_refused_in_one_line(tables: dict[str, object], found: str) -> None:
    with pytest.raises(UsageError) as error:
        RunSpec.from_dict(tables)
    assert str(error.value).startswith(found)
    assert "\n" not in str(error.value)


def test_a_whole_number_is_a_learning_rate_too() -> None:
    assert repr(RunSpec(task="adding").with_values({"train.lr": 1}).train.lr) == "1.0"


@calm
@given(values)
def test_a_value_comes_back_from_its_toml(value: object) -> None:
    raw = tomli_w.dumps({"value": value}).removeprefix("value = ").removesuffix("\n")
    assert repr(parse_value(raw)) == repr(value)


@pytest.mark.parametrize(
    "raw", ["lstm", "my.cells:GRU", "", "1979-05-27", "[1, 2]", "{a = 1}", "3 apples", "a\nb", "'"]
)
def test_what_is_no_number_word_or_truth_value_stays_text(raw: str) -> None:
    assert parse_value(raw) == raw


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("train.lr=3e-3", "train.lr", 3e-3),
        (" train.steps = 10 ", "train.steps", 10),
        ("options.flag=true", "options.flag", True),
        ("model.cell=lstm", "model.cell", "lstm"),
        ("task='a=b'", "task", "a=b"),
    ],
)
def test_a_setting_is_a_path_and_a_value(text: str, path: str, value: object) -> None:
    assert repr(parse_setting(text)) == repr((path, value))


@pytest.mark.parametrize("text", ["train.lr", "", "=3", " = 3"])
def test_a_setting_without_a_key_or_an_equals_sign_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^--set .*: expected KEY=VALUE"):
        parse_setting(text)


@calm
@given(specs, st.integers(0, 2**63 - 1))
def test_the_fingerprint_does_not_know_the_seed(spec: RunSpec, seed: int) -> None:
    assert fingerprint(spec, FACTS) == fingerprint(spec.with_values({"seed": seed}), FACTS)


@calm
@given(specs, specs)
def test_the_fingerprint_changes_with_every_other_value(spec: RunSpec, other: RunSpec) -> None:
    for path, value in other.flat().items():
        if path != "seed" and repr(spec.flat().get(path)) != repr(value):
            assert fingerprint(spec.with_values({path: value}), FACTS) != fingerprint(spec, FACTS), path


@pytest.mark.parametrize("fact", FACTS)
def test_the_fingerprint_changes_with_every_fact(fact: str) -> None:
    spec = RunSpec(task="adding")
    assert fingerprint(spec, FACTS | {fact: "other"}) != fingerprint(spec, FACTS)
