"""Fashion-MNIST (Xiao et al. 2017): 70,000 grey images of clothes, 28 x 28."""

import functools
import gzip
import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_bench.errors import UsageError
from lstm_bench.families import Classifies, Labelled, Sequences
from lstm_bench.families.classification import baselines, official, pixels
from lstm_bench.task import Goal, Published, Split, check_digest
from lstm_bench_tasks.synthetic.permuted import permutation

# Of the files when they are unpacked: how they were packed differs between upstream and Debian.
SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
INSTALL = "apt-get install dataset-fashion-mnist"
PACKAGED = "/usr/share/datasets/fashion-mnist"
README = "README of zalandoresearch/fashion-mnist"
FLOOR = 5000  # training images that the linear floor is learnt from
NAMES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FashionMnist(Labelled, Classifies):
    """Which of ten pieces of clothing an image of 28 x 28 shows (60,000 train, 10,000 test).

    Valid is carved off train by seed: a tenth of each class.

    Attributes:
        by: what a step is: a row of 28 pixels (28 steps), a pixel (784 steps), or a pixel in one fixed random order.
        order: which random order that is.
        path: the folder of the four files, packed or not; `dataset-fashion-mnist` of Debian puts them there.
    """

    by: Literal["rows", "pixels", "permuted"] = "rows"
    order: int = 0
    path: str = PACKAGED

    source: ClassVar[str] = "Debian package dataset-fashion-mnist, or a folder of its four files"
    licence: ClassVar[str] = "MIT"
    install: ClassVar[str] = INSTALL
    goal: ClassVar[Goal] = Goal(metric="accuracy", maximize=True, chance=0.1, ceiling=1.0, target=0.88)
    classes: ClassVar[int] = 10
    defaults: ClassVar[Mapping[str, float | str | bool]] = {
        "train.steps": 1500,
        "train.batch_size": 64,
        "train.lr": 5e-3,
        "train.schedule": "cosine",
        "train.eval_every": 500,
        "model.hidden": 128,
    }
    published: ClassVar[tuple[Published, ...]] = (
        Published("MLP 256-128-100", 0.900, f"{README}: submitted, not verified there"),
        Published("GRU + SVM, dropout", 0.897, f"{README}: submitted, not verified there"),
        Published("GRU + SVM", 0.888, f"{README}: submitted, not verified there"),
        Published("human", 0.835, README),
    )

    def prepare(self) -> str:
        """Read and check all four files."""
        read(self.path)
        return hashlib.sha256("".join(SHA256.values()).encode()).hexdigest()

    def parts(self, seed: int) -> Mapping[Split, Sequences]:
        """Train without what is carved off it, valid, and the official test."""
        return split(self.path, self.by, self.order, seed)

    def floors(self, seed: int) -> Mapping[str, float]:
        """The most frequent class, and a logistic regression on the pixels of 5,000 training images."""
        parts = split(self.path, "rows", 0, seed)
        some = parts["train"].take(torch.arange(0, len(parts["train"]), len(parts["train"]) // FLOOR))
        return baselines({**parts, "train": some}, logistic_regression_on_5000=pixels)

    def example(self) -> str:
        """The first test image, every second row of it, as a drawing."""
        test = read(self.path)[1]
        rows = ["".join(" .:*#"[x // 52] for x in row) for row in test.inputs[0].tolist()[::2]]
        return "\n".join([*rows, f"-> {NAMES[int(test.labels[0])]}"])


@functools.lru_cache(maxsize=1)
def read(folder: str) -> tuple[Sequences, Sequences]:
    """Train and test, uint8 rows of pixels.

    Raises:
        UsageError: a file is missing, or another one.
    """
    images, labels = "images-idx3-ubyte", "labels-idx1-ubyte"
    found = []
    for part in ("train", "t10k"):
        pictures, named = idx(folder, f"{part}-{images}"), idx(folder, f"{part}-{labels}").astype(np.int64)
        found.append(Sequences(torch.from_numpy(pictures), torch.from_numpy(named)))
    train, test = found
    return train, test


def idx(folder: str, name: str) -> NDArray[np.uint8]:
    """A file in MNIST's format: two zeros, the type (8: uint8), the number of dimensions, each as 4 bytes, the values.

    Raises:
        UsageError: it is missing, or another one.
    """
    path = Path(folder).expanduser() / name
    packed = path.with_name(f"{name}.gz")
    try:
        content = gzip.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    except (OSError, EOFError) as error:
        raise UsageError(
            f"task 'fashion-mnist': {path}[.gz] cannot be read ({getattr(error, 'strerror', None) or error}): "
            f"{INSTALL}, or set options.path to a folder that holds the four files"
        ) from None
    check_digest(str(path), hashlib.sha256(content).hexdigest(), SHA256[name])
    dimensions = content[3]
    shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


@functools.lru_cache(maxsize=4)
def split(folder: str, by: str, order: int, seed: int) -> dict[Split, Sequences]:
    """The three splits of a seed."""
    train, test = (Sequences(steps(part.inputs, by, order), part.labels) for part in read(folder))
    return official(train, test, seed, valid=0.1)


def steps(images: torch.Tensor, by: str, order: int) -> torch.Tensor:
    """Images as sequences, [N, 28, 28] or [N, 784, 1]."""
    if by == "rows":
        return images
    x_NTF = images.flatten(1)[..., None]
    return x_NTF if by == "pixels" else x_NTF[:, permutation(x_NTF.shape[1], order)]
