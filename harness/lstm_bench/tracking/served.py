"""What MLflow executes to load a logged model: a model as code, so that nothing is unpickled.

A script, not a module to import: MLflow copies it into the model, and takes there what it sets at its end.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from lstm_bench.errors import UsageError
from lstm_bench.record.weights import load_model, signature_of


class Served(PythonModel):
    """A run's model as MLflow calls it: on the CPU, from zero state, any number of sequences of any length."""

    def load_context(self, context: PythonModelContext) -> None:
        """Make the model from the files that lie beside this code."""
        folder = Path(context.artifacts["run"])
        self.model, self.signature = load_model(folder), signature_of(folder)

    def predict(self, context: PythonModelContext, model_input: np.ndarray, params: Any = None) -> np.ndarray:  # noqa: ARG002
        """The model's output.

        Args:
            context: MLflow's.
            model_input: [B, T] int64 tokens, or [B, T, F] float32.
            params: none are known.

        Returns:
            [B, C], or [B, T, C] where the task wants an output at every step; float32.

        Raises:
            UsageError: the input has another shape or type, has no step, or tokens that the model does not know.
        """
        self._check(model_input)
        inputs = torch.from_numpy(np.array(model_input, order="C"))  # torch takes no other order, nor what is read-only
        with torch.inference_mode():
            output, _ = self.model(inputs)
        found: np.ndarray = output.numpy()
        return found

    def _check(self, found: Any) -> None:
        """Refuse what is no input of the model: MLflow's own check knows no tokens, and lets empty ones pass."""
        vocab, features = self.signature.vocab, self.signature.features
        kind, sizes, names = (np.int64, [], "") if vocab else (np.float32, [features], f", {features}")
        shape, dtype = list(getattr(found, "shape", [])), getattr(found, "dtype", type(found).__name__)
        if dtype != kind or len(shape) < 2 or shape[2:] != sizes or 0 in shape:
            raise UsageError(
                f"the input is {dtype} {shape}: expected a NumPy array, {kind.__name__} [batch, time{names}], with one "
                "sequence and one step at least"
            )
        if vocab and not (found.min() >= 0 and found.max() < vocab):
            raise UsageError(f"the input has tokens from {found.min()} to {found.max()}: expected 0 to {vocab - 1}")


set_model(Served())
