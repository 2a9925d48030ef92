"""No input gate, i = 1 (NIG of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class NoInput(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(input_gate=False)
