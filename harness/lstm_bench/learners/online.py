"""The learner of 1997 in the shared loop: one sequence at a time, until the paper's own criterion holds."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

import numpy as np
import torch
from torch import Tensor, nn

from lstm_bench.cells.h97 import H97
from lstm_bench.learners import kernels
from lstm_bench.learners.judged import Judged, bounds_of, judge_on_valid
from lstm_bench.learners.net import FEW, LANES, Floats, Net, Room, Weights, data_of, room_of, whole, zeros
from lstm_bench.model import OneHot, SequenceModel, State
from lstm_bench.spec import ModelSpec, TrainSpec, Value
from lstm_bench.task import Batch, Signature, Task
from lstm_bench.train_state import TrainState
from lstm_bench.training import Learner, Share, Sums


class Packed(NamedTuple):
    """A model's weights in the arrays of a net, room for it, and where each of the model's tensors lies in them."""

    net: Net
    room: Room
    slots: list[tuple[Tensor, Floats]]

    @torch.no_grad()
    def unpack(self) -> None:
        """Put into the model what the net has learnt."""
        for weights, place in self.slots:
            weights.copy_(torch.from_numpy(place))


class OnlineModel(SequenceModel):
    """The same network in float64, whose outputs are worked out by a kernel: it learns without autograd."""

    @torch.no_grad()
    def forward(
        self,
        inputs: Tensor,
        state: State | None = None,  # noqa: ARG002  # what a model takes; no task of 1997 carries one
        lengths: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Outputs [B, T, C] or [B, C] in float64, zero behind a sequence's end; no state is carried."""
        data = data_of(inputs, lengths, every_step=self.every_step)
        steps = inputs.shape[1] if self.every_step else 1
        out = np.zeros((len(inputs), steps, self.head.out_features))
        net, room, _ = self.packed()
        kernels.answer(net, room.now, data, out)
        found = torch.from_numpy(out)
        return found if self.every_step else found[:, 0], ()

    @torch.no_grad()
    def packed(self) -> Packed:
        """The weights as the kernels see them, in memory of their own."""
        cell, head, cells = cast(H97, self.layers[0]), self.head, cast(H97, self.layers[0]).hidden
        units, outputs = len(cell.weight_input), len(head.weight)
        vocab = self.encoder.vocab if isinstance(self.encoder, OneHot) else 0
        width = 0 if vocab else cell.weight_input.shape[1]
        across, along = whole(units, LANES), whole(outputs, LANES)
        sees = [(units + width + 1, across), (vocab, across)]
        hears = [(cells + width + 1, along), (vocab if self.skip else 0, along)]
        found = zeros(*sees, *hears, *sees, *hears)
        weights, there = Weights(*found[:4]), Weights(*found[4:])
        seen, read, heard, skip = weights
        see, reads = seen[:, :units].T, read[:, :units].T
        hear, skips = heard[:, :outputs].T, skip[:, :outputs].T
        slots = [(cell.weight_input, reads if vocab else see[:, units:-1]), (head.weight[:, :cells], hear[:, :cells])]
        if cell.weight_hidden is not None:
            slots.append((cell.weight_hidden, see[:, :units]))
        if cell.bias is not None:
            slots.append((cell.bias, see[-len(cell.bias) :, -1]))
        if self.skip:
            slots.append((head.weight[:, cells:], skips if vocab else hear[:, cells:-1]))
        if head.bias is not None:
            slots.append((head.bias, hear[:, -1]))
        for _, place in slots:
            place[:] = 1
        for ones, part in zip(there, weights, strict=True):
            ones[:] = part
        for learnt, place in slots:
            place[:] = learnt.numpy()
        nth, layer = np.divmod(np.arange(cells), cell.block_size)
        gated, logistic = cells // cell.block_size * cell.output_gate, isinstance(self.squash, nn.Sigmoid)
        gate = np.zeros(whole(cells, FEW), np.int64)
        gate[:cells] = cells + nth
        net = Net(weights, there, gate, layer, gated, logistic)
        return Packed(net, room_of(net), slots)


def network(signature: Signature, spec: ModelSpec, options: Mapping[str, Value]) -> OnlineModel:
    """The network that the learner works on."""
    return OnlineModel(signature, spec, options).double()


def learner() -> Learner:
    """What the loop calls; the task must be one of 1997's: see `Judged`."""
    on_valid = judge_on_valid()

    def judge(state: TrainState, task: Task, spec: TrainSpec) -> dict[str, float]:
        if state.latest is None:
            return on_valid(state, task, spec)
        return {name: tally.value for name, tally in cast(Judged, task).of_errors(*state.latest.unbind(1)).items()}

    return Learner(window, judge)


def window(state: TrainState, task: Task, spec: TrainSpec, batches: Iterator[Batch], share: Share) -> Sums:
    """Learn from sequences one by one, to the next reading or until the latest meet the criterion."""
    judged, model = cast(Judged, task), cast(OnlineModel, state.model)
    if judged.latest and state.latest is None:
        state.latest = torch.ones(judged.latest, 2, dtype=torch.float64)  # who has not come yet is wholly wrong
    latest = np.zeros((0, 2)) if state.latest is None else state.latest.numpy()
    packed, loss, norm, largest = model.packed(), 0.0, 0.0, 0.0
    for batch in batches:
        data = data_of(batch.inputs, batch.lengths, every_step=model.every_step)
        aims = judged.aims(batch).double().view(len(batch.inputs), -1, model.head.out_features).numpy()
        sums = np.zeros(3)
        told = kernels.learn(
            packed.net, *packed.room, data, aims, spec.lr, latest, state.sequences, bounds_of(judged), sums
        )
        done = abs(told)
        loss, norm, largest = loss + sums[0] / done, norm + sums[1] / done, max(largest, sums[2])
        state.step += 1
        state.sequences += done
        state.timesteps += int(data.lengths[:done].sum())
        if told < 0 or state.step % spec.eval_every == 0 or share() >= 1:
            break
    packed.unpack()
    return Sums(*torch.tensor([loss, norm, largest]))
