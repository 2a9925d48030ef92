"""What studies are called: those of a suite, and the arms of what varies."""

import re
from pathlib import Path

from lstm_bench.record.disk import file_name
from lstm_bench.spec import Value
from lstm_bench.suites import read_suite


def studies_of(suite: str) -> dict[str, list[str]]:
    """The names of a suite's studies, by their arm; those of which nothing varies under an empty name.

    Raises:
        UsageError: no such suite or file, or it is not one.
    """
    found: dict[str, list[str]] = {}
    for table in read_suite(suite):
        arms = [arm_name(path, value) for path, values in table.vary.items() for value in values]
        for arm in arms or [""]:
            found.setdefault(arm, []).append(study_name(suite, str(table.run.get("task")), arm))
    return found


def study_name(suite: str, task: str, arm: str = "") -> str:
    """The name of a suite's study: `quick-digits`."""
    return joined(f"{Path(suite).stem}-{file_name(task)}", arm)


def joined(name: str, arm: str) -> str:
    """The name of an arm's study; a study that is no ablation has one arm without a name."""
    return f"{name}-{arm}" if arm else name


def arm_name(path: str, value: Value) -> str:
    """What an arm's study is called after: `layers-2`; what a name may not have in it becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{path.rpartition('.')[2]}-{value}")
