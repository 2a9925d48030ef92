"""A disk of its own for a test, such as a small one, or one that cannot be written to."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(place: Path, options: str) -> Iterator[Path]:
    """The folder, made, with a tmpfs on it; the test is skipped where none can be mounted."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    place.mkdir()
    if not (mount and unmount):
        pytest.skip("a disk cannot be mounted here: there is no mount and umount")
    asked = [mount, "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    tried = subprocess.run(asked, capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"a disk cannot be mounted here: {tried.stderr.strip()}")
    yield place
    subprocess.run([unmount, "--lazy", str(place)], check=True)
