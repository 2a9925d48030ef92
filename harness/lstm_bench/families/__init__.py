"""What the tasks of a family share, for whoever writes one: batches, losses, tallies and floors; the data are theirs.

A task derives from one class that brings batches (`Drawn`, `Labelled`, `Read`) and from one that scores (`Classifies`,
`Regresses`, `NextSymbol`), and writes the rest. None of them has fields: a task's options are all its own.
"""

from lstm_bench.families.classification import Labelled as Labelled
from lstm_bench.families.classification import Sequences as Sequences
from lstm_bench.families.language import Read as Read
from lstm_bench.families.language import Text as Text
from lstm_bench.families.scoring import Classifies as Classifies
from lstm_bench.families.scoring import NextSymbol as NextSymbol
from lstm_bench.families.scoring import Regresses as Regresses
from lstm_bench.families.scoring import score as score
from lstm_bench.families.synthetic import Drawn as Drawn
