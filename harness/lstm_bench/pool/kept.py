"""Checkpoints in a place that all machines reach: a shared folder, or whatever fsspec knows the address of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec

from lstm_bench.errors import UsageError, in_one_line


@dataclass(frozen=True, slots=True)
class Kept:
    """Such a place.

    Attributes:
        address: the same wherever one is.
        files: fsspec's.
        root: the folder there.
    """

    address: str
    files: Any
    root: str

    @classmethod
    def at(cls, address: str) -> "Kept":
        """The place with an address.

        Raises:
            UsageError: it is none, or fsspec lacks a package for it.
        """
        address = address if "://" in address else str(Path(address).resolve())
        try:
            files, root = fsspec.core.url_to_fs(address)
            files.makedirs(root, exist_ok=True)
        except Exception as error:  # noqa: BLE001  # whatever the package behind the address raises
            raise UsageError(
                f"--storage-path {address}: expected a folder, or an address that fsspec can write to, such as "
                f"s3://bucket/checkpoints: {in_one_line(error)}"
            ) from None
        return cls(address, files, root.rstrip("/"))

    def put(self, run_id: str, checkpoint: Path) -> None:
        """Keep a run's checkpoint, so that it is there whole or not at all."""
        place = self._place(run_id)
        self.files.put_file(str(checkpoint), f"{place}.new")
        self.files.mv(f"{place}.new", place)

    def get(self, run_id: str, checkpoint: Path) -> None:
        """Fetch a run's checkpoint, where there is one."""
        if self.files.exists(self._place(run_id)):
            self.files.get_file(self._place(run_id), str(checkpoint))

    def forget(self, run_id: str) -> None:
        """Delete a run's checkpoint, where there is one."""
        if self.files.exists(self._place(run_id)):
            self.files.rm_file(self._place(run_id))

    def _place(self, run_id: str) -> str:
        return f"{self.root}/{run_id}.pt"
