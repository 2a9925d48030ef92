"""One spec to one result, in this process: where the parts meet."""

import hashlib
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from lstm_bench import goal, losses, model, training
from lstm_bench import task as contract
from lstm_bench.cells.make import kernels, load_cell, settled_options, warm
from lstm_bench.errors import RecordError, UsageError, is_disk_full, unknown
from lstm_bench.goal import Goal
from lstm_bench.meter import ResourceMeter, Watch, has_native_bfloat16
from lstm_bench.result import Reading, RunResult, Status, is_finite, steady_speeds
from lstm_bench.spec import RunSpec, TrainSpec, Value, flattened, known_paths
from lstm_bench.task import Signature, Task, load_task, make_task, options_of, predicts_next, told
from lstm_bench.writing import unwritable

EARLIER = 3  # readings before the last that a diverged run's reason quotes


class Word(NamedTuple):
    """What a run is to end with."""

    status: Status
    reason: str | None = None  # None: at which step


Verdict = Callable[[Reading], Word | None]


class Recorder(Protocol):
    """Who is told of each reading before anyone else, and who keeps it and the state."""

    def resume(self, state: training.TrainState) -> Iterable[Reading]:
        """Put the state where an earlier process of this run left it, and give the readings up to there.

        Nothing where there was none. Asked for all of them before training goes on.
        """
        ...

    def log(self, reading: Reading, state: training.TrainState) -> None:
        """Keep a reading, and the state if it is worth it."""

    def keep(self, weights: Mapping[str, Tensor], signature: Signature) -> None:
        """Keep the weights of the best reading, and what the model was sized from: the run is complete, and tested."""


def go_on(_: Reading) -> None:
    """The verdict of one who lets a run use its whole budget."""


def spec_of(tables: Mapping[str, Any], settings: Mapping[str, Value]) -> tuple[RunSpec, Task]:
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
    values = {**getattr(cls, "defaults", {}), **flattened(tables), **settings}
    known = known_paths(f.name for f in fields(cls))
    for path in values:
        if path not in known and not path.startswith("cell."):  # which options it has is looked at last
            raise unknown("key", path, known)
    return resolve(RunSpec(task=name).with_values(values))


def resolve(spec: RunSpec) -> tuple[RunSpec, Task]:
    """The spec with every option and the precision written out, and its task. Reads no data.

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
    if spec.device == "cuda" and not torch.backends.cuda.is_built():  # asks the build; a card is not touched here
        raise UsageError(f"device = 'cuda': torch {torch.__version__} is built without CUDA: install a build with it")
    return replace(spec, options=options_of(task), cell=cell, train=settled(spec.train, spec.device)), task


def settled(train: TrainSpec, device: str) -> TrainSpec:
    """The same with its precision written out, which `auto` leaves to the device."""
    if train.precision != "auto":
        return train
    return replace(train, precision="bfloat16" if has_native_bfloat16(device) else "float32")


def facts(spec: RunSpec, data_digest: str) -> dict[str, str]:
    """What lies beneath a run besides its spec: digests of its data and of the code that computes, torch, kernels.

    The code is that of the trainer, the model, the losses, and of the whole package that the module of the task or of
    the cell lies in, of each class that it derives from and of each task that it wraps: what it computes with stands
    there.
    """
    task, digest = make_task(spec), hashlib.sha256()
    for module in (training, model, losses, contract, goal):
        digest.update(inspect.getsource(module).encode())
    for path in code_files([type(task), *map(type, told(task, "wraps", ())), load_cell(spec.model.cell)]):
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


def execute(spec: RunSpec, recorder: Recorder, verdict: Verdict = go_on, *, test: bool = False) -> RunResult:
    """Train one model and say how it ended; an exception of the run becomes a status, not an exception.

    A run that an earlier process began goes on where its recorder says, and ends as it would have without the break:
    the readings that are kept go through all that new ones go through.

    Args:
        spec: resolved.
        recorder: told of each reading first.
        verdict: asked after each reading; a word ends the run with it.
        test: measure the test split and the floors too, with the best reading's weights, which are kept then (confirm
            alone does).
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
        warm(spec)
        network = model.SequenceModel(task.signature, spec.model, spec.cell)
        metrics["model/parameters"] = float(sum(p.numel() for p in network.parameters()))
        state = training.TrainState.fresh(network, spec.train, seed=spec.seed, device=device)
        with closing(training.train(state, task, spec.train, watch=watch)) as stream:
            ended = _listen(_story(state, recorder, stream), task, spec, verdict, readings)
        if test and ended[0].complete:
            state.model.load_state_dict(state.best_weights)
            with watch.evaluating:
                scores = training.evaluate(state.model, task, "test", spec.seed, device, spec.train)
            metrics.update({f"test/{name}": score for name, score in scores.items()})
            with watch.evaluating:
                metrics.update(longer_scores(state, task, spec))
            recorder.keep(state.best_weights, task.signature)
        return ended

    def measure_floors() -> tuple[Status, str | None]:
        floors.update(task.floors(spec.seed))
        return status, reason

    with ResourceMeter(device) as meter:
        status, reason, trace = attempt(learn)
        metrics |= summary(readings, task.goal, watch)
    metrics |= meter.metrics()
    if test and status.complete:  # last, since a floor's time and memory are not the run's
        status, reason, trace = attempt(measure_floors)
    return RunResult(status, metrics, reason, trace, floors, no_better(metrics, floors, task.goal))


