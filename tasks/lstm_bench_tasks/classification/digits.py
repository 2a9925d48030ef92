"""Handwritten digits, row by row: scikit-learn's copy of UCI's test part (1,797 images of 8 x 8)."""

import functools
import hashlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lstm_bench.losses import accuracy, cross_entropy
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally, check_digest, generator

SHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"  # of digits.csv.gz
TEST, VALID = 0.15, 0.15  # shares of the whole


class Part(NamedTuple):
    """One split: images [N, 8, 8] in [0, 1], labels [N]."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Digits:
    """An image read from top to bottom, 8 steps of 8 pixels, then named: 0 to 9.

    There is no official split: train, valid and test are drawn by seed, stratified by class.
    """

    family: ClassVar[Family] = "classification"
    source: ClassVar[str] = "sklearn.datasets.load_digits"
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.1, ceiling=1.0, target=0.97)
    defaults: ClassVar[Mapping[str, float]] = {"train.steps": 800, "train.lr": 1e-2}

    @property
    def signature(self) -> Signature:
        """8 features, 10 classes, one answer at the end."""
        images = len(parts(0)["train"].labels)  # as many for every seed
        return Signature(features=8, outputs=10, every_step=False, epoch_timesteps=8 * images)

    def prepare(self) -> str:
        """Read and check the images."""
        read()
        return SHA256

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Inputs [B, 8, 8], targets [B]. Each epoch of train has its own order; its last batch may be smaller."""
        part = parts(seed)[split]
        per_epoch = -(-len(part.labels) // batch_size)
        epoch, order = -1, torch.arange(len(part.labels))
        for k in range(start, sys.maxsize if split == "train" else per_epoch):
            if split == "train" and k // per_epoch != epoch:
                epoch = k // per_epoch
                order = torch.randperm(len(part.labels), generator=generator(seed, split, epoch))
            chosen = order[k % per_epoch * batch_size :][:batch_size]
            yield Batch(part.images[chosen], part.labels[chosen])

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy of [B, 10] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`accuracy`."""
        return {"accuracy": accuracy(output, batch.targets)}

    def floors(self, seed: int) -> Mapping[str, float]:
        """The most frequent class, and a logistic regression on the raw pixels, both from train."""
        from sklearn.dummy import DummyClassifier  # noqa: PLC0415  # 0.5 s that a run without floors need not wait
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        split = {name: (part.images.flatten(1).numpy(), part.labels.numpy()) for name, part in parts(seed).items()}
        models = {"majority": DummyClassifier(), "logistic regression": LogisticRegression(max_iter=1000)}
        return {name: float(m.fit(*split["train"]).score(*split["test"])) for name, m in models.items()}


@functools.cache
def read() -> Part:
    """All images and labels, as they lie in the package.

    Raises:
        UsageError: scikit-learn ships another file.
    """
    path = Path(str(distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")))
    check_digest("scikit-learn's digits.csv.gz", hashlib.sha256(path.read_bytes()).hexdigest(), SHA256)
    rows = np.loadtxt(path, delimiter=",", dtype=np.float32)
    return Part(torch.from_numpy(rows[:, :64] / 16).reshape(-1, 8, 8), torch.from_numpy(rows[:, 64].astype(np.int64)))


@functools.lru_cache(maxsize=8)
def parts(seed: int) -> dict[Split, Part]:
    """The three splits of a seed. Each class gives each split its share."""
    whole = read()
    chosen: dict[Split, list[Tensor]] = {"train": [], "valid": [], "test": []}
    for label in range(10):
        members = (whole.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator(seed, "split", label))]
        ends = [round(len(members) * TEST), round(len(members) * (TEST + VALID))]
        for split, piece in zip(("test", "valid", "train"), members.tensor_split(ends), strict=True):
            chosen[split].append(piece)  # type: ignore[index]  # mypy widens the names of the splits
    indices = {split: torch.cat(pieces) for split, pieces in chosen.items()}
    return {split: Part(whole.images[i], whole.labels[i]) for split, i in indices.items()}
