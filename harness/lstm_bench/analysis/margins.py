"""How large a difference must be to matter."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast, get_args

from lstm_bench.analysis.measures import Kind, Measure
from lstm_bench.errors import UsageError, unknown


@dataclass(frozen=True, slots=True)
class Margin:
    """A difference that does not matter.

    Attributes:
        amount: at least 0; of `relative` a share: 0.05 is 5 %.
        relative: to the value that is judged against; else in the measure's own unit.
    """

    amount: float
    relative: bool = True

    def on(self, measure: Measure, reference: float) -> float:
        """On the measure's scale, beside the value that is judged against.

        A share of a ratio is taken upwards: within 5 % is from 1 / 1.05 to 1.05. The value that is judged against is an
        estimate itself; of a margin of a few per cent that makes a difference to no verdict.
        """
        if measure.scale == "log":
            return math.log1p(self.amount if self.relative else self.amount / abs(reference))
        return self.amount * abs(reference) if self.relative else self.amount

    def __str__(self) -> str:
        return f"{100 * self.amount:g} %" if self.relative else f"{self.amount:g}"


DEFAULTS: Mapping[Kind, Margin] = {
    "score": Margin(0.01),
    "target": Margin(0.10),
    "speed": Margin(0.05),
    "memory": Margin(0.05),
    "size": Margin(0.0),
}


def margins(given: Iterable[str]) -> dict[Kind, Margin]:
    """The margins by kind, some of them as a user gives them: `score=0.005`, in its own unit, or `speed=5%`.

    Raises:
        UsageError: no such kind, or no margin.
    """
    found = dict(DEFAULTS)
    for text in given:
        kind, _, amount = text.partition("=")
        if kind not in get_args(Kind):
            raise unknown("margin", kind, get_args(Kind))
        told = re.fullmatch(r"(\d+\.?\d*(?:e-?\d+)?)\s*(%?)", amount.strip())
        if not told:
            raise UsageError(f"margin {kind} = '{amount}': expected a number in its unit such as 0.005, or a share: 5%")
        value, percent = float(told[1]), bool(told[2])
        found[cast(Kind, kind)] = Margin(value / 100 if percent else value, relative=percent)
    return found
