"""No forget gate, f = 1: the LSTM of 1997 but for its truncated gradient (NFG of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class NoForget(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(forget_gate="none")
