"""A training loop as one writes it by hand, over a task's batches: what a run is measured against.

`python bare.py '{"task": "adding", "train.steps": 1000, ...}' [more of them]` trains one after the other and prints the
step and the time at each evaluation, as a line of JSON.
"""

import json
import sys
import time
from typing import Any

import torch

from lstm_bench.execute import spec_of
from lstm_bench.meter import synchronize
from lstm_bench.model import SequenceModel


def loop(settings: dict[str, Any]) -> None:
    spec, task = spec_of({"task": settings.pop("task")}, settings)
    asked = spec.train
    task.prepare()
    torch.set_num_threads(spec.threads)
    torch.manual_seed(spec.seed)
    device = torch.device(spec.device)
    model = SequenceModel(task.signature, spec.model, spec.cell).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=asked.lr, weight_decay=0.0, fused=True)
    for step, cpu_batch in enumerate(task.batches("train", asked.batch_size, spec.seed), 1):
        batch = cpu_batch.to(device)
        output, _ = model(batch.inputs)
        loss = task.loss(output, batch)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), asked.clip)
        optimizer.step()
        if step % asked.eval_every == 0:
            model.eval()
            with torch.no_grad():
                for cpu_held_out in task.batches("valid", 64, spec.seed):
                    held_out = cpu_held_out.to(device)
                    task.tallies(model(held_out.inputs)[0], held_out)
            model.train()
            synchronize(device)
            print(json.dumps({"step": step, "at": time.time()}), flush=True)
        if step == asked.steps:
            return


for argument in sys.argv[1:]:
    loop(json.loads(argument))
