"""The user's own text, by characters or by words; no plugin needed."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lstm_bench.errors import UsageError
from lstm_bench.families import NextSymbol, Read, Text
from lstm_bench.task import Goal, Split

Unit = Literal["characters", "words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnText(Read, NextSymbol):
    """A text that the user chooses.

    Attributes:
        by: what a symbol is: a character (score: bits per character), or a word or sign in lower case (perplexity).
        window: symbols from one update to the next (truncated backpropagation; the state is carried on).
        vocabulary: of words, symbols at most, `<unk>` among them. Nearly all of a step's cost is the softmax over them.
    """

    by: Unit = "characters"
    window: Annotated[int, Field(ge=1, le=4096)] = 32
    vocabulary: Annotated[int, Field(ge=2, le=100_000)] = 2000

    licence: ClassVar[str] = "your text's own"
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 1000,
        "train.lr": 1e-2,
        "train.schedule": "cosine",
        "train.precision": "auto",
        "train.eval_every": 250,
        "model.hidden": 128,
        "model.embedding": 64,
    }

    @property
    def goal(self) -> Goal:
        """Bits per character, or the perplexity of words."""
        if self.by == "words":
            return Goal(metric="perplexity", maximize=False)
        return Goal(metric="bpc", maximize=False, unit="bits")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile(OwnText):
    """The next character or word of a text file of your own, in UTF-8.

    The text is split in one piece each, 90/5/5. A byte order mark is left out; line ends are as they are.

    Attributes:
        path: the file.
    """

    path: str = ""

    name: ClassVar[str] = "textfile"
    source: ClassVar[str] = "a file of your own"

    def text(self) -> Text:
        """The file's characters or words, read again only when the file has changed.

        Raises:
            UsageError: there is no such file, or it holds no text in UTF-8.
        """
        if not self.path:
            raise UsageError("task 'textfile': options.path is not given: expected a text file in UTF-8, "
                             "such as --set options.path=book.txt")  # fmt: skip
        path = Path(self.path).expanduser()
        try:
            stat = path.stat()
            return parsed(path, stat.st_mtime_ns, stat.st_size, self.by, self.vocabulary)
        except OSError as error:
            found = "a folder" if isinstance(error, IsADirectoryError) else f"no file to read ({error.strerror})"
            raise refused(self.path, found) from None
        except UnicodeDecodeError as error:
            raise refused(self.path, f"not UTF-8 at byte {error.start}") from None


@functools.lru_cache(maxsize=2)
def parsed(path: Path, mtime_ns: int, size: int, by: Unit, vocabulary: int) -> Text:
    """A file's characters or words; its time and its size tell one state of it from another."""
    del mtime_ns
    written = path.read_bytes().decode().removeprefix("\ufeff")
    if not size:
        raise refused(str(path), "empty")
    return symbols(written, by, vocabulary)


def symbols(text: str | Mapping[Split, str], by: Unit, vocabulary: int) -> Text:
    """A text, or its splits, by characters or by words."""
    return Text.words(text, vocabulary) if by == "words" else Text.characters(text)


def refused(path: str, found: str) -> UsageError:
    """The error for a file that cannot be used."""
    return UsageError(f"task 'textfile': options.path = {path!r} is {found}: expected a text file in UTF-8")
