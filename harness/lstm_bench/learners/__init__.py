"""The learners of 1997 as compiled kernels: `train.learner`, a module each, which the extra `paper` is needed for.

A module has `network(signature, spec, options)`, a `SequenceModel` with its weights drawn, and `learner()`, what the
loop of `training` calls with it.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lstm_bench.errors import UsageError
from lstm_bench.spec import RunSpec, Value
from lstm_bench.task import Task

# What each is, and so what a spec must say that asks for it.
BOTH: dict[str, Value] = {
    "model.layers": 1,
    "model.bidirectional": False,
    "model.tied": False,
    "model.residual": False,
    "model.dropout": 0.0,
    "train.average_decay": 0.0,
    "device": "cpu",
}
SGD: dict[str, Value] = {
    "train.optimizer": "sgd",
    "train.momentum": 0.0,
    "train.schedule": "constant",
    "train.warmup": 0,
    "train.weight_decay": 0.0,
    "train.clip": 0.0,
}
IS: Mapping[str, dict[str, Value]] = {
    "online": BOTH | SGD | {"model.cell": "h97", "cell.truncated": True},
    "guess": BOTH
    | {"model.cell": "rnn", "model.skip": False, "model.head_bias": True, "model.output_activation": "logistic"},
}


def load(spec: RunSpec) -> Any:
    """The module of a run's learner; None of the shared one."""
    return None if spec.train.learner == "shared" else import_module(f"{__name__}.{spec.train.learner}")


def code(spec: RunSpec) -> list[Path]:
    """The files that a run's outcome depends on, where it is learnt here."""
    return [] if spec.train.learner == "shared" else sorted(Path(__file__).parent.glob("*.py"))


def check(spec: RunSpec, task: Task, cell: Mapping[str, Value]) -> None:
    """Refuse what a run's learner cannot do.

    Args:
        spec: of a run.
        task: its own.
        cell: its options, written out.

    Raises:
        UsageError: it is of another kind, its task is none of 1997's, or numba is not installed.
    """
    if spec.train.learner == "shared":
        return
    asked = f"train.learner = '{spec.train.learner}'"
    found = {**spec.flat(), **{f"cell.{name}": value for name, value in cell.items()}}
    one_hot: dict[str, Value] = {} if task.signature.vocab is None else {"model.embedding": 0}
    for path, value in (IS[spec.train.learner] | one_hot).items():
        if found.get(path) != value:
            raise UsageError(f"{asked} with {path} = {found.get(path)!r}: expected {value!r}")
    if not hasattr(task, "of_errors"):
        raise UsageError(f"{asked} with the task '{spec.task}': expected one of 1997's, such as h97-adding")
    if spec.train.learner == "guess" and (task.signature.vocab is not None or task.signature.every_step):
        raise UsageError(f"{asked} with the task '{spec.task}': expected numbers in, one answer, as h97-two-sequence")
    if find_spec("numba") is None:
        raise UsageError(f"{asked} needs numba: pip install 'lstm-bench[paper]'")
