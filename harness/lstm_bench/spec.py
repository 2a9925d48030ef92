"""What to run: frozen, validated, TOML in and out, fingerprint."""

import dataclasses
import functools
import hashlib
import json
import tomllib
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import tomli_w
from pydantic import Field, TypeAdapter, ValidationError

from lstm_bench.errors import UsageError, unknown

# pydantic checks one value against one annotation; the dataclasses stay plain
type_adapter = functools.cache(TypeAdapter)

T = TypeVar("T")
Value = str | int | float | bool
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0, lt=2**63)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, lt=1)]
Real = Annotated[float, Field(allow_inf_nan=False)]
Precision = Literal["auto", "float32", "bfloat16"]
Device = Literal["auto", "cpu", "cuda", "mps"]
BUDGETS = ("steps", "epochs", "sequences", "seconds")  # of a `TrainSpec`, what may end a run
TABLES = ("options", "model", "cell", "train")  # of a spec; all other keys stand alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """The network: encoder, layers of a cell, head. Its outer sizes come from the task's signature."""

    cell: str = "lstm"  # a name, or module:attr
    hidden: Count = 64  # units a layer
    layers: Count = 1
    bidirectional: bool = False  # each layer reads both ways, `hidden` units each; not for language models
    embedding: Natural = 32  # width of a token's vector, 0: one-hot; tasks of real-valued inputs have none
    tied: bool = False  # the head reads with the embedding's own weights; language models alone
    residual: bool = False  # what a layer reads is added to what it says, where both are as wide
    skip: bool = False  # the head sees its step's input too
    head_bias: bool = True
    head_range: Weight = 0.0  # the head's weights start uniform within it; 0: within 1 / sqrt(what it reads)
    output_activation: Literal["none", "logistic"] = "none"  # logistic: each output squashed into (0, 1), as in 1997
    dropout: Share = 0.0  # on the inputs of each layer and of the head
    variational: bool = False  # dropout takes the same units away at every step of a sequence
    biases: Literal["zero", "drawn"] = "zero"  # at the start: zero but the gates' below, or as the cell draws them
    forget_bias: Real = 1.0  # the forget gate's bias at the start
    chrono: Natural = 0  # longest dependency, steps: gates start apart, to keep for 1 to as many; 0: all alike
    recurrent: Literal["uniform", "orthogonal"] = "uniform"  # how the weights of the output before are drawn

    def __post_init__(self) -> None:
        if self.chrono == 1:
            raise ValueError("chrono = 1: expected 0, or the longest dependency in steps, from 2 on")
        if self.chrono and self.biases == "drawn":
            raise ValueError(f"chrono = {self.chrono} sets the biases of gates: expected biases = 'zero' with it")
        if self.tied and not self.embedding:
            raise ValueError("tied = true: expected an embedding, such as embedding = 32; 0 has no weights to share")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """How it learns: an optimiser under a schedule, until a budget is used.

    The budget is in steps, or in `epochs`, `sequences` or `seconds` of training; 0 is none of that kind, and of several
    the first that is used ends the run. Whatever it is in, the cosine falls over the whole of it.
    """

    steps: Natural = 1000
    epochs: Weight = 0.0  # passes over the training data, as `progress/epochs` counts them
    sequences: Natural = 0
    seconds: Weight = 0.0  # evaluations are not in them
    # 1997's, as kernels (extra `paper`): online, one sequence at a time by the truncated gradient; guess, weights drawn
    # until they fit.
    learner: Literal["shared", "online", "guess"] = "shared"
    batch_size: Count = 32  # sequences a step; online: drawn together, learnt one by one; guess: guesses a step
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"  # adamw without weight_decay is Adam
    momentum: Share = 0.9  # of sgd and rmsprop alone
    lr: Positive = 3e-3  # the peak learning rate
    schedule: Literal["constant", "cosine", "plateau"] = "constant"  # after the warm-up; cosine ends at zero
    warmup: Natural = 50  # steps over which the rate rises from zero
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.5  # of plateau alone: what is left of the rate after one
    plateau_patience: Count = 3  # likewise: readings in a row without a better score that make one
    weight_decay: Weight = 0.0  # on matrices, not on biases, gains and peepholes
    clip: Weight = 1.0  # largest norm of the whole gradient; 0: it is recorded and left as it is
    average_decay: Share = 0.0  # above 0, what is evaluated and kept is the weights' moving average
    eval_every: Count = 100  # steps from one reading to the next
    patience: Natural = 0  # readings in a row without a better score that end the run; 0: none do
    precision: Precision = "float32"  # auto: bfloat16 where it is known to be faster

    def __post_init__(self) -> None:
        if not any(getattr(self, kind) for kind in BUDGETS):
            raise ValueError(f"{', '.join(BUDGETS)} are all 0: expected one of them above 0, or no run would end")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One run, whole: the same keys as in TOML tables, in `--set`, in a search space and in MLflow."""

    task: str  # a name, or module:attr
    options: Mapping[str, Value] = field(default_factory=dict)  # the task's own fields
    model: ModelSpec = field(default_factory=ModelSpec)
    cell: Mapping[str, Value] = field(default_factory=dict)  # the cell's own options
    train: TrainSpec = field(default_factory=TrainSpec)
    seed: Natural = 0
    # auto: a card where there is one. No default, since the same command would give other figures on another machine.
    device: Device = "cpu"
    threads: Count = 1
    determinism: Literal["seeded", "strict"] = "seeded"  # strict: an operation that may not repeat ends the run

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> "RunSpec":
        """A spec from nested tables, as TOML and JSON give them.

        Raises:
            UsageError: an unknown key, a value of the wrong type or out of range.
        """
        tables = dict(tables)
        for name in TABLES:
            if not isinstance(tables.setdefault(name, {}), Mapping):
                raise UsageError(f"{name} = {tables[name]!r}: expected a table, such as {name}.<key> = <value>")
        stray = [key for key in tables if key not in cls.__dataclass_fields__]
        if stray:
            raise unknown("key", stray[0], known_paths())
        tables["model"] = checked(ModelSpec, tables["model"], "model.")
        tables["train"] = checked(TrainSpec, tables["train"], "train.")
        if "task" not in tables:
            raise UsageError("no task is named: expected task = <name>")
        return checked(cls, tables, "")

    def to_dict(self) -> dict[str, Any]:
        """Nested tables, ready for TOML or JSON; `from_dict` gives the spec back."""
        return {**dataclasses.asdict(self), "options": dict(self.options), "cell": dict(self.cell)}

    def to_toml(self) -> str:
        """The spec as a TOML text; `from_dict(tomllib.loads(text))` gives it back."""
        return tomli_w.dumps(self.to_dict())

    def with_values(self, values: Mapping[str, Value]) -> "RunSpec":
        """The same spec with the values at dotted paths replaced, checked as ever.

        With another cell, the options of the one before are gone.

        Raises:
            UsageError: an unknown path, a value of the wrong type or out of range.
        """
        tables = self.to_dict()
        if values.get("model.cell", self.model.cell) != self.model.cell:
            tables["cell"] = {}
        for path, value in values.items():
            table, _, key = path.rpartition(".")
            if table and table not in TABLES:
                raise unknown("key", path, known_paths(self.options, self.cell))
            (tables[table] if table else tables)[key] = value
        return RunSpec.from_dict(tables)

    def flat(self) -> dict[str, Value]:
        """Every value by its dotted path, as `--set` writes it: `train.lr`, `options.length`."""
        return flattened(self.to_dict())


def over(defaults: Mapping[str, Value], given: Mapping[str, Value], where: str = "train.") -> dict[str, Value]:
    """What is given, over defaults; a budget of another kind takes the place of the steps that nobody gave.

    Args:
        defaults: by path.
        given: likewise.
        where: what precedes the name of a field of `TrainSpec` in a path.
    """
    instead = any(given.get(where + kind) for kind in BUDGETS[1:])
    return {**defaults, **({f"{where}steps": 0} if instead else {}), **given}


def flattened(tables: Mapping[str, Any]) -> dict[str, Value]:
    """Nested tables by dotted path; the values are not checked."""
    flat: dict[str, Value] = {}
    for key, value in tables.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, Mapping) else {key: value}
    return flat


def known_paths(options: Iterable[str] = (), cell: Iterable[str] = ()) -> list[str]:
    """Every dotted path that a spec has, with the options of the task and of the cell if they are given."""
    fields = {"model": ModelSpec.__dataclass_fields__, "train": TrainSpec.__dataclass_fields__}
    tables = fields | {"options": options, "cell": cell}
    alone = (name for name in RunSpec.__dataclass_fields__ if name not in TABLES)
    return [*(f"{table}.{name}" for table, names in tables.items() for name in names), *alone]


def checked(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """An instance of the dataclass `cls`, each value checked against its field's annotation.

    Args:
        cls: a dataclass of ours or a task's; `Annotated[int, Field(ge=1)]` states a range.
        values: by field name.
        where: what precedes a field's name in a message, such as `train.`.

    Raises:
        UsageError: an unknown field, a value of the wrong type or out of range, or one that the class refuses.
    """
    hints = typing.get_type_hints(cls, include_extras=True)
    fields = [f for f in dataclasses.fields(cls) if f.init]  # type: ignore[arg-type]  # T is a dataclass
    known = [f.name for f in fields]
    sound = {}
    for key, value in values.items():
        if key not in known:
            raise unknown("key", where + key, [where + name for name in known])
        sound[key] = check_value(hints[key], value, where + key)
    for f in fields:
        if f.name not in sound and f.default is f.default_factory is dataclasses.MISSING:
            raise UsageError(f"{where}{f.name} is missing: expected {where}{f.name} = <value>")
    try:
        return cls(**sound)
    except ValueError as error:  # the class's own __post_init__
        raise UsageError(f"{where or cls.__name__}: {error}".replace(".:", ":")) from error


def check_value(annotation: Any, value: Any, path: str) -> Any:
    """The value as the annotation wants it (an int where a float is due becomes one).

    Raises:
        UsageError: wrong type or range; the line says what was found and what was expected.
    """
    if dataclasses.is_dataclass(annotation):
        return value
    try:
        return type_adapter(annotation).validate_python(value, strict=True)
    except ValidationError as error:
        expected = error.errors()[0]["msg"].removeprefix("Input should be ")
        raise UsageError(f"{path} = {value!r}: expected {expected}") from None


def parse_setting(text: str) -> tuple[str, Value]:
    """`train.lr=3e-3` to its path and value; the value is read as TOML, and as plain text where it is none.

    Raises:
        UsageError: no `=`, or nothing before it.
    """
    path, equals, raw = text.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set train.lr=3e-3")
    return path.strip(), parse_value(raw.strip())


def parse_value(raw: str) -> Value:
    """A bare word, number or truth value as TOML reads it; anything else stays text."""
    try:
        value = tomllib.loads(f"value = {raw}") if "\n" not in raw else {}
    except (ValueError, RecursionError):  # no TOML, or more of it than a value can be
        value = {}
    found = value.get("value", raw)
    return found if isinstance(found, str | int | float | bool) else raw


def fingerprint(spec: RunSpec, facts: Mapping[str, str]) -> str:
    """What makes two runs the same but for their seed: the spec without it, and the facts beneath it.

    Args:
        spec: resolved, so that every option and the precision stand in it.
        facts: digests of data and code, the torch version; see `execute.facts`.

    Returns:
        16 hexadecimal digits of a sha256.
    """
    flat = {key: value for key, value in spec.flat().items() if key != "seed"}
    text = json.dumps([flat, dict(facts)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
