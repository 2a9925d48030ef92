"""What is read is not squashed (NOAF of Greff et al. 2017)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class NoOutputActivation(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(output_activation=False)
