"""Every installed task passes the suite that a plugin's author inherits; and the suite finds what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from lstm_bench import plugins
from lstm_bench.families import Classifies, Drawn
from lstm_bench.task import Batch, Goal, Signature, Split
from lstm_bench.testing import TaskSuite
from lstm_bench_tasks.classification import fashion


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "installed" in metafunc.fixturenames:
        names = [name for name, point in plugins.installed(plugins.TASKS).items() if point.dist.name == "lstm-bench"]
        metafunc.parametrize("installed", names, indirect=True, scope="class")


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "train.txt"
    path.write_text("Round and round the rugged rock the ragged rascal ran; how many rs are there in that? " * 60)
    return path


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recordings") / "waves.csv"
    rows = [
        f"{number},{step},{step % (number % 3 + 2)},{number % 7 - step},{'abc'[number % 3]}"
        for number in range(45)
        for step in range(4 + number % 5)
    ]
    path.write_text("\n".join(["series,step,height,slope,label", *rows]))
    return path


@pytest.fixture
def installed(request: pytest.FixtureRequest, book: Path, recordings: Path) -> None:
    fixed = {"window": 8, "vocabulary": 30}  # the book is short
    given: dict[str, dict[str, Any]] = {
        "textfile": {"path": str(book), **fixed},
        "series-file": {"path": str(recordings)},
        "hub": {"dataset": str(book.parent), "config": "", "column": "text", **fixed},
    }
    if request.param == "fashion-mnist" and not Path(fashion.PACKAGED).is_dir():
        pytest.skip(f"{fashion.PACKAGED} is not there: {fashion.INSTALL}")
    request.cls.task = request.param
    request.cls.given = given.get(request.param, {})
    request.cls.shared = 5 if request.param == "plaid" else 0  # in the official split


@pytest.mark.usefixtures("installed")
class TestInstalled(TaskSuite):
    task = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Drawn, Classifies):
    """The first of four symbols: 3 1 0 2 -> 3."""

    length: int = 5
    goal: ClassVar[Goal] = Goal("accuracy", maximize=True, chance=0.25, ceiling=1.0)
    signature: ClassVar[Signature] = Signature(vocab=4, outputs=4, every_step=False)
    defaults: ClassVar[dict[str, float]] = {}

    def draw(self, count: int, random: torch.Generator) -> Batch:
        symbols = torch.randint(4, (count, self.length), generator=random)
        return Batch(symbols, symbols[:, 0].clone())

    def oracle(self, batch: Batch) -> Tensor:
        return torch.nn.functional.one_hot(batch.inputs[:, 0], 4) * 20.0


class TestSound(TaskSuite):
    task = Sound


def of(task: type) -> TaskSuite:
    suite = TaskSuite()
    suite.__class__ = type("Suite", (TaskSuite,), {"task": task})
    return suite


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetful(Sound):
    """Its batches depend on how often they were asked for."""

    def draw(self, count: int, random: torch.Generator) -> Batch:  # noqa: ARG002  # that is the fault
        symbols = torch.randint(4, (count, self.length))
        return Batch(symbols, symbols[:, 0].clone())


@dataclass(frozen=True, slots=True, kw_only=True)
class Late(Sound):
    """A run that is taken up again begins its data anew."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        return Sound.batches(self, split, batch_size, seed, start if split != "train" else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Misled(Sound):
    """Its oracle looks at the last symbol."""

    def oracle(self, batch: Batch) -> Tensor:
        return torch.nn.functional.one_hot(batch.inputs[:, -1], 4) * 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflowing(Sound):
    """A symbol more than the signature says."""

    def draw(self, count: int, random: torch.Generator) -> Batch:
        symbols = torch.randint(5, (count, self.length), generator=random)
        return Batch(symbols, symbols[:, 0].clamp(max=3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Boastful(Sound):
    """Says that chance is one half."""

    goal: ClassVar[Goal] = replace(Sound.goal, chance=0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown(Sound):
    """Its longer versions need another model."""

    @property
    def longer(self) -> dict[str, Any]:
        return {"2x": More()}


@dataclass(frozen=True, slots=True, kw_only=True)
class More(Sound):
    """Five symbols."""

    signature: ClassVar[Signature] = Signature(vocab=5, outputs=4, every_step=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peeking(Sound):
    """Asks for the next symbol, and does not say so."""

    signature: ClassVar[Signature] = Signature(vocab=4, outputs=4, every_step=True)

    def draw(self, count: int, random: torch.Generator) -> Batch:
        symbols = torch.randint(4, (count, self.length + 1), generator=random)
        return Batch(symbols[:, :-1], symbols[:, 1:].clone())


@pytest.mark.parametrize(
    ("task", "test"),
    [
        (Forgetful, "test_batch_k_depends_on_split_size_seed_and_k_alone"),
        (Late, "test_batch_k_depends_on_split_size_seed_and_k_alone"),
        (Misled, "test_the_true_answer_scores_the_ceiling"),
        (Overflowing, "test_batches_fit_the_signature"),
        (Boastful, "test_floors_are_scores_that_know_little"),
        (Peeking, "test_what_stands_in_the_next_input_is_said_to"),
        (Grown, "test_longer_ones_fit_what_was_trained"),
    ],
)
def test_the_suite_finds_what_is_wrong(task: type, test: str) -> None:
    with pytest.raises(AssertionError):
        getattr(of(task), test)()
