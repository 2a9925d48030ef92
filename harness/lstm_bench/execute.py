"""One spec to one result, in this process: where the parts meet."""

import hashlib
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lstm_bench import evaluation, goal, learners, losses, model, optimizer, schedule, train_state, training
from lstm_bench import task as contract
from lstm_bench.cells.make import kernels, load_cell, settled_options, warm
from lstm_bench.device import deterministic, resolved_device, resolved_precision
from lstm_bench.errors import RecordError, UsageError, is_disk_full, unknown
from lstm_bench.meter import ResourceMeter, Watch
from lstm_bench.outcome import effort, no_better, stale, summary, why_diverged
from lstm_bench.result import Reading, RunResult, Status, is_finite
from lstm_bench.spec import RunSpec, TrainSpec, Value, flattened, known_paths, over
from lstm_bench.task import Signature, Task, load_task, make_task, options_of, predicts_next, told
from lstm_bench.train_state import TrainState
from lstm_bench.writing import unwritable


class Word(NamedTuple):
    """What a run is to end with."""

    status: Status
    reason: str | None = None  # None: at which step


Verdict = Callable[[Reading], Word | None]


class Recorder(Protocol):
    """Who is told of each reading before anyone else, and who keeps it and the state."""

    def resume(self, state: TrainState) -> Iterable[Reading]:
        """Put the state where an earlier process of this run left it, and give the readings up to there.

        Nothing where there was none. Asked for all of them before training goes on.
        """
        ...

    def log(self, reading: Reading, state: TrainState) -> None:
        """Keep a reading, and the state if it is worth it."""

    def keep(self, weights: Mapping[str, Tensor], signature: Signature) -> None:
        """Keep the weights of the best reading, and what the model was sized from: the run is complete, and tested."""


def go_on(_: Reading) -> None:
    """The verdict of one who lets a run use its whole budget."""


def spec_of(tables: Mapping[str, Any], settings: Mapping[str, Value]) -> tuple[RunSpec, Task]:
    """The spec of one run of what a user wrote, nothing of it left open, and its task. See `asked_of`.

    Raises:
        UsageError: something in it does not exist or cannot be.
    """
    asked, task = asked_of(tables, settings)
    return settled(asked), task


def asked_of(tables: Mapping[str, Any], settings: Mapping[str, Value]) -> tuple[RunSpec, Task]:
    """The resolved spec of what a user wrote, and its task.

    The task's own defaults come first, then the tables (of a TOML file), then the settings (of `--set`).

    Raises:
        UsageError: something in it does not exist or cannot be.
    """
    name = tables.get("task")
    if not isinstance(name, str):
        raise UsageError(f"task = {name!r}: expected a task's name; `lstm-bench tasks` lists them")
    if settings.get("task", name) != name:
        raise UsageError(
            f"--set task={settings['task']}: the task is named before, and its defaults are in: name that one"
        )
    cls = load_task(name)
    values = over(getattr(cls, "defaults", {}), {**flattened(tables), **settings})
    known = known_paths(f.name for f in fields(cls))
    for path in values:
        if path not in known and not path.startswith("cell."):  # which options it has is looked at last
            raise unknown("key", path, known)
    return resolve(RunSpec(task=name).with_values(values))


def resolve(spec: RunSpec) -> tuple[RunSpec, Task]:
    """The spec with every option and the device written out, and its task.

    Reads no data, unless a budget in epochs asks how long one is.

    Raises:
        UsageError: the spec names something that does not exist or cannot be.
    """
    task = make_task(spec)
    cell = settled_options(spec.model, spec.cell)
    if spec.model.bidirectional and predicts_next(task):
        raise UsageError(
            f"model.bidirectional = true: expected false for '{spec.task}': it would read what it predicts"
        )
    if spec.model.tied and task.family != "language":
        raise UsageError(f"model.tied = true: expected false for '{spec.task}': what it reads is not what it predicts")
    check_epochs(spec.train, task)
    learners.check(spec, task, cell)
    return replace(spec, options=options_of(task), cell=cell, device=resolved_device(spec.device)), task


