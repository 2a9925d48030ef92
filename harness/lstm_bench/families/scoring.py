"""What is minimised and what is measured: classes, real values, the next symbol. And the score of any answer."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lstm_bench.losses import accuracy, bits, cross_entropy, mean_squared_error, perplexity, squared_error
from lstm_bench.task import Batch, Split, Tally, Task

AT_ONCE = 256  # sequences that a floor or an oracle answers together


class Classifies:
    """One class of several, for the sequence or at every scored step of it. Score: `accuracy`."""

    __slots__ = ()

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, C] or [B, T, C] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`accuracy`, of the scored steps."""
        return {"accuracy": accuracy(output, batch.targets)}


class Regresses:
    """Real values at the end of a sequence. Score: `mse`."""

    __slots__ = ()

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Mean squared error of [B, C]."""
        return mean_squared_error(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`mse`, over all values."""
        return {"mse": squared_error(output, batch.targets)}


class NextSymbol:
    """The next symbol at each step. Score: `bpc`, bits a character; or `perplexity`, its name among words."""

    __slots__ = ()

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy in nats of [B, T, C] logits."""
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        """`bpc` and `perplexity`: the same measurement."""
        return {"bpc": bits(output, batch.targets), "perplexity": perplexity(output, batch.targets)}


def score(task: Task, answer: Callable[[Batch], Tensor], *, seed: int, split: Split = "test") -> float:
    """What an answer that no network gave scores: a constant, an oracle, a classical model.

    Args:
        task: whose tallies are taken.
        answer: from a batch to an output, [B, C] or [B, T, C].
        seed: of the split.
        split: test, as floors are.
    """
    tallies = [task.tallies(answer(batch), batch)[task.goal.metric] for batch in task.batches(split, AT_ONCE, seed)]
    return sum(tallies[1:], tallies[0]).value


def frequencies(targets: Tensor, outputs: int) -> Tensor:
    """Log of how often each class is the target, [outputs], as logits: the best constant answer of a classifier.

    Args:
        targets: int64, of any shape; those below zero are not scored.
        outputs: C. A class that never occurs gets half an occurrence, so that no logit is infinite.
    """
    counts = torch.bincount(targets[targets >= 0].flatten(), minlength=outputs).double()
    return (counts.clamp(min=0.5) / counts.sum()).log().float()
