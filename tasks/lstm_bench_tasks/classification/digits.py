"""Handwritten digits: scikit-learn's copy of UCI's test part (1,797 images of 8 x 8)."""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch

from lstm_bench.families import Classifies, Labelled, Sequences
from lstm_bench.families.classification import baselines, carved, pixels
from lstm_bench.task import Goal, Split, check_digest

SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"  # of digits.csv.gz
SHARES: dict[Split, float] = {"test": 0.15, "valid": 0.15}  # of the whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits(Labelled, Classifies):
    """An image of 8 x 8 read from top to bottom, then named: 0 to 9.

    There is no official split: train, valid and test are drawn by seed, stratified by class.

    Attributes:
        by: what a step is: a row of 8 pixels (8 steps), or a pixel (64 steps).
    """

    by: Literal["rows", "pixels"] = "rows"

    source: ClassVar[str] = "sklearn.datasets.load_digits"
    licence: ClassVar[str] = "UCI; BSD-3"
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.1, ceiling=1.0, target=0.97)
    defaults: ClassVar[Mapping[str, float | str]] = {
        "train.steps": 1500,
        "train.lr": 2e-2,
        "train.schedule": "cosine",
        "model.hidden": 48,
        "model.dropout": 0.1,
    }
    classes: ClassVar[int] = 10

    def prepare(self) -> str:
        """Read and check the images."""
        read()
        return SHA256

    def parts(self, seed: int) -> Mapping[Split, Sequences]:
        """15 % test, 15 % valid, the rest train; each class gives each its share."""
        return split(seed, self.by)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The most frequent class, and a logistic regression on the raw pixels, both from train."""
        return baselines(self.parts(seed), logistic_regression=pixels)

    def example(self) -> str:
        """The first image, as a drawing."""
        whole = read()
        rows = ["".join(" .:*#"[min(4, int(4 * x + 0.5))] * 2 for x in row) for row in whole.inputs[0].tolist()]
        return "\n".join([*rows, f"-> {whole.labels[0]}"])


@functools.cache
def read() -> Sequences:
    """All images and labels, as they lie in the package.

    Raises:
        UsageError: scikit-learn ships another file.
    """
    path = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    check_digest("scikit-learn's digits.csv.gz", hashlib.sha256(path.read_bytes()).hexdigest(), SHA256)
    rows = np.loadtxt(path, delimiter=",", dtype=np.float32)
    images = torch.from_numpy(rows[:, :64] / 16).reshape(-1, 8, 8)
    return Sequences(images, torch.from_numpy(rows[:, 64].astype(np.int64)))


@functools.lru_cache(maxsize=8)
def split(seed: int, by: str) -> dict[Split, Sequences]:
    """The three splits of a seed."""
    whole = read()
    inputs = whole.inputs if by == "rows" else whole.inputs.flatten(1)[..., None]
    return carved(Sequences(inputs, whole.labels), SHARES, seed)
