"""How well a model does on a split, in the precision that it is trained in."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from lstm_bench.model import State
from lstm_bench.spec import TrainSpec
from lstm_bench.task import Split, Tally, Task

EVAL_BATCH = 64  # sequences at once in every evaluation, whatever the training batch: scores stay comparable


@torch.no_grad()
def evaluate(
    model: nn.Module, task: Task, split: Split, seed: int, device: torch.device, spec: TrainSpec
) -> dict[str, float]:
    """The mean of each of the task's tallies over a whole split."""
    model.eval()
    tallies: dict[str, Tally] = {}
    recurrent: State | None = None
    for cpu_batch in task.batches(split, EVAL_BATCH, seed):
        batch = cpu_batch.to(device)
        with autocast(device, spec):
            output, recurrent = model(batch.inputs, recurrent if batch.carry else None, batch.lengths)
        output = output.float()
        if device.type == "mps":  # it has no float64, in which tallies add up
            output, batch = output.cpu(), cpu_batch
        tallies = added(tallies, task.tallies(output, batch))
    return {name: tally.value for name, tally in tallies.items()}


def added(tallies: Mapping[str, Tally], more: Mapping[str, Tally]) -> dict[str, Tally]:
    """The tallies of all batches so far; none before the first one."""
    return {name: tallies[name] + tally if name in tallies else tally for name, tally in more.items()}


def autocast(device: torch.device, spec: TrainSpec) -> AbstractContextManager[object]:
    """bfloat16 where the spec asks for it; losses and tallies are always float32 and wider."""
    return torch.autocast(device.type, torch.bfloat16) if spec.precision == "bfloat16" else nullcontext()
