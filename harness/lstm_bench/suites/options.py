"""A study as options ask for it, on a command line or in Python: a task by name, or a file, with values on top."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lstm_bench.record.disk import file_name
from lstm_bench.suites import StudyTable, read_study


def table_of(
    what: str | Path,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    seeds: int | None = None,
    confirm_seeds: int | None = None,
    top: int | None = None,
    run_timeout: float | None = None,
    max_failures: int | None = None,
    sampler: str | Mapping[str, Any] | None = None,
    pruner: str | Mapping[str, Any] | None = None,
    objectives: Sequence[str] | None = None,
    enqueue: Sequence[Mapping[str, Any]] | None = None,
    deterministic: bool = False,
) -> tuple[StudyTable, str]:
    """The study that is asked for, not yet checked, and what it is called where nobody gives it a name.

    `what` is a task's name, `module:attr`, or a TOML file of one study. The others are as in `Budget` and `Strategy`
    (`top`: `confirm_top`), and come before what the file says; what is None, empty or False is as there.

    Raises:
        UsageError: no such file, or it is none of a study.
    """
    path = Path(what)
    from_file = path.suffix == ".toml"
    table = read_study(path) if from_file else StudyTable({"task": str(what)})
    budget = {
        "trials": trials,
        "minutes": minutes,
        "seeds": seeds,
        "confirm_seeds": confirm_seeds,
        "confirm_top": top,
        "run_timeout": run_timeout,
        "max_failures": max_failures,
    }
    strategy = {
        "sampler": dict(sampler) if isinstance(sampler, Mapping) else sampler,
        "pruner": dict(pruner) if isinstance(pruner, Mapping) else pruner,
        "objectives": list(objectives or ()),
        "enqueue": [dict(setting) for setting in enqueue or ()],
        "deterministic": deterministic,
    }
    stem = path.stem if from_file else file_name(str(what))
    return table.updated(budget=given(**budget), strategy=given(**strategy)), stem


def given(**values: Any) -> dict[str, Any]:
    """Those options that the user gave."""
    return {name: value for name, value in values.items() if value is not None and value is not False and value != []}
