"""No output gate, o = 1 (NOG of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class NoOutput(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(output_gate=False)
