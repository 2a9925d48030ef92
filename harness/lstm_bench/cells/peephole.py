"""The LSTM whose gates see its state: i and f the one before, o the one after (Gers and Schmidhuber 2000)."""

from typing import ClassVar

from lstm_bench.cells.engine import Variant
from lstm_bench.cells.gated import Gated


class Peephole(Gated):
    """See `Gated`."""

    variant: ClassVar[Variant] = Variant(peepholes=True)
