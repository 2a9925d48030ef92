"""Labelled recordings as they come from files, before they are tensors; and what is wrong with them, in one line."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstm_bench.errors import UsageError
from lstm_bench.families import Sequences
from lstm_bench.families.series import padded

FEWEST = 3  # recordings of a class in train, of which one is carved off for valid
LISTED = 10  # classes that a message names


@dataclass(frozen=True, eq=False, slots=True)
class Recordings:
    """Series with their labels, in the order of the file.

    Attributes:
        places: where each stands, for messages, such as `GunPoint_TRAIN.ts, line 20`.
        series: each [T, F] float32.
        labels: of each, as written.
    """

    places: Sequence[str]
    series: Sequence[NDArray[np.float32]]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        """Refuse what cannot be learnt from.

        Raises:
            UsageError: a series that is empty or not as wide as the first, or a value that is no number.
        """
        for place, one in zip(self.places, self.series, strict=True):
            if not len(one):
                raise UsageError(f"{place} has no steps: expected at least one")
            if one.shape[1] != self.series[0].shape[1]:
                raise UsageError(f"{place} has {one.shape[1]} channels: expected {self.series[0].shape[1]}, "
                                 f"as {self.places[0]} has")  # fmt: skip
            if not np.isfinite(one).all():
                step, channel = np.argwhere(~np.isfinite(one))[0] + 1
                raise UsageError(f"{place} has no finite number at step {step}, channel {channel}: "
                                 "fill it in, or leave the series out")  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Iterable[int]) -> "Recordings":
        """Some of them."""
        kept = [(self.places[at], self.series[at], self.labels[at]) for at in rows]
        return Recordings(*map(list, zip(*kept, strict=True)))


def classes(train: Recordings, where: str) -> list[str]:
    """The labels of train, in order: of their numbers where all are numbers.

    Raises:
        UsageError: nothing, one class alone, or one with too few recordings for valid to be carved off.
    """
    counts = Counter(train.labels)
    if len(counts) < 2:
        found = f"only the label {next(iter(counts))!r}" if counts else "no series"
        raise UsageError(f"{where} has {found} in train: expected two classes or more")
    for label, count in counts.items():
        if count < FEWEST:
            raise UsageError(f"{where} has {count} series of class {label!r} in train: expected {FEWEST} or more")
    try:
        return sorted(counts, key=float)
    except ValueError:
        return sorted(counts)


def numbered(part: Recordings, names: Sequence[str], like: Recordings) -> Sequences:
    """As tensors, labels as places among the names of the classes.

    Args:
        part: one split.
        names: of the classes.
        like: train.

    Raises:
        UsageError: a label that train does not have, or another number of channels.
    """
    at = {name: place for place, name in enumerate(names)}
    for place, label in zip(part.places, part.labels, strict=True):
        if label not in at:
            some = ", ".join(names[:LISTED]) + (", ..." if len(names) > LISTED else "")
            raise UsageError(f"{place} has the label {label!r}, never seen in train: expected one of {some}")
    channels = like.series[0].shape[1]
    if part.series[0].shape[1] != channels:
        raise UsageError(f"{part.places[0]} has {part.series[0].shape[1]} channels: expected {channels}, as train has")
    return padded(part.series, [at[label] for label in part.labels])
