"""What `lstm-bench bench` runs: a file a suite, a study an entry. Also the reader of study files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from lstm_bench.errors import UsageError, unknown
from lstm_bench.spec import Count, Natural, RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a study may spend, and where: its keys in TOML.

    Attributes:
        trials: in all, over all starts; every status but `killed` counts.
        confirm_seeds: fresh seeds on which the best setting is run again.
        prune_after: steps before which no trial is judged; the tasks that sit on a plateau at first need more.
    """

    trials: Count = 12
    confirm_seeds: Count = 3
    prune_after: Natural = 0


@dataclass(frozen=True, slots=True)
class StudyTable:
    """One study as a file asks for it, not yet checked.

    Attributes:
        run: the tables of a run's spec.
        budget: values of `Budget`.
        search: the space; empty: the default one.
        confirm: values that the confirming runs have instead of the search's.
    """

    run: Mapping[str, Any]
    budget: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    confirm: Mapping[str, Any] = field(default_factory=dict)


def suite_names() -> list[str]:
    """The built-in suites."""
    return sorted(path.name.removesuffix(".toml") for path in files(__name__).iterdir() if path.name.endswith(".toml"))


def read_suite(name: str) -> list[StudyTable]:
    """The studies of a built-in suite, or of a file that has `[[study]]` tables.

    Raises:
        UsageError: no such suite or file, or it is not one.
    """
    path = Path(name)
    if path.suffix != ".toml":
        if name not in suite_names():
            raise unknown("suite", name, suite_names())
        path = Path(str(files(__name__).joinpath(f"{name}.toml")))
    studies = read_toml(path).get("study")
    if not isinstance(studies, list) or not studies:
        raise UsageError(f"{path}: expected [[study]] tables; a file of one study is run by `lstm-bench search`")
    return [_study(study, path) for study in studies]


def read_study(path: Path) -> StudyTable:
    """The one study of a file.

    Raises:
        UsageError: no such file, or it is not one.
    """
    return _study(read_toml(path), path)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.

    Raises:
        UsageError: it cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}") from None


def _study(table: Any, path: Path) -> StudyTable:
    if not isinstance(table, dict):
        raise UsageError(f"{path}: a study is {table!r}, expected a table")
    paths = {name: table.get(name, {}) for name in ("search", "confirm")}
    for name, given in paths.items():
        if not isinstance(given, dict):
            raise UsageError(f'{path}: {name} = {given!r}, expected a table of paths, such as "train.lr"')
    budget = Budget.__dataclass_fields__
    known = [*RunSpec.__dataclass_fields__, *budget, *paths]
    for key in table:
        if key not in known:
            raise unknown(f"key in {path}:", key, known)
    run = {key: value for key, value in table.items() if key not in (*budget, *paths)}
    return StudyTable(run, {key: table[key] for key in budget if key in table}, **paths)
