"""What a check finds."""

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lstm_bench.errors import in_one_line


class State(enum.StrEnum):
    """How a check ended. `failed` alone ends the command with exit code 4."""

    WELL = "well"
    NOTE = "note"  # works, and worth knowing
    FAILED = "failed"
    ABSENT = "absent"  # there is no such thing here, and none is needed


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check says.

    Attributes:
        state: one word.
        found: in one sentence.
        fix: what to do about it; of a failure always there.
        figures: by name with its unit, for machines.
    """

    state: State
    found: str
    fix: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "state": self.state.value}


def failed(error: BaseException, fix: str) -> Finding:
    """What an error says; its own way out, behind a semicolon, gives way to `fix`."""
    found = in_one_line(error) or type(error).__name__
    return Finding(State.FAILED, found.partition("; ")[0], fix)
