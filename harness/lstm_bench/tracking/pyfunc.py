"""A run's model in MLflow: weights, spec and code, with what it takes and needs. Nothing in it is pickled.

It carries this package's code, which no index has, and that of its cell: it loads where neither is installed.
"""

import inspect
import logging
import math
import re
import shutil
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, ModelSignature
from mlflow.types import Schema, TensorSpec

import lstm_bench
from lstm_bench.cells.make import load_cell
from lstm_bench.record.run import RunFiles
from lstm_bench.record.weights import signature_of
from lstm_bench.task import Signature
from lstm_bench.tracking import retried

logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # that it validates an example is no news to a person

CODE = Path(__file__).with_name("served.py")
RUN = "run"  # tag of a logged model: of which run's folder it was made
# What the code in a model imports, beside Python's own.
NEEDS = ("filelock", "mlflow", "numpy", "pydantic", "safetensors", "tomli-w", "torch")
ANY = -1  # MLflow's word for a dimension of any size
EXAMPLE = (2, 8)  # sequences and steps of the input example


def log_model(client: MlflowClient, experiment_id: str, mlflow_run_id: str, folder: Path, name: str) -> str:
    """Log the model in a run's folder as an output of an MLflow run. What is there already is not made again.

    Stopped anywhere, it goes on there when it is called again.

    Args:
        client: of the store.
        experiment_id: the experiment that the MLflow run lies in.
        mlflow_run_id: whose output it is; need not be the run that the folder is of.
        folder: of a confirming run, which has kept its weights.
        name: the model's; what MLflow does not allow in it becomes `-`.

    Returns:
        The model's URI, `models:/<id>`.

    Raises:
        UsageError: the model's cell cannot be imported here.
    """
    model = _known(client, experiment_id, mlflow_run_id, folder.name)
    if model is None:
        model = client.create_logged_model(
            experiment_id,
            name=re.sub(r"""[/:.%"']""", "-", name),
            source_run_id=mlflow_run_id,
            tags={RUN: folder.name},
            params={path: str(value) for path, value in RunFiles(folder).spec.flat().items()},
            model_type="lstm-bench",
        )
    if model.status != LoggedModelStatus.READY:
        with tempfile.TemporaryDirectory() as temporary:
            path, own = Path(temporary) / "model", model.model_id
            save_model(folder, path, Model(model.artifact_location, mlflow_run_id, model_uuid=own, model_id=own))
            with retried():
                client.log_model_artifacts(model.model_id, str(path))
        client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    outputs = client.get_run(mlflow_run_id).outputs
    if model.model_id not in {output.model_id for output in (outputs.model_outputs if outputs else ())}:
        client.log_outputs(mlflow_run_id, [LoggedModelOutput(model.model_id, step=0)])
    return str(model.model_uri)


def _known(client: MlflowClient, experiment_id: str, mlflow_run_id: str, run: str) -> LoggedModel | None:
    """The model that an MLflow run has of a run of ours."""
    condition = f"source_run_id = '{mlflow_run_id}' AND tags.`{RUN}` = '{run}'"
    return next(iter(client.search_logged_models([experiment_id], condition)), None)


def save_model(folder: Path, path: Path, about: Model | None = None) -> None:
    """Write the model in a run's folder as an MLflow model.

    Args:
        folder: of a confirming run.
        path: where to; a new folder.
        about: what the store knows of it.
    """
    files, signature = RunFiles(folder), signature_of(folder)
    cell: Any = load_cell(files.spec.model.cell)
    by_place = {"model.cell": f"{cell.__module__}:{cell.__qualname__}"}  # entry points are unknown where it is loaded
    with tempfile.TemporaryDirectory() as temporary:
        kept = RunFiles(Path(temporary) / RUN)
        kept.path.mkdir()
        (kept.path / "spec.toml").write_text(files.spec.with_values(by_place).to_toml())
        for source in (files.signature, files.weights):
            shutil.copy(source, kept.path)
        mlflow.pyfunc.save_model(
            path,
            python_model=CODE,
            artifacts={RUN: str(kept.path)},
            code_paths=sorted({str(package_of(owner)) for owner in (Signature, cell)}),
            pip_requirements=requirements(),
            signature=schema(signature),
            input_example=example(signature),
            metadata={"lstm_bench": lstm_bench.__version__, RUN: folder.name},
            mlflow_model=about,
        )


def package_of(cls: type) -> Path:
    """The folder of the outermost package that a class lies in; of a module outside of any, its file."""
    top, file = sys.modules[cls.__module__.partition(".")[0]], Path(inspect.getfile(cls))
    return next((Path(path) for path in getattr(top, "__path__", ()) if file.is_relative_to(path)), file)


def requirements() -> list[str]:
    """What a logged model needs, at the versions that are installed; of a local build its public version."""
    return [f"{name}=={version(name).partition('+')[0]}" for name in NEEDS]


def schema(signature: Signature) -> ModelSignature:
    """What a model takes and gives, for any number of sequences of any length."""
    if signature.features:
        taken = TensorSpec(np.dtype(np.float32), (ANY, ANY, signature.features))
    else:
        taken = TensorSpec(np.dtype(np.int64), (ANY, ANY))
    every = (ANY, ANY) if signature.every_step else (ANY,)
    given = TensorSpec(np.dtype(np.float32), (*every, signature.outputs))
    return ModelSignature(Schema([taken]), Schema([given]))


def example(signature: Signature) -> np.ndarray:
    """A small input that the model takes: a ramp from -1 to 1, or tokens in their order."""
    if signature.features:
        shape = (*EXAMPLE, signature.features)
        return np.linspace(-1, 1, math.prod(shape), dtype=np.float32).reshape(shape)
    assert signature.vocab, "one of the two is given"
    return np.arange(math.prod(EXAMPLE), dtype=np.int64).reshape(EXAMPLE) % signature.vocab