def check_epochs(train: TrainSpec, task: Task) -> None:
    """Refuse a budget in epochs where there are none.

    Raises:
        UsageError: it is one, and the task's data never repeat.
    """
    if train.epochs and not task.signature.epoch_timesteps:
        raise UsageError(
            f"train.epochs = {train.epochs:g}: the task's data never repeat, so they have no epochs: expected "
            "train.sequences, train.steps or train.seconds"
        )


def settled(spec: RunSpec) -> RunSpec:
    """The same with its precision written out: `auto` hangs on the model, which a search may change."""
    precision = resolved_precision(spec.train.precision, spec.device, spec.model)
    return replace(spec, train=replace(spec.train, precision=precision))


def facts(spec: RunSpec, data_digest: str) -> dict[str, str]:
    """What lies beneath a run besides its spec: digests of its data and of the code that computes, torch, kernels.

    The code is that of the trainer (and of another learner, where it trains), its optimiser and schedule, the model,
    the losses, and of the whole package that the module of the task or of the cell lies in, of each class that it
    derives from and of each task that it wraps: what it computes with stands there.
    """
    task, digest = make_task(spec), hashlib.sha256()
    for module in (training, train_state, evaluation, optimizer, schedule, model, losses, contract, goal):
        digest.update(inspect.getsource(module).encode())
    paths = code_files([type(task), *map(type, told(task, "wraps", ())), load_cell(spec.model.cell)])
    for path in [*paths, *learners.code(spec)]:
        digest.update(path.read_bytes())
    return {"data": data_digest, "code": digest.hexdigest()[:16], "torch": torch.__version__} | kernels(spec)


def code_files(classes: Iterable[type]) -> list[Path]:
    """The files that the code of some classes stands in, each once; torch has a version of its own."""
    found: dict[Path, None] = {}
    for cls in (parent for one in classes for parent in one.__mro__):
        module = inspect.getmodule(cls)
        if module and getattr(module, "__file__", None) and not module.__name__.startswith("torch."):
            found |= dict.fromkeys(package_files(Path(inspect.getfile(cls)), in_package="." in cls.__module__))
    return list(found)


def package_files(module: Path, *, in_package: bool) -> list[Path]:
    """A module's file, or all of its package's where it lies in one (a module beside others does not know them)."""
    return sorted(module.parent.glob("*.py")) if in_package else [module]


def execute(
    spec: RunSpec, recorder: Recorder, verdict: Verdict = go_on, *, test: bool = False, peak: float | None = None
) -> RunResult:
    """Train one model and say how it ended; an exception of the run becomes a status, not an exception.

    A run that an earlier process began goes on where its recorder says, and ends as it would have without the break:
    the readings that are kept go through all that new ones go through.

    Args:
        spec: resolved.
        recorder: told of each reading first.
        verdict: asked after each reading; a word ends the run with it.
        test: measure the test split and the floors too, with the best reading's weights, which are kept then (confirm
            alone does).
        peak: FLOP/s of the machine's matrix products on the run's device, threads and precision, where it is known.
    """
    watch = Watch()
    device = torch.device(spec.device)
    task = make_task(spec)
    readings: list[Reading] = []
    metrics: dict[str, float] = {}
    floors: dict[str, float] = {}

    def learn() -> tuple[Status, str | None]:
        torch.set_num_threads(spec.threads)
        torch.manual_seed(spec.seed)
        get_warm(spec)
        network, learner = learnt_by(task, spec)
        metrics["model/parameters"] = float(sum(p.numel() for p in network.parameters()))
        state = TrainState.fresh(network, spec.train, seed=spec.seed, device=device)
        with closing(training.train(state, task, spec.train, watch=watch, learner=learner)) as stream:
            ended = _listen(_story(state, recorder, stream), task, spec, verdict, readings)
        if test and ended[0].complete:
            state.model.load_state_dict(state.best_weights)
            with watch.evaluating:
                scores = evaluation.evaluate(state.model, task, "test", spec.seed, device, spec.train)
            metrics.update({f"test/{name}": score for name, score in scores.items()})
            with watch.evaluating:
                metrics.update(longer_scores(state, task, spec))
            recorder.keep(state.best_weights, task.signature)
        return ended

    def measure_floors() -> tuple[Status, str | None]:
        floors.update(task.floors(spec.seed))
        return status, reason

    with ResourceMeter(device) as meter, deterministic(spec):
        status, reason, trace = attempt(learn)
        metrics |= summary(readings, task.goal, watch)
    metrics |= meter.metrics() | effort(readings, metrics, task, spec, peak)
    if test and status.complete:  # last, since a floor's time and memory are not the run's
        status, reason, trace = attempt(measure_floors)
    return RunResult(status, metrics, reason, trace, floors, no_better(metrics, floors, task.goal))


