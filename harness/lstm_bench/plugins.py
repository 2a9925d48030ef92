"""A name, or `module:attr`, to an object. Entry points are the only registry there is."""

import importlib
import os
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from lstm_bench.errors import UsageError, unknown

TASKS = "lstm_bench.tasks"
CELLS = "lstm_bench.cells"


def installed(group: str) -> dict[str, EntryPoint]:
    """Every installed plugin of a group by its name, sorted; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def origin(point: EntryPoint) -> str:
    """The package that a plugin comes from, with its version."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "?"


def load(group: str, name: str) -> Any:
    """The object that `name` stands for in `group`: an entry point's name, or `module:attr`.

    Raises:
        UsageError: nothing is called so, or it cannot be imported.
    """
    kind = group.rpartition(".")[2].removesuffix("s")
    known = installed(group)
    if name in known:
        return _imported(kind, name, known[name].module, known[name].attr)
    if ":" in name:
        module, _, attribute = name.partition(":")
        return _imported(kind, name, module, attribute)
    raise unknown(kind, name, known, hint=" (a plugin installed since? run `make dev` again)")


def _imported(kind: str, name: str, module: str, attribute: str) -> Any:
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except Exception as error:  # a stranger's module may raise anything
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"{kind} '{name}' cannot be imported from {module}:{attribute}: {why}") from error
    return found


def look_here() -> None:
    """Have modules of the working directory found, last of all: a user's own `module:attr` shadows nothing."""
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)


def found_alike() -> dict[str, str]:
    """The environment in which another interpreter finds every module where this one does."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
