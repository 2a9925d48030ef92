"""Where a run computes, in what precision, and how repeatably. Nothing here starts CUDA: the driver asks, too."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from lstm_bench.errors import UsageError
from lstm_bench.meter import cards, has_native_bfloat16
from lstm_bench.spec import Device, ModelSpec, Precision, RunSpec

# Units a layer from which a step is faster in bfloat16 on a CPU with its instructions. torch has a kernel of its own
# for `lstm` alone; the cells that are not here gain a third at most.
FASTER_FROM: Mapping[str, int] = {"lstm": 64, "gru": 512, "layernorm-lstm": 512, "rnn": 512}


def resolved_device(name: Device) -> Device:
    """The device that `auto` is on this machine; any other name as it is.

    Raises:
        UsageError: torch is built without it.
    """
    if name == "auto":
        return _usual_device()
    backend: Any = {"cuda": torch.backends.cuda, "mps": torch.backends.mps}.get(name)
    if backend and not backend.is_built():  # asks the build; a card is not touched here
        kind = {"cuda": "CUDA", "mps": "MPS"}[name]
        raise UsageError(
            f"device = '{name}': torch {torch.__version__} is built without {kind}: install a build with it"
        )
    return name


def _usual_device() -> Device:
    if torch.backends.mps.is_built():
        return "mps"
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1")
    return "cuda" if torch.backends.cuda.is_built() and not is_hidden and cards().get("gpus") else "cpu"


def resolved_precision(precision: Precision, device: str, model: ModelSpec | None) -> Precision:
    """What `auto` is: bfloat16 where it is known to make a training step faster, else float32.

    On one core of a Xeon with AMX (torch 2.13), a layer at batch 32, T = 100, forward, backward and AdamW, in bfloat16
    as the multiple of float32's speed: `lstm` 0.9 with 32 units, 1.4 with 64, 1.5 with 128, 1.7 with 256, 1.8 with 512;
    `gru` 0.5, 0.6, 0.8, 1.0, 1.4; `rnn` 0.4, 0.4, 0.6, 1.0, 1.2. `make microbench` measures it on yours.

    Args:
        precision: as it is asked.
        device: resolved.
        model: None: a module of somebody's, of which nothing is known.
    """
    if precision != "auto":
        return precision
    is_faster = model is not None and model.hidden >= FASTER_FROM.get(model.cell, 10**9)
    return "bfloat16" if is_faster and has_native_bfloat16(device) else "float32"


@contextmanager
def deterministic(spec: RunSpec) -> Iterator[None]:
    """Have torch refuse what may not repeat, while a `strict` run is inside.

    A CPU repeats itself anyway. On a card cuBLAS needs a workspace of its own, which it asks for when it is started;
    cuDNN's dropout, which has a record of not repeating, is never used: ours is a module between the layers.
    """
    if spec.determinism == "seeded":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
