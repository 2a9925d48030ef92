"""From Python: train anyone's module, run one model, search. `lstm_bench` itself exports what is here."""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from lstm_bench import training
from lstm_bench.adapter import Adapter
from lstm_bench.analysis.answer import Board
from lstm_bench.bench import run_study
from lstm_bench.device import resolved_device, resolved_precision
from lstm_bench.errors import UsageError
from lstm_bench.execute import asked_of, check_epochs, spec_of
from lstm_bench.meter import Watch
from lstm_bench.once import run_once
from lstm_bench.plugins import look_here
from lstm_bench.pool import cores
from lstm_bench.record.files import Results
from lstm_bench.result import Reading, RunResult
from lstm_bench.spec import Count, TrainSpec, Value, check_value, checked, flattened, over
from lstm_bench.suites.options import table_of
from lstm_bench.task import Task
from lstm_bench.train_state import TrainState
from lstm_bench.tuning.study import Question, check_name


def train(
    model: nn.Module,
    task: "str | Path | Task",
    spec: TrainSpec | None = None,
    *,
    seed: int = 0,
    device: str | torch.device = "cpu",
    **values: Value,
) -> Generator[Reading, None, None]:
    """Train your own module, here and in place.

    `for reading in train(model, "adding", steps=500): print(reading)`. Leave the loop when you have seen enough: the
    module is as it was at the last reading then, and in evaluation mode. Nothing is written. torch's own seed and
    number of threads are left alone: the module has its weights already, the order of the data comes from `seed`, and
    what dropout draws is yours to seed (`torch.manual_seed`).

    Args:
        model: `forward(inputs) -> output`, with inputs [B, T] or [B, T, F] and an output [B, C], or [B, T, C] where
            the task wants one at every step. It may take `state` and `lengths` by these names; one that takes a state
            returns `(output, state)`.
        task: a name, `module:attr`, a study's TOML file (its task, options and `train`), or a task itself.
        spec: how to train, whole; None: as a run of the task begins.
        seed: of the order of the data, and of the split where the task draws one.
        device: where to; the module is moved there.
        values: of `TrainSpec`, on top of the spec: `steps`, `lr`, `batch_size`, ...; a budget of another kind, such
            as `epochs`, takes the place of its steps.

    Returns:
        A generator of readings, one each `eval_every` steps and one at the end; closing it ends the training. What ends
        a run before its budget, a target or `patience`, ends nothing here: leave the loop.

    Raises:
        UsageError: something does not exist or cannot be; what the module returns is looked at when it is first called.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"model is {_told(model)}: expected an object of torch.nn.Module")
    asked, begin = _task_of(task)
    asked.prepare()
    place = torch.device(resolved_device("auto") if device == "auto" else device)
    spec = checked(TrainSpec, over(asdict(spec or begin), values, where=""), "train.")
    check_epochs(spec, asked)
    spec = replace(spec, precision=resolved_precision(spec.precision, place.type, None))
    state = TrainState.fresh(Adapter(model, asked.signature), spec, seed=seed, device=place)
    return training.train(state, asked, spec, watch=Watch())


def _task_of(task: "str | Path | Task") -> tuple[Task, TrainSpec]:
    """A task, and how a run of it begins to train."""
    if isinstance(task, str | Path):
        look_here()
        spec, found = asked_of(table_of(task)[0].run, {})
        return found, spec.train
    if isinstance(task, type) or not hasattr(task, "batches"):
        raise UsageError(f"task is {_told(task)}: expected a name, module:attr, a TOML file, or an object of a task")
    own = {path.removeprefix("train."): v for path, v in task.defaults.items() if path.startswith("train.")}
    return task, checked(TrainSpec, own, "train.")


@dataclass(frozen=True, slots=True)
class Run:
    """One run that has ended.

    Attributes:
        id: its name in the results folder.
        result: how it ended, and its figures.
        readings: one for each evaluation.
    """

    id: str
    result: RunResult
    readings: list[Reading]


def run(
    task: str,
    settings: Mapping[str, Any] | None = None,
    *,
    seed: int | None = None,
    results: str | Path = "results",
    tracking_uri: str | None = None,
    run_timeout: float | None = None,
    quiet: bool = True,
) -> Run:
    """Train one model once, in a process of its own, as `lstm-bench run` does: `run("adding", {"train.lr": 1e-2})`.

    A run that diverges, crashes or runs out of memory raises nothing: its result says so.

    Args:
        task: a name, or `module:attr`; a module in the working directory is found.
        settings: values by dotted path, or in tables: `{"train": {"lr": 1e-2}}`.
        seed: of weights and data; None: that of the settings, or 0.
        results: where everything is kept.
        tracking_uri: of the MLflow server that shows it; None: a store in the results folder.
        run_timeout: seconds after which the run counts as hung.
        quiet: whether nothing is printed.

    Raises:
        BenchError: something does not exist or cannot be, or the data cannot be had.
    """
    look_here()
    own = {} if seed is None else {"seed": seed}
    spec, _ = spec_of({"task": _reachable(task)}, {**flattened(settings or {}), **own})
    where = Results.at(results, tracking_uri)
    run_id, result = run_once(spec, results=where, console=_console(quiet=quiet), run_timeout=run_timeout)
    return Run(run_id, result, where.run(run_id).readings)


def search(
    what: str | Path,
    *,
    trials: int | None = None,
    minutes: float | None = None,
    seeds: int | None = None,
    workers: int | None = None,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    space: Mapping[str, Any] | None = None,
    sampler: str | Mapping[str, Any] | None = None,
    pruner: str | Mapping[str, Any] | None = None,
    objectives: Sequence[str] | None = None,
    enqueue: Sequence[Mapping[str, Value]] | None = None,
    confirm_seeds: int | None = None,
    top: int | None = None,
    deterministic: bool = False,
    force: bool = False,
    run_timeout: float | None = None,
    max_failures: int | None = None,
    results: str | Path = "results",
    tracking_uri: str | None = None,
    storage: str | None = None,
    quiet: bool = True,
) -> Board:
    """Run one study as `lstm-bench search` does: search, then confirm the best settings on fresh seeds.

    Interrupted, it keeps what is done, and the same call goes on with it. Each run is a process of its own.

    Args:
        what: a task's name, `module:attr`, or a TOML file of one study. What is not given here is as in the file.
        trials: the study's total, over all its starts.
        minutes: of searching, over all its starts.
        seeds: each setting is judged by its mean over as many.
        workers: runs at once; None: one a core.
        name: the study's name; the same name goes on with it.
        settings: values by dotted path that every run has, or in tables.
        space: what is searched, as the `[search]` table of a file: `{"train.lr": {"low": 1e-3, "high": 3e-2}}`.
        sampler: `"tpe"`, `"tpe,n_startup_trials=8"`, or a table of `name` and its options.
        pruner: likewise.
        objectives: metrics to be good at together.
        enqueue: settings to try first.
        confirm_seeds: fresh seeds that confirm.
        top: how many of the best settings are confirmed.
        deterministic: the same trials, run after run.
        force: run settings again that are known.
        run_timeout: seconds after which a run counts as hung.
        max_failures: more failed trials in a row stop the study.
        results: where everything is kept.
        tracking_uri: of the MLflow server that shows it; None: a store in the results folder.
        storage: of a PostgreSQL database for Optuna; None: a journal in the results folder.
        quiet: whether nothing is printed.

    Returns:
        The answer, as `board.json`; `results/README.md` says what is in it.

    Raises:
        BenchError: something does not exist or cannot be, the data cannot be had, or no trial was complete.
        KeyboardInterrupt: after the running trials have ended as `killed`.
    """
    look_here()
    at_once = cores() if workers is None else check_value(Count, workers, "workers")
    table, stem = table_of(
        _reachable(what),
        trials=trials,
        minutes=minutes,
        seeds=seeds,
        confirm_seeds=confirm_seeds,
        top=top,
        run_timeout=run_timeout,
        max_failures=max_failures,
        sampler=sampler,
        pruner=pruner,
        objectives=objectives,
        enqueue=enqueue,
        deterministic=deterministic,
    )
    if space is not None:
        table = replace(table, search=space)
    return run_study(
        Question.of(table, flattened(settings or {}), workers=at_once),
        name=name and check_name(name),
        stem=stem,
        results=Results.at(results, tracking_uri, storage),
        workers=at_once,
        console=_console(quiet=quiet),
        force=force,
    )


def _reachable(task: str | Path) -> str | Path:
    """The task, if the process of a run can get it.

    Raises:
        UsageError: it lives in this process alone.
    """
    if not isinstance(task, str | Path) or str(task).startswith("__main__:"):
        raise UsageError(
            f"task is {_told(task)}: expected a name or module:attr, since a run is a process of its own and does not "
            "see what was made in this one; put its class into a module, or use train()"
        )
    return task


def _told(found: object) -> str:
    """What was given, in a few words."""
    if isinstance(found, str | Path):
        return f"'{found}'"
    return f"the class {found.__name__}" if isinstance(found, type) else f"an object of {type(found).__name__}"


def _console(*, quiet: bool) -> Console:
    """Where progress is shown; plain text in a notebook, which needs nothing installed."""
    return Console(highlight=False, markup=False, quiet=quiet, force_jupyter=False)
