"""One gate for two: what is forgotten is what is written, f = 1 - i (CIFG of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class Coupled(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(forget_gate="coupled")
