"""Labelled sequences that are read once: splits, batches of like length, floors."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lstm_bench.task import Batch, Family, Signature, Split, generator

BUCKET = 16  # batches whose sequences are sorted by length together
VALID = 0.2  # the share of train that is carved off as valid, by class


@dataclass(frozen=True, eq=False, slots=True)
class Sequences:
    """Sequences with their labels.

    Attributes:
        inputs: [N, T, F] float32, or uint8 that stands for its 255th part; padded with zeros at the end.
        labels: [N] int64 classes.
        lengths: [N] int64 valid steps; None: all of T.
    """

    inputs: Tensor
    labels: Tensor
    lengths: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor) -> "Sequences":
        """Some of them."""
        return Sequences(self.inputs[rows], self.labels[rows], None if self.lengths is None else self.lengths[rows])

    def batch(self, rows: Tensor | slice) -> Batch:
        """Some of them as a batch, float32, without padding that none needs."""
        cut = Batch(self.inputs, self.labels, self.lengths).take(rows)
        if self.inputs.dtype == torch.uint8:
            return Batch(cut.inputs.float() / 255, cut.targets, cut.lengths)
        return cut

    @property
    def mask(self) -> Tensor:
        """Which steps are valid, [N, T] bool."""
        steps = self.inputs.shape[1]
        if self.lengths is None:
            return torch.ones(len(self), steps, dtype=torch.bool)
        return torch.arange(steps) < self.lengths[:, None]

    @property
    def timesteps(self) -> int:
        """Valid steps in all."""
        return self.inputs.shape[0] * self.inputs.shape[1] if self.lengths is None else int(self.lengths.sum())


class Labelled:
    """A sequence in, its class out. The data are in `parts`; mixes with `Classifies`."""

    __slots__ = ()

    family: ClassVar[Family] = "classification"

    def parts(self, seed: int) -> Mapping[Split, Sequences]:
        """The three splits as a run with this seed sees them; cached, since batches asks at each call."""
        raise NotImplementedError

    @property
    def classes(self) -> int:
        """C."""
        raise NotImplementedError

    @property
    def signature(self) -> Signature:
        """As many features as the sequences have channels; one answer at the end."""
        train = self.parts(0)["train"]  # as many for every seed, nearly
        return Signature(
            features=train.inputs.shape[2], outputs=self.classes, every_step=False, epoch_timesteps=train.timesteps
        )

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        """Inputs [B, T, F], targets [B]. Each epoch of train has its own order; one of its batches may be smaller."""
        part = self.parts(seed)[split]
        per_epoch = -(-len(part) // batch_size)
        epoch, rows = -1, list(torch.arange(len(part)).split(batch_size))
        for k in range(start, sys.maxsize if split == "train" else per_epoch):
            if split == "train" and k // per_epoch != epoch:
                epoch = k // per_epoch
                rows = order(part, batch_size, generator(seed, split, epoch))
            yield part.batch(rows[k % per_epoch])

    def floors(self, seed: int) -> Mapping[str, float]:
        """The most frequent class, and a logistic regression on each channel's mean, deviation, ends and length."""
        return baselines(self.parts(seed), linear_on_summary=summary)


def order(part: Sequences, batch_size: int, random: torch.Generator) -> list[Tensor]:
    """An epoch's batches: a random order, in which sequences of like length come together where lengths differ."""
    shuffled = torch.randperm(len(part), generator=random)
    if part.lengths is None:
        return list(shuffled.split(batch_size))
    pools = [pool[part.lengths[pool].argsort(stable=True)] for pool in shuffled.split(BUCKET * batch_size)]
    batches = [rows for pool in pools for rows in pool.split(batch_size)]
    return [batches[int(at)] for at in torch.randperm(len(batches), generator=random)]


def carved(whole: Sequences, shares: Mapping[Split, float], seed: int) -> dict[Split, Sequences]:
    """Splits drawn from one set by seed; each class gives each its share, rounded, and train gets the rest.

    Args:
        whole: what is split.
        shares: of the splits besides train, such as `{"valid": 0.2}`.
        seed: another one draws another split.
    """
    chosen: dict[Split, list[Tensor]] = {split: [] for split in ("train", *shares)}
    for label in whole.labels.unique().tolist():
        members = (whole.labels == label).nonzero().flatten()
        members = members[torch.randperm(len(members), generator=generator(seed, "split", label))]
        end = 0.0
        ends = []
        for share in shares.values():
            end += share
            ends.append(round(len(members) * end))
        for split, piece in zip((*shares, "train"), members.tensor_split(ends), strict=True):
            chosen[split].append(piece)
    return {split: whole.take(torch.cat(pieces)) for split, pieces in chosen.items()}


def official(train: Sequences, test: Sequences, seed: int, valid: float = VALID) -> dict[Split, Sequences]:
    """The official train and test, with valid carved off train by seed, never off test."""
    return {**carved(train, {"valid": valid}, seed), "test": test}


def summary(part: Sequences) -> Tensor:
    """Simple features of each sequence, [N, 4 F + 1]: mean, standard deviation, first and last of each channel; length.

    The length is left out where all are equal.
    """
    values = part.batch(slice(None)).inputs if part.lengths is None else part.inputs
    if part.lengths is None:
        return torch.cat([values.mean(1), values.std(1, correction=0), values[:, 0], values[:, -1]], dim=1)
    count = part.lengths.clamp(min=1)
    mask = part.mask[..., None]
    mean = (values * mask).sum(1) / count[:, None]
    spread = ((((values - mean[:, None]) * mask) ** 2).sum(1) / count[:, None]).sqrt()
    last = values[torch.arange(len(values)), part.lengths - 1]
    return torch.cat([mean, spread, values[:, 0], last, count[:, None].float()], dim=1)


def pixels(part: Sequences) -> Tensor:
    """All values of each sequence side by side, [N, T F]."""
    return part.batch(slice(None)).inputs.flatten(1)


def baselines(parts: Mapping[Split, Sequences], **features: Callable[[Sequences], Tensor]) -> dict[str, float]:
    """Test accuracy of the most frequent class and of logistic regressions, learnt from train; weakest first.

    Args:
        parts: train and test at least.
        features: of which a regression is made, by its name, such as `linear_on_summary=summary`.
    """
    # 0.5 s that a run without floors need not wait
    from sklearn.dummy import DummyClassifier  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    labels = {key: parts[key].labels.numpy() for key in ("train", "test")}

    def accuracy_of(model: Any, seen: Callable[[Sequences], Tensor]) -> float:
        model.fit(seen(parts["train"]).numpy(), labels["train"])
        return float(model.score(seen(parts["test"]).numpy(), labels["test"]))

    found = {"majority": accuracy_of(DummyClassifier(), summary)}
    with threadpool_limits(1):  # more wait for each other: several runs at once took a hundred times as long
        for name, seen in features.items():
            linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            found[name.replace("_", " ")] = accuracy_of(linear, seen)
    return dict(sorted(found.items(), key=lambda floor: floor[1]))
