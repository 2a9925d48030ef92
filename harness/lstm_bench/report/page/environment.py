"""Where the studies were worked at: machines, versions, commits, and what was changed since."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lstm_bench.record.files import Results
from lstm_bench.report.page.contents import Report

OWN = ("schema", "command", "commands", "host", "versions", "diff")  # of a study, or shown apart
LONGEST_DIFF = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Place:
    """An environment that studies share.

    Attributes:
        studies: their names.
        facts: of the machine and the code, by name.
        versions: of packages.
        diff: what was changed in the code since its commit; empty where nothing was, or nobody kept it.
    """

    studies: list[str]
    facts: dict[str, str]
    versions: dict[str, str]
    diff: str = ""


def places(report: Report) -> list[Place]:
    """The environments of a report's studies, each once."""
    found: list[Place] = []
    for study in report.studies:
        machine = study.machine or (study.board["confirmed"] or {}).get("machine", {})
        facts = {key: _worded(value) for key, value in machine.items() if key not in OWN}
        one = Place([study.name], facts, dict(machine.get("versions", {})), _diff(report.results, machine))
        same = next(
            (at for at in found if (at.facts, at.versions, at.diff) == (one.facts, one.versions, one.diff)), None
        )
        if same:
            same.studies.append(study.name)
        else:
            found.append(one)
    return found


def _worded(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _diff(results: Results, machine: Mapping[str, Any]) -> str:
    kept = results.diffs / f"{machine.get('diff')}.patch"
    if "diff" not in machine or not kept.exists():
        return ""
    text = kept.read_text("utf-8", errors="replace")
    return text if len(text) <= LONGEST_DIFF else f"{text[:LONGEST_DIFF]}\n... the rest stands in {kept.name}"
