"""The learner of Hochreiter and Schmidhuber 1997 as compiled kernels: `train.learner = "online"`, the extra `paper`."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from lstm_bench.errors import UsageError
from lstm_bench.spec import RunSpec, Value
from lstm_bench.task import Task

# What it is, and so what a spec must say that asks for it.
IS: dict[str, Value] = {
    "model.cell": "h97",
    "model.layers": 1,
    "model.bidirectional": False,
    "model.tied": False,
    "model.residual": False,
    "model.dropout": 0.0,
    "model.output_activation": "logistic",
    "cell.truncated": True,
    "train.optimizer": "sgd",
    "train.momentum": 0.0,
    "train.schedule": "constant",
    "train.warmup": 0,
    "train.weight_decay": 0.0,
    "train.clip": 0.0,
    "train.average_decay": 0.0,
    "device": "cpu",
}


def code(spec: RunSpec) -> list[Path]:
    """The files that a run's outcome depends on, where it is learnt here."""
    return sorted(Path(__file__).parent.glob("*.py")) if spec.train.learner == "online" else []


def check(spec: RunSpec, task: Task, cell: Mapping[str, Value]) -> None:
    """Refuse what the online learner cannot do.

    Args:
        spec: of a run.
        task: its own.
        cell: its options, written out.

    Raises:
        UsageError: it is of another kind, its task is none of 1997's, or numba is not installed.
    """
    found = {**spec.flat(), **{f"cell.{name}": value for name, value in cell.items()}}
    one_hot: dict[str, Value] = {} if task.signature.vocab is None else {"model.embedding": 0}
    for path, value in (IS | one_hot).items():
        if found.get(path) != value:
            raise UsageError(f"train.learner = 'online' with {path} = {found.get(path)!r}: expected {value!r}")
    if not hasattr(task, "of_errors"):
        raise UsageError(
            f"train.learner = 'online' with the task '{spec.task}': expected one of 1997's, such as h97-adding"
        )
    if find_spec("numba") is None:
        raise UsageError("train.learner = 'online' needs numba: pip install 'lstm-bench[paper]'")
