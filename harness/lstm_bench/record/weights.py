"""The weights of a run's best reading among its files, and the model that they make. Nothing here unpickles."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from lstm_bench.errors import BenchError, UsageError, in_one_line
from lstm_bench.model import SequenceModel
from lstm_bench.record.disk import SCHEMA, as_json, write_whole
from lstm_bench.record.run import RunFiles
from lstm_bench.spec import checked
from lstm_bench.task import Signature
from lstm_bench.writing import whole


def save_model(files: RunFiles, weights: Mapping[str, Tensor], signature: Signature) -> None:
    """Write what a run has learnt, and what its model is sized from: with its spec, all that the model needs.

    Raises:
        RecordError: they cannot be written.
    """
    write_whole(files.signature, as_json({"schema": SCHEMA, **asdict(signature)}))
    save(files.weights, weights)  # last: where there are weights, there is all the rest


def load_model(folder: Path) -> SequenceModel:
    """The model that a run's folder holds, on the CPU, in evaluation mode; neither its task nor its data are needed.

    torch's global generator is left as it is.

    Raises:
        UsageError: the folder holds no model, or its cell cannot be imported.
        BenchError: its weights are damaged, or are not those of the cell as its code is now.
    """
    files = RunFiles(folder)
    if not files.weights.exists():
        raise UsageError(
            f"{folder} holds no {files.weights.name}, expected the folder of a confirming run: no other keeps its "
            "weights; `lstm-bench confirm STUDY` makes such runs"
        )
    with torch.random.fork_rng(devices=[]):
        model = SequenceModel(signature_of(folder), files.spec.model, files.spec.cell)
    try:
        model.load_state_dict(load(files.weights))
    except RuntimeError as error:  # another cell's, or an earlier code's
        raise BenchError(
            f"{files.weights} does not fit the model in {folder / 'spec.toml'}: {in_one_line(error)}"
        ) from error
    return model.eval()


def signature_of(folder: Path) -> Signature:
    """What the model in a run's folder is sized from."""
    values = json.loads(RunFiles(folder).signature.read_text())
    del values["schema"]
    return checked(Signature, values, "")


def save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, of any device and as they are, so that they are there whole or not at all.

    Raises:
        RecordError: they cannot be written; what was there before stays.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with whole(path) as file:
        file.write(safetensors.torch.save(plain, metadata={"format": "pt"}))


def load(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU.

    Raises:
        BenchError: the file is damaged, or another thing.
    """
    try:
        return safetensors.torch.load_file(path)
    except SafetensorError as error:
        raise BenchError(f"{path}: {in_one_line(error)}; expected a whole safetensors file") from error