def get_warm(spec: RunSpec) -> None:
    """Import and compile what a run needs, before there is one."""
    warm(spec)
    learners.load(spec)


def learnt_by(task: Task, spec: RunSpec) -> tuple[model.SequenceModel, training.Learner | None]:
    """The network, its weights drawn, and who it is trained by."""
    if other := learners.load(spec):
        return other.network(task.signature, spec.model, spec.cell), other.learner()
    return model.SequenceModel(task.signature, spec.model, spec.cell), None


def longer_scores(state: TrainState, task: Task, spec: RunSpec) -> dict[str, float]:
    """What was trained, tested on longer sequences than it was trained on, where the task has such."""
    found = {}
    longer: Mapping[str, Task] = told(task, "longer", {})
    for name, one in longer.items():
        scores = evaluation.evaluate(state.model, one, "test", spec.seed, state.device, spec.train)
        found[f"test/{task.goal.metric}_{name}"] = scores[task.goal.metric]
    return found


def attempt(work: Callable[[], tuple[Status, str | None]]) -> tuple[Status, str | None, str | None]:
    """The status and reason that some work ends with, and the traceback of the exception that ended it, if any.

    Raises:
        RecordError: a file could not be written, or the disk is full: no status, since the setting is not to blame.
    """
    try:
        return *work(), None
    except RecordError:
        raise
    except Exception as error:  # whatever a plugin raises ends its run alone
        if isinstance(error, OSError) and is_disk_full(error):  # what it prints is written, too
            raise unwritable(error.filename or "what the run's task writes or prints", error) from error
        # A CPU's allocator raises a plain RuntimeError.
        short = isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
        status = Status.OUT_OF_MEMORY if short else Status.CRASHED
        return status, one_line(error), traceback.format_exc()


def _story(state: TrainState, recorder: Recorder, stream: Iterable[Reading]) -> Iterator[Reading]:
    """A run's readings from its first: those of an earlier process, then new ones, each kept before anyone hears it."""
    yield from recorder.resume(state)
    for reading in stream:
        recorder.log(reading, state)
        yield reading


def _listen(
    story: Iterable[Reading], task: Task, spec: RunSpec, verdict: Verdict, readings: list[Reading]
) -> tuple[Status, str | None]:
    """The caller's loop around the trainer: see of each reading whether it is the last."""
    score = f"valid/{task.goal.metric}"
    for reading in story:
        readings.append(reading)
        if not is_finite(reading.metrics):
            return Status.DIVERGED, why_diverged(readings, score)
        if task.goal.ends_run and task.goal.reached(reading.metrics[score]):
            return Status.SOLVED, None
        if reading.is_last:
            break
        if spec.train.patience and stale(readings, score, task.goal) >= spec.train.patience:
            return Status.FINISHED, f"{spec.train.patience} readings in a row were no better (train.patience)"
        if word := verdict(reading):
            return word.status, word.reason or f"at step {reading.step}"
    return Status.FINISHED, None


def one_line(error: BaseException) -> str:
    """An exception's kind and the first line of what it says."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
