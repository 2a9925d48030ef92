"""What tasks of measured series share: one scale, patches, and floors that do not depend on them."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

from pydantic import Field

from lstm_bench.families import Classifies, Labelled, Sequences
from lstm_bench.families.classification import baselines, pixels, summary
from lstm_bench.families.series import patched, standardised
from lstm_bench.task import Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(Labelled, Classifies):
    """Series that somebody measured.

    Attributes:
        patch: steps that are read together as one.
        standardise: each channel to mean 0 and standard deviation 1, both learnt from train.
    """

    patch: Annotated[int, Field(ge=1, le=10_000)] = 1
    standardise: bool = True

    def splits(self, seed: int) -> Mapping[Split, Sequences]:
        """The three splits as they were measured."""
        raise NotImplementedError

    def state(self) -> Hashable:
        """Another one wherever the data may be others; what a package ships and a digest guards never is."""
        return None

    def parts(self, seed: int) -> Mapping[Split, Sequences]:
        """The three splits on one scale, in patches."""
        return prepared(self, self.state(), seed, self.patch)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The majority, and logistic regressions on a summary and, where lengths are equal, on all values."""
        parts = prepared(self, self.state(), seed, 1)
        if any(part.lengths is not None for part in parts.values()):
            return baselines(parts, linear_on_summary=summary)
        return baselines(parts, linear_on_summary=summary, linear_on_values=pixels)


@lru_cache(maxsize=8)
def prepared(task: Measured, state: Hashable, seed: int, patch: int) -> dict[Split, Sequences]:
    """A task's splits on one scale, in patches."""
    del state  # it tells this call from one before the data changed
    parts = task.splits(seed)
    scaled = standardised(parts) if task.standardise else parts
    return {split: patched(part, patch) for split, part in scaled.items()}