def no_better(metrics: Mapping[str, float], floors: Mapping[str, float], goal: Goal) -> list[str]:
    """The floors that a run's test score does not beat; of one that was not tested, whether `chance` is not beaten."""
    tested, best = metrics.get(f"test/{goal.metric}"), metrics.get(f"best/{goal.metric}")
    if tested is not None:
        return [name for name, floor in floors.items() if not goal.better(tested, floor)]
    beaten = best is None or goal.chance is None or goal.better(best, goal.chance)
    return [] if beaten else ["chance"]


def longer_scores(state: training.TrainState, task: Task, spec: RunSpec) -> dict[str, float]:
    """What was trained, tested on longer sequences than it was trained on, where the task has such."""
    found = {}
    longer: Mapping[str, Task] = told(task, "longer", {})
    for name, one in longer.items():
        scores = training.evaluate(state.model, one, "test", spec.seed, state.device, spec.train)
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


def _story(state: training.TrainState, recorder: Recorder, stream: Iterable[Reading]) -> Iterator[Reading]:
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
        if reading.step < spec.train.steps and (word := verdict(reading)):
            return word.status, word.reason or f"at step {reading.step}"
    return Status.FINISHED, None


def why_diverged(readings: Sequence[Reading], score: str) -> str:
    """What the figures did before they were no numbers any more, in one line: a burst, or a slow rise?"""
    *before, last = readings
    norm, loss = "train/gradient_norm_max", "train/loss"
    figures = ", ".join(f"{name} {last.metrics[name]:g}" for name in (loss, score))
    told = f"at step {last.step}: {figures}; largest gradient norm {last.metrics[norm]:.3g}"
    if not before:
        return told
    losses = ", ".join(f"{reading.metrics[loss]:.3g}" for reading in before[-EARLIER:])
    return f"{told} (at the reading before: {before[-1].metrics[norm]:.3g}); losses before: {losses}"


def summary(readings: Sequence[Reading], goal: Goal, watch: Watch) -> dict[str, float]:
    """A run's figures: what its readings say, and what it cost.

    A run taken up again has trained before this watch was started, and its readings know; its other costs are those of
    this process.
    """
    trained = readings[-1].seconds if readings else 0.0
    return figures(readings, goal) | {
        "cost/train_seconds": max(trained, watch.training.seconds),
        "cost/eval_seconds": watch.evaluating.seconds,
        "cost/harness_share": watch.harness_share,
    }


def figures(readings: Sequence[Reading], goal: Goal) -> dict[str, float]:
    """What a run's readings say of it: best, last, target, speed."""
    name = f"valid/{goal.metric}"
    sound = [reading for reading in readings if is_finite(reading.metrics)]
    metrics: dict[str, float] = {}
    if sound:
        best = (max if goal.maximize else min)(sound, key=lambda reading: reading.metrics[name])
        metrics |= {f"best/{goal.metric}": best.metrics[name], "best/step": float(best.step)}
        metrics |= {f"last/{goal.metric}": sound[-1].metrics[name]}
        metrics |= {key: value for key, value in sound[-1].metrics.items() if key.startswith("progress/")}
    hit = next((reading for reading in sound if goal.reached(reading.metrics[name])), None)
    if hit:
        metrics |= {
            "target/seconds": hit.seconds,
            "target/steps": float(hit.step),
            "target/sequences": float(hit.sequences),
        }
    return metrics | steady_speeds(readings)


def one_line(error: BaseException) -> str:
    """An exception's kind and the first line of what it says."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
