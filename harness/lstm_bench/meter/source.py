"""The harness's own source: which commit it is of, and what was changed since."""

import functools
import hashlib
import os
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).parents[1]
LONGEST = 2**20  # bytes of a diff that is kept
PATIENCE = 10.0  # seconds for git
# Set by git for its hooks; a command of ours that a hook starts would look at another repository.
ANOTHERS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
# No program of the repository's is started: no monitor, hook, differ or converter.
QUIETLY = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
PLAINLY = ("--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--src-prefix=a/", "--dst-prefix=b/")
SOURCE = ":(top,exclude)results"  # what runs write there changes nothing of what runs


def commit(package: Path = PACKAGE) -> str | None:
    """The commit of the checkout that the package lies in, with `+` when it was changed since; None outside of one."""
    found = _git(package, "rev-parse", "--short", "HEAD") if _is_tracked(package) else None
    return found.decode().strip() + ("+" if source_diff(package) else "") if found else None


@functools.cache
def source_diff(package: Path = PACKAGE) -> tuple[str, str] | None:
    """What `git diff HEAD` says of the checkout that the package lies in, and its digest: 16 hex digits of its SHA-256.

    Files that git does not track are not in it, nor what is under `results/`. What is longer than 1 MiB is cut off,
    with a last line that says so.

    Returns:
        (digest, text), read once a process; None where nothing was changed, or outside of a checkout.
    """
    found = _git(package, "diff", *PLAINLY, "HEAD", "--", SOURCE) if _is_tracked(package) else None
    if not found:
        return None
    text = found[:LONGEST].decode(errors="replace")
    if len(found) > LONGEST:
        whole = f"{len(found)} bytes, SHA-256 {hashlib.sha256(found).hexdigest()}"
        text = text[: text.rfind("\n") + 1] + f"[cut off here, at {LONGEST} bytes: the whole diff has {whole}]\n"
    return hashlib.sha256(text.encode()).hexdigest()[:16], text


def _is_tracked(package: Path) -> bool:
    """Whether the checkout is the package's own: an installed one may lie in a folder that somebody else's ignores."""
    return _git(package, "ls-files", "--error-unmatch", "__init__.py") is not None


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git says in a folder; None where it fails, or there is none."""
    command = ["git", "-C", str(folder), *QUIETLY, *arguments]
    own = {name: value for name, value in os.environ.items() if name not in ANOTHERS}
    try:
        return subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE, env=own).stdout  # noqa: S603  # our own arguments
    except (OSError, subprocess.SubprocessError):
        return None
