"""A text from the Hugging Face hub, or a data set in a folder, read with the package `datasets`."""

import functools
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from lstm_bench.errors import UsageError, in_one_line
from lstm_bench.families import Text
from lstm_bench.families.language import SHARES
from lstm_bench.task import Split
from lstm_bench_tasks.language.textfile import OwnText, Unit, symbols

OFFICIAL: dict[Split, str] = {"train": "train", "valid": "validation", "test": "test"}
SAVED = ("dataset_dict.json", "state.json")  # one of them lies in a folder that save_to_disk made


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub(OwnText):
    """The next character or word of a text from the Hugging Face hub, or from a folder.

    The official train, validation and test are used as they are; a validation or test that is missing is the last
    5 % of train each, in one piece. Rows are joined by line ends. No code of a data set is ever run.

    Attributes:
        dataset: a name on the hub, such as `Salesforce/wikitext`; or a folder that `save_to_disk` made, or that holds
            text or Parquet files.
        config: which of the configurations on the hub, such as `wikitext-2-raw-v1`; empty where there is one alone.
        column: which holds the text.
    """

    dataset: str = ""
    config: str = ""
    column: str = "text"

    name: ClassVar[str] = "hub"
    source: ClassVar[str] = "a data set on the Hugging Face hub, or in a folder"
    licence: ClassVar[str] = "the data set's own"
    install: ClassVar[str] = "pip install 'lstm-bench[hub]'"

    def text(self) -> Text:
        """The data set's characters or words.

        Raises:
            UsageError: the package is missing, the data set cannot be had or has no such text.
        """
        if not self.dataset:
            raise UsageError("task 'hub': options.dataset is not given: expected a name on the Hugging Face hub or a "
                             "folder, such as --set options.dataset=Salesforce/wikitext")  # fmt: skip
        return fetched(self.dataset, self.config, self.column, self.by, self.vocabulary)


@functools.lru_cache(maxsize=2)
def fetched(dataset: str, config: str, column: str, by: Unit, vocabulary: int) -> Text:
    """A data set's characters or words; as long as the process lives, it is read once."""
    splits = loaded(dataset, config)
    if "train" not in splits:
        raise UsageError(f"task 'hub': options.dataset = {dataset!r} has the splits {', '.join(map(str, splits))}: "
                         "expected train among them")  # fmt: skip
    parts = {split: joined(splits[name], column) for split, name in OFFICIAL.items() if name in splits}
    return symbols(completed(parts), by, vocabulary)


def loaded(dataset: str, config: str) -> Mapping[str, Any]:
    """The splits of a data set, by their official names.

    Raises:
        UsageError: the package is missing, or the data set cannot be had.
    """
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        raise UsageError("task 'hub' reads its data with the package datasets, which is not installed: "
                         f"{Hub.install}") from None  # fmt: skip
    datasets.disable_progress_bars()  # their threads would not outlive the warm server's fork
    folder = Path(dataset).expanduser()
    try:
        if any((folder / name).is_file() for name in SAVED):
            found = datasets.load_from_disk(str(folder))
        else:
            found = datasets.load_dataset(str(folder) if folder.is_dir() else dataset, config or None)
    except Exception as error:  # noqa: BLE001  # files, network, hub, formats: each has errors of its own
        raise UsageError(
            f"task 'hub': options.dataset = {dataset!r}, options.config = {config!r} cannot be had: expected a name on "
            f"the Hugging Face hub and a network, or a folder: {in_one_line(error)}"
        ) from None
    return found if isinstance(found, Mapping) else {"train": found}


def joined(rows: Any, column: str) -> str:
    """The text of a split.

    Args:
        rows: a `datasets.Dataset`.
        column: which holds the text.

    Raises:
        UsageError: there is no such column, or it holds something else.
    """
    texts = [name for name, kind in rows.features.items() if getattr(kind, "dtype", "") in ("string", "large_string")]
    if column not in texts:
        raise UsageError(f"task 'hub': options.column = {column!r}: expected one that holds text: "
                         f"{', '.join(texts) or 'there is none'}")  # fmt: skip
    return "\n".join(row or "" for row in rows[column])


def completed(parts: Mapping[Split, str]) -> dict[Split, str]:
    """The three splits, those that are missing cut from the end of train."""
    whole, missing = parts["train"], [split for split in OFFICIAL if split not in parts]
    found, end = dict(parts), len(whole)
    for split in reversed(missing):
        low, high = SHARES[split]
        begin = end - round(len(whole) * (high - low))
        found[split], end = whole[begin:end], begin
    return {split: found[split] if split != "train" else whole[:end] for split in OFFICIAL}
