"""Random weight guessing: all weights are drawn anew, again and again, until a draw happens to fit.

The control of Hochreiter and Schmidhuber 1996, "LSTM can solve hard long time lag problems" (NIPS 9, section 1):
weights uniform in [-100, 100], a small network of biased units, each draw tried on a training set. A problem that this
solves soon is no test of learning. Their units are logistic and the output feeds back; here they are the tanh units of
`rnn` (the same function but for scale and shift), and the output does not feed back.
"""

from collections.abc import Iterator, Mapping
from math import exp, tanh
from typing import cast

import numpy as np
import torch
from numba import float64, int64
from torch import Tensor, nn

from lstm_bench.cells.kept import kept, part
from lstm_bench.learners import net
from lstm_bench.learners.judged import Judged, bounds_of, judge_on_valid
from lstm_bench.learners.net import BOUNDS, Bounds, Floats, Whole, data_of
from lstm_bench.model import SequenceModel
from lstm_bench.spec import ModelSpec, TrainSpec, Value
from lstm_bench.task import Batch, Signature, Task, generator
from lstm_bench.train_state import TrainState
from lstm_bench.training import Learner, Share, Sums

RANGE = 100.0  # weights are drawn within it
TRIED_ON = 256  # training sequences


def network(signature: Signature, spec: ModelSpec, options: Mapping[str, Value]) -> SequenceModel:
    """The network whose weights are guessed."""
    return SequenceModel(signature, spec, options)


def learner() -> Learner:
    """What the loop calls. A step is `batch_size` guesses, and `sequences` counts guesses."""
    train: list[Batch] = []  # drawn once

    def window(state: TrainState, task: Task, spec: TrainSpec, _: Iterator[Batch], share: Share) -> Sums:
        train.extend(() if train else [next(task.batches("train", TRIED_ON, state.seed))])
        return guess(state, cast(Judged, task), spec, train[0], share)

    return Learner(window, judge_on_valid())


def guess(state: TrainState, task: Judged, spec: TrainSpec, train: Batch, share: Share) -> Sums:
    """Guess to the next reading, or until a guess meets the criterion on the training set: the model has it then.

    The loss is the share of the training set that a guess never came to, since it had failed before.
    """
    data = data_of(train.inputs, train.lengths, every_step=False)
    aims, bounds = task.aims(train).double().numpy(), bounds_of(task)
    parts = weights_of(state.model)
    loss, hit = 0.0, False
    while not hit:
        random = generator(state.seed, "guess", state.step)
        size = (spec.batch_size, sum(part.numel() for part in parts))
        guesses = RANGE * (2 * torch.rand(size, generator=random, dtype=torch.float64) - 1)
        came = np.zeros(1, np.int64)
        found = int(trial(guesses.numpy(), len(parts[2]), data.features, data.lengths, aims, bounds, came))
        hit = found < spec.batch_size
        if hit:
            nn.utils.vector_to_parameters(guesses[found].float(), parts)
        tried = found + hit
        state.step += 1
        state.sequences += tried
        state.timesteps += int(came[0])
        loss += 1 - came[0] / (tried * int(data.lengths.sum()))
        if state.step % spec.eval_every == 0 or share() >= 1:
            break
    return Sums(torch.tensor(loss), torch.tensor(0.0), torch.tensor(0.0))


def weights_of(model: nn.Module) -> list[Tensor]:
    """What is guessed, in the order of a guess: of the inputs, of the units before, biases, head, its bias."""
    named = dict(model.named_parameters())
    cell = [named[f"layers.0.layer.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih")]
    return [*cell, named["head.weight"], named["head.bias"]]


@part
def read(weights: Floats, x: Floats, b: int, length: int, h: Floats, before: Floats) -> None:
    """What the units say at a sequence's end, into `h` [H]."""
    hidden, width = len(h), x.shape[2]
    recurrent = hidden * width
    bias = recurrent + hidden * hidden
    h[:] = 0.0
    for t in range(length):
        before[:] = h
        for j in range(hidden):
            total = weights[bias + j]
            for f in range(width):
                total += weights[j * width + f] * x[b, t, f]
            for k in range(hidden):
                total += weights[recurrent + j * hidden + k] * before[k]
            h[j] = tanh(total)


def _trial(guesses: Floats, hidden: int, x: Floats, lengths: Whole, aims: Floats, bounds: Bounds, came: Whole) -> int:
    """The first guess [W] that meets the criterion on all sequences, or their number; `came` counts time steps."""
    outputs, head = aims.shape[1], hidden * (x.shape[2] + hidden + 1)
    h, before = np.zeros(hidden), np.zeros(hidden)
    for g in range(len(guesses)):
        weights, wrong, error = guesses[g], 0, 0.0
        for b in range(len(x)):
            read(weights, x, b, lengths[b], h, before)
            came[0] += lengths[b]
            largest = 0.0
            for c in range(outputs):
                total = weights[head + outputs * hidden + c]
                for j in range(hidden):
                    total += weights[head + c * hidden + j] * h[j]
                off = abs(aims[b, c] - 1.0 / (1.0 + exp(-total)))
                largest, error = max(largest, off), error + off / (outputs * len(x))
            wrong += not largest < bounds.error
            if wrong >= bounds.allowed:
                break
        if wrong < bounds.allowed and error < bounds.mean:
            return g
    return len(guesses)


TRIAL = int64(float64[:, ::1], int64, float64[:, :, ::1], int64[::1], float64[:, ::1], BOUNDS, int64[::1])
trial = kept(_trial, TRIAL, [net])  # numba sees a change of this file itself
