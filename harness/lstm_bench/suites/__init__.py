"""What `lstm-bench bench` runs: a file a suite, a study an entry. Also the reader of study files."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from lstm_bench.errors import UsageError, unknown
from lstm_bench.spec import Count, Natural, Positive, RunSpec

# What a study says of itself in its own study.toml, besides what it asks.
RECORDED = {"schema", "id", "family", "source", "published", "goal", "facts", "workers"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much a study may spend, and where: its keys in TOML.

    Attributes:
        trials: in all, over all starts; every status but `killed` counts. Without it 12, or what the minutes allow.
        minutes: of searching, in all, over all starts; the runs that are going on then stop after one evaluation.
        seeds: on which each setting of the search is run; it is judged by its mean over them.
        confirm_seeds: fresh seeds on which the best settings are run again; 0: the search alone.
        confirm_top: how many of the best settings are.
        prune_after: steps before which no run is judged; the tasks that sit on a plateau at first need more.
        run_timeout: seconds after which a run counts as hung.
        max_failures: more failed trials in a row than these stop the study.
    """

    trials: Count | None = None
    minutes: Positive | None = None
    seeds: Count = 1
    confirm_seeds: Natural = 3
    confirm_top: Count = 1
    prune_after: Natural = 0
    run_timeout: Positive | None = None
    max_failures: Natural = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How a study searches: its keys in TOML.

    Attributes:
        sampler: its name, or a table of `name` and its options; see `search.methods`.
        pruner: likewise.
        objectives: metrics of a run to be good at together, `valid/<metric>` among them; none: the task's goal alone.
        deterministic: each trial is asked and judged knowing exactly the trials up to W before it (W workers),
            interrupted or not. A study that is given more trials later begins those knowing all that it has.
        enqueue: settings to try first, by path; what they leave out is drawn.
    """

    sampler: str | dict[str, Any] = "tpe"
    pruner: str | dict[str, Any] = "median"
    objectives: list[str] = field(default_factory=list)
    deterministic: bool = False
    enqueue: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StudyTable:
    """One study as a file asks for it, not yet checked.

    Attributes:
        run: the tables of a run's spec.
        budget: values of `Budget`.
        strategy: values of `Strategy`.
        search: the space; empty: the default one.
        confirm: values that the confirming runs have instead of the search's.
        vary: one path and its values, each of which becomes a study of its own: the arms of an ablation.
    """

    run: Mapping[str, Any]
    budget: Mapping[str, Any] = field(default_factory=dict)
    strategy: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    confirm: Mapping[str, Any] = field(default_factory=dict)
    vary: Mapping[str, Any] = field(default_factory=dict)

    def updated(self, *, budget: Mapping[str, Any], strategy: Mapping[str, Any]) -> "StudyTable":
        """The same study with some values of its budget and strategy replaced."""
        return replace(self, budget={**self.budget, **budget}, strategy={**self.strategy, **strategy})


def suite_names() -> list[str]:
    """The built-in suites."""
    return names_in(__name__)


def names_in(package: str) -> list[str]:
    """The TOML files that come with a package, by name."""
    return sorted(path.name.removesuffix(".toml") for path in files(package).iterdir() if path.name.endswith(".toml"))


def file_of(name: str, package: str, kind: str) -> Path:
    """The TOML file that a user means: one that comes with a package, or a path to one.

    Raises:
        UsageError: none of such a name comes with it; the `kind` says what was looked for.
    """
    if Path(name).suffix == ".toml":
        return Path(name)
    if name not in names_in(package):
        raise unknown(kind, name, names_in(package))
    return Path(str(files(package).joinpath(f"{name}.toml")))


def read_suite(name: str) -> list[StudyTable]:
    """The studies of a built-in suite, or of a file that has `[[study]]` tables; what stands above them holds for all.

    Raises:
        UsageError: no such suite or file, or it is not one.
    """
    path = file_of(name, __name__, "suite")
    common = read_toml(path)
    studies = common.pop("study", None)
    if not isinstance(studies, list) or not studies:
        raise UsageError(f"{path}: expected [[study]] tables; a file of one study is run by `lstm-bench search`")
    return [study_in(common | study if isinstance(study, dict) else study, path) for study in studies]


def read_study(path: Path) -> StudyTable:
    """The one study of a file.

    Raises:
        UsageError: no such file, or it is not one.
    """
    return study_in(read_toml(path), path)


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


def study_in(table: Any, path: Path) -> StudyTable:
    """A study's tables, as they stand in a file.

    Raises:
        UsageError: a key that no study has, or what is no table.
    """
    if not isinstance(table, dict):
        raise UsageError(f"{path}: a study is {table!r}, expected a table")
    paths = {name: table.get(name, {}) for name in ("search", "confirm", "vary")}
    for name, given in paths.items():
        if not isinstance(given, dict):
            raise UsageError(f'{path}: {name} = {given!r}, expected a table of paths, such as "train.lr"')
    budget, strategy = Budget.__dataclass_fields__, Strategy.__dataclass_fields__
    known = [*RunSpec.__dataclass_fields__, *budget, *strategy, *paths]
    recorded = RECORDED if "schema" in table else ()
    for key in [key for key in table if key not in recorded]:
        if key not in known:
            raise unknown(f"key in {path}:", key, known)
    return study_table(table)


def study_table(table: Mapping[str, Any]) -> StudyTable:
    """A study's tables, told apart by their keys; what has no place among them is left out."""
    parts = (RunSpec.__dataclass_fields__, Budget.__dataclass_fields__, Strategy.__dataclass_fields__)
    run, budget, strategy = ({key: value for key, value in table.items() if key in part} for part in parts)
    return StudyTable(run, budget, strategy, *(table.get(name, {}) for name in ("search", "confirm", "vary")))
