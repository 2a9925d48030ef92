"""How much a searched parameter mattered, and how sure that is. `tuning.importance` finds it; figures show it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Share:
    """A parameter's share of the importance of all.

    Attributes:
        share: by all complete trials.
        low: the 5th percentile over bootstraps of the trials. Few trials can move it above `share`.
        high: the 95th.
    """

    share: float
    low: float
    high: float


Importances = Mapping[str, Mapping[str, Share]]  # by method, by path; the largest share of the first method first
