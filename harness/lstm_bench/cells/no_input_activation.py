"""What is written is not squashed (NIAF of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class NoInputActivation(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(input_activation=False)
