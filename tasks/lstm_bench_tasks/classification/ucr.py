"""Sets of the UCR and UEA archives that ship with sktime: one task, parametrised by the set."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from lstm_bench.families import Sequences
from lstm_bench.families.classification import official
from lstm_bench.task import Goal, Published, Split, check_digest, missing_package
from lstm_bench_tasks.classification import ts
from lstm_bench_tasks.classification.measured import Measured
from lstm_bench_tasks.classification.recordings import classes, numbered

PACKAGE = "sktime"
UCR = "results-ucr-128.csv of hfawaz/dl-4-tsc, mean of 5 runs (Fawaz et al. 2019)"
UEA = "results-mts-avg-std.csv of hfawaz/dl-4-tsc (Fawaz et al. 2019)"
ROCKET = "ROCKET's repository, mean of 10 runs (Dempster et al. 2020)"
LSTM_FCN = "repository of LSTM-FCN, by least training loss (Karim et al. 2018)"
DEFAULTS: Mapping[str, float | str | bool] = {
    "train.steps": 600,
    "train.lr": 5e-3,
    "train.schedule": "cosine",
    "train.eval_every": 200,
    "model.hidden": 64,
    "model.dropout": 0.3,
    "model.bidirectional": True,
}
SHOWN = 8  # values of a series that an example shows


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive(Measured):
    """A set with its official train and test; valid is carved off train by seed, a fifth of each class.

    Attributes:
        name: the task's.
        folder: the set's, in the archive.
        sha256: of its train file and of its test file.
        classes: C.
    """

    name: ClassVar[str]
    folder: ClassVar[str]
    sha256: ClassVar[tuple[str, str]]
    source: ClassVar[str] = "UCR/UEA archive, www.timeseriesclassification.com, as package sktime ships it"
    licence: ClassVar[str] = "none stated"
    install: ClassVar[str] = "pip install sktime==1.2.0"

    def prepare(self) -> str:
        """Read and check both files."""
        read(self.name, self.folder, self.sha256)
        return hashlib.sha256("".join(self.sha256).encode()).hexdigest()

    def splits(self, seed: int) -> Mapping[Split, Sequences]:
        """Train without what is carved off it, valid, and test."""
        return official(*read(self.name, self.folder, self.sha256), seed)

    def example(self) -> str:
        """The beginning of the first test series, as measured, and its class."""
        test = read(self.name, self.folder, self.sha256)[1]
        steps = test.inputs.shape[1] if test.lengths is None else int(test.lengths[0])
        shown = " ".join(f"{value:.2f}" for value in test.inputs[0, : min(SHOWN, steps), 0].tolist())
        channels = test.inputs.shape[2]
        return f"{shown} ... ({steps} steps, {channels} channel{'s'[: channels > 1]}) -> class {int(test.labels[0])}"


@cache
def read(task: str, folder: str, sha256: tuple[str, str]) -> tuple[Sequences, Sequences]:
    """The official train and test of a set.

    Raises:
        UsageError: sktime is not installed, or ships other files.
    """
    try:
        package = distribution(PACKAGE)
    except PackageNotFoundError:
        raise missing_package(PACKAGE, task) from None
    found = []
    for split, expected in zip(("TRAIN", "TEST"), sha256, strict=True):
        file = f"{folder}_{split}.ts"
        path = Path(str(package.locate_file(f"sktime/datasets/data/{folder}/{file}")))
        content = path.read_bytes() if path.is_file() else b""
        check_digest(f"sktime's {file}", hashlib.sha256(content).hexdigest(), expected)
        found.append(ts.parse(content.decode(), file))
    train, test = found
    names = classes(train, folder)
    return numbered(train, names, train), numbered(test, names, train)


@dataclass(frozen=True, slots=True, kw_only=True)
class JapaneseVowels(Archive):
    """Nine men say two vowels: who is it, from 12 cepstral coefficients over 7 to 29 steps (270 train, 370 test).

    A linear model on a summary scores 0.989: the set shows that unequal lengths are handled, less how good an LSTM is.
    """

    name: ClassVar[str] = "japanese-vowels"
    folder: ClassVar[str] = "JapaneseVowels"
    sha256: ClassVar[tuple[str, str]] = (
        "68a430eabd919cc77f40b1f5f3bc0dcafacc1486bca9260785aeb7d262cc78cd",
        "b3d41d6a0ca3bcad3afb9ca7d4365382aa51341e2e58bae2a574babdda5b9462",
    )
    classes: ClassVar[int] = 9
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=1 / 9, ceiling=1.0, target=0.98)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        **DEFAULTS,
        "train.steps": 300,
        "train.eval_every": 100,
        "model.hidden": 32,
    }
    published: ClassVar[tuple[Published, ...]] = (
        Published("FCN", 0.993, UEA),
        Published("ResNet", 0.992, UEA),
        Published("MLP", 0.976, UEA),
        Published("TWIESN (recurrent)", 0.965, UEA),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plaid(Archive):
    """Which of 11 household appliances is starting, from its current over 100 to 1,344 steps (537 train, 537 test).

    The official split has 5 series of train in test as well.
    """

    patch: Annotated[int, Field(ge=1, le=10_000)] = 64

    name: ClassVar[str] = "plaid"
    folder: ClassVar[str] = "PLAID"
    sha256: ClassVar[tuple[str, str]] = (
        "40deb3bc6bd1e1aa0e6db6e6bfd3cecc4a23bf57f6a6d6ab90fb75e4a2c72344",
        "aa6da0dc1461e8d374e068a940ce37d1b0bb1a9844596d818920c8af696d656d",
    )
    classes: ClassVar[int] = 11
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.16, ceiling=1.0, target=0.6)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        **DEFAULTS,
        "train.steps": 1500,
        "train.lr": 1e-2,
        "train.eval_every": 300,
        "model.dropout": 0.0,
    }
    published: ClassVar[tuple[Published, ...]] = (
        Published("ResNet", 0.94, UCR),
        Published("FCN", 0.904, UCR),
        Published("ROCKET", 0.903, ROCKET),
        Published("MLP", 0.625, UCR),
        Published("TWIESN (recurrent)", 0.533, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ItalyPower(Archive):
    """A day of Italy's electricity demand, hour by hour: of the winter or of the summer half (67 train, 1,029 test)."""

    patch: Annotated[int, Field(ge=1, le=10_000)] = 3

    name: ClassVar[str] = "italy-power"
    folder: ClassVar[str] = "ItalyPowerDemand"
    sha256: ClassVar[tuple[str, str]] = (
        "341269cb7e6cef96846b30e774580beec79addb93848ba360145219115a74b7c",
        "26122451f87dd0387ef90b18bc8a86c041371b8a1c068004922b939971247144",
    )
    classes: ClassVar[int] = 2
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.5, ceiling=1.0, target=0.95)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        **DEFAULTS,
        "train.steps": 100,
        "train.schedule": "constant",
    }
    published: ClassVar[tuple[Published, ...]] = (
        Published("ROCKET", 0.97, ROCKET),
        Published("ResNet", 0.962, UCR),
        Published("LSTM-FCN", 0.962, LSTM_FCN),
        Published("ALSTM-FCN", 0.959, LSTM_FCN),
        Published("MLP", 0.953, UCR),
        Published("TWIESN (recurrent)", 0.871, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GunPoint(Archive):
    """A hand draws a gun or points a finger: its height over 150 steps (50 train, 150 test)."""

    patch: Annotated[int, Field(ge=1, le=10_000)] = 5

    name: ClassVar[str] = "gun-point"
    folder: ClassVar[str] = "GunPoint"
    sha256: ClassVar[tuple[str, str]] = (
        "f842401779fd9800d247d8b33121a1a4643710a19b24917dbdd9a060ca8630d5",
        "79332750788a6227b325b96bd0d70130c8eb707b9731f8d7dec62b7a7d36017e",
    )
    classes: ClassVar[int] = 2
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.5, ceiling=1.0, target=0.93)
    defaults: ClassVar[Mapping[str, float | str | bool]] = DEFAULTS
    published: ClassVar[tuple[Published, ...]] = (
        Published("FCN", 1.0, UCR),
        Published("LSTM-FCN", 1.0, LSTM_FCN),
        Published("ROCKET", 1.0, ROCKET),
        Published("ResNet", 0.991, UCR),
        Published("MLP", 0.928, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OsuLeaf(Archive):
    """Which of six trees a leaf is from, by its outline as a curve of 427 steps (200 train, 242 test)."""

    patch: Annotated[int, Field(ge=1, le=10_000)] = 7

    name: ClassVar[str] = "osu-leaf"
    folder: ClassVar[str] = "OSULeaf"
    sha256: ClassVar[tuple[str, str]] = (
        "86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc",
        "6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce",
    )
    classes: ClassVar[int] = 6
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.18, ceiling=1.0, target=0.6)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {**DEFAULTS, "model.dropout": 0.0}
    published: ClassVar[tuple[Published, ...]] = (
        Published("ALSTM-FCN", 0.988, LSTM_FCN),
        Published("LSTM-FCN", 0.983, LSTM_FCN),
        Published("ResNet", 0.98, UCR),
        Published("ROCKET", 0.941, ROCKET),
        Published("TWIESN (recurrent)", 0.628, UCR),
        Published("MLP", 0.56, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Acsf1(Archive):
    """Which of ten kinds of appliance it is, by its power consumption over 1,460 steps (100 train, 100 test)."""

    patch: Annotated[int, Field(ge=1, le=10_000)] = 40

    name: ClassVar[str] = "acsf1"
    folder: ClassVar[str] = "ACSF1"
    sha256: ClassVar[tuple[str, str]] = (
        "0646b90dc4843e02baed6b2ba345c5601a4991b6796565489cef1b2d92a7537b",
        "93e8aaeb44a10af181d24a156e60da7021193cd990ca28f263fccf3b905bfebf",
    )
    classes: ClassVar[int] = 10
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.1, ceiling=1.0, target=0.7)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {**DEFAULTS, "train.lr": 3e-3, "train.eval_every": 300}
    published: ClassVar[tuple[Published, ...]] = (
        Published("ResNet", 0.916, UCR),
        Published("ROCKET", 0.886, ROCKET),
        Published("TWIESN (recurrent)", 0.592, UCR),
        Published("MLP", 0.558, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrowHead(Archive):
    """Which of three cultures an arrow head is from, by its outline as a curve of 251 steps (36 train, 175 test).

    Valid has 7 or 8 of 36: one split ranks nothing, use many seeds.
    """

    patch: Annotated[int, Field(ge=1, le=10_000)] = 10

    name: ClassVar[str] = "arrow-head"
    folder: ClassVar[str] = "ArrowHead"
    sha256: ClassVar[tuple[str, str]] = (
        "a83c470aaf611a5f5284377cce27a5fc9f6292bc3d110257b0fd4905ced5ee72",
        "5417dab42626d41df5e435bb22458c2df40dfad4bcd3b59559bbe72e20e84904",
    )
    classes: ClassVar[int] = 3
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=1 / 3, ceiling=1.0, target=0.75)
    defaults: ClassVar[Mapping[str, float | str | bool]] = {**DEFAULTS, "train.eval_every": 600, "model.dropout": 0.5}
    published: ClassVar[tuple[Published, ...]] = (
        Published("LSTM-FCN", 0.897, LSTM_FCN),
        Published("ResNet", 0.838, UCR),
        Published("ALSTM-FCN", 0.823, LSTM_FCN),
        Published("ROCKET", 0.814, ROCKET),
        Published("MLP", 0.784, UCR),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicMotions(Archive):
    """Standing, walking, running or badminton, by six channels of a watch over 100 steps (40 train, 40 test).

    A linear model on a summary scores 0.95, and many reach 1: a test of plumbing with several channels.
    """

    patch: Annotated[int, Field(ge=1, le=10_000)] = 5

    name: ClassVar[str] = "basic-motions"
    folder: ClassVar[str] = "BasicMotions"
    sha256: ClassVar[tuple[str, str]] = (
        "8dc43cc6306cb679c888c01e26f91772ac4441a916da43bac8b79734a538b9d6",
        "79213102bc6fca1a398ad98ce1185dff0208fa3d1465e687f48288946b0ff8dc",
    )
    classes: ClassVar[int] = 4
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.25, ceiling=1.0, target=0.95)
    defaults: ClassVar[Mapping[str, float | str | bool]] = DEFAULTS
