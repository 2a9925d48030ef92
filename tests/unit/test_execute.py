from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy import Toy

from lstm_bench import flops
from lstm_bench.cells.lstm import LSTM
from lstm_bench.errors import UsageError
from lstm_bench.execute import Word, execute, facts, go_on, spec_of
from lstm_bench.meter import Watch
from lstm_bench.outcome import effort, stale, summary
from lstm_bench.result import Reading, RunResult, Status, steady_speeds
from lstm_bench.spec import RunSpec
from lstm_bench.task import Batch, Goal, Signature, Split, make_task
from lstm_bench.train_state import TrainState

TOY = "toy:Toy"
calm = settings(deadline=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solvable(Toy):
    """A toy whose target ends the run."""

    goal: ClassVar[Goal] = replace(Toy.goal, target=0.7, ends_run=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SameData(Toy):
    """A toy whose data know no seed, and that is tested on its valid split."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        return Toy.batches(self, "valid" if split == "test" else split, batch_size, 0, start)


class Looking(LSTM):
    """A cell that looks at its weights as it is made."""

    def __init__(self, inputs: int, hidden: int, **options: float) -> None:
        super().__init__(inputs, hidden, **options)
        assert self.layer.weight_hh_l0.abs().sum().item() > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Floorless(Toy):
    """A toy whose floors cannot be measured."""

    def floors(self, seed: int) -> Mapping[str, float]:
        raise RuntimeError(f"no floor under {seed}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrepeatable(Toy):
    """A toy whose loss uses an operation that torch has no deterministic form of."""

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        torch.zeros(1).put_(torch.zeros(1, dtype=torch.int64), torch.ones(1))
        return Toy.loss(self, output, batch)


class OwnCell(LSTM):
    """A cell whose code lies here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bursting(Toy):
    """A toy whose loss is no number from batch `at` on."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        for k, batch in enumerate(Toy.batches(self, split, batch_size, seed, start), start):
            yield replace(batch, inputs=batch.inputs * torch.nan) if split == "train" and k >= self.at else batch


class Notes:
    """A recorder that keeps all in memory, and knows of no earlier process."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.kept: list[tuple[dict[str, Tensor], Signature]] = []

    def resume(self, _: TrainState) -> list[Reading]:
        return []

    def log(self, reading: Reading, _: TrainState) -> None:
        self.readings.append(reading)

    def keep(self, weights: Mapping[str, Tensor], signature: Signature) -> None:
        self.kept.append((dict(weights), signature))


def spec(task: str = TOY, **settings: object) -> RunSpec:
    return spec_of({"task": task}, {path.replace("__", "."): value for path, value in settings.items()})[0]  # type: ignore[misc]


def run(asked: RunSpec, verdict=go_on, *, test: bool = False) -> tuple[RunResult, list[Reading]]:
    notes = Notes()
    return execute(asked, notes, verdict, test=test), notes.readings


def test_a_run_that_uses_its_budget_is_finished() -> None:
    result, readings = run(spec())
    assert (result.status, result.reason, result.traceback) == (Status.FINISHED, None, None)
    assert [reading.step for reading in readings] == [10, 20, 30, 40]


def test_a_run_that_reaches_a_target_that_ends_it_is_solved() -> None:
    result, readings = run(spec(f"{__name__}:Solvable"))
    *before, last = readings
    assert result.status is Status.SOLVED
    assert last.step < 40
    assert last.metrics["valid/accuracy"] >= 0.7 > max([r.metrics["valid/accuracy"] for r in before], default=0.0)
    assert result.metrics["target/sequences"] == last.sequences


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_run_that_gets_no_better_ends_when_patience_does(patience: int) -> None:
    settings = {"train__lr": 1e-9, "train__eval_every": 1}  # it learns nothing: no reading is better than the first
    result, readings = run(spec(train__patience=patience, **settings), test=True)
    assert (result.status, len(readings)) == (Status.FINISHED, 1 + patience)
    assert result.reason == f"{patience} readings in a row were no better (train.patience)"
    assert "test/accuracy" in result.metrics


@calm
@given(scores=st.lists(st.integers(0, 3), min_size=1, max_size=8), maximize=st.booleans())
def test_stale_readings_are_those_after_the_best(scores: list[int], maximize: bool) -> None:
    found = readings_of([float(score) for score in scores], [float(k) for k in range(len(scores))])
    best = (max if maximize else min)(scores)
    assert stale(found, "valid/mse", Goal("mse", maximize=maximize)) == len(scores) - 1 - scores.index(best)


def test_strict_runs_are_equal_to_the_last_bit() -> None:
    one, other = (run(spec(determinism="strict"))[1] for _ in range(2))
    for reading, again in zip(one, other, strict=True):
        assert {k: v for k, v in reading.metrics.items() if not k.startswith("speed/")} == {
            k: v for k, v in again.metrics.items() if not k.startswith("speed/")
        }


@pytest.mark.parametrize(("kind", "status"), [("seeded", Status.FINISHED), ("strict", Status.CRASHED)])
def test_strict_refuses_what_may_not_repeat(kind: str, status: Status) -> None:
    result, _ = run(spec(f"{__name__}:Unrepeatable", determinism=kind))
    assert result.status is status
    assert (result.reason or "").startswith("RuntimeError: put_ does not have a deterministic") == (kind == "strict")


def test_a_target_that_ends_nothing_is_timed_and_passed() -> None:
    result, readings = run(spec())
    (hit, *_) = (reading for reading in readings if reading.metrics["valid/accuracy"] >= 0.9)
    assert result.status is Status.FINISHED
    assert result.metrics["target/steps"] == hit.step
    assert result.metrics["target/sequences"] == hit.sequences
    assert result.metrics["target/seconds"] == hit.seconds


def test_a_loss_that_is_no_number_ends_the_run_as_diverged() -> None:
    result, readings = run(spec(options__fault="nan"), test=True)
    assert result.status is Status.DIVERGED
    assert result.reason is not None
    assert result.reason.startswith("at step 10: train/loss nan, valid/accuracy ")
    assert result.reason.endswith("; largest gradient norm nan")
    assert len(readings) == 1
    assert not result.metrics.keys() & {"best/accuracy", "last/accuracy", "test/accuracy"}


def test_a_diverged_run_tells_what_its_gradient_and_its_losses_did_before() -> None:
    result, (*before, last) = run(spec(f"{__name__}:Bursting", options__at=23, train__eval_every=5))
    norms = [reading.metrics["train/gradient_norm_max"] for reading in (last, before[-1])]
    losses = [reading.metrics["train/loss"] for reading in before[1:]]
    assert (result.status, last.step, len(losses)) == (Status.DIVERGED, 25, 3)
    assert result.reason == (
        f"at step 25: train/loss nan, valid/accuracy {last.metrics['valid/accuracy']:g}; "
        "largest gradient norm {:.3g} (at the reading before: {:.3g}); "
        "losses before: {:.3g}, {:.3g}, {:.3g}".format(*norms, *losses)
    )


@pytest.mark.parametrize(
    ("fault", "status", "reason"),
    [
        ("raise", Status.CRASHED, "RuntimeError: the toy broke"),
        ("memory", Status.OUT_OF_MEMORY, "MemoryError: the toy ate it all"),
    ],
)
def test_an_exception_is_a_status_and_keeps_what_was_read_before(fault: str, status: Status, reason: str) -> None:
    result, (reading,) = run(spec(options__fault=fault, options__at=15), test=True)
    assert (result.status, result.reason) == (status, reason)
    assert result.traceback is not None
    assert result.traceback.startswith("Traceback")
    assert "_go_wrong" in result.traceback
    assert result.metrics["last/accuracy"] == reading.metrics["valid/accuracy"]


@pytest.mark.parametrize("why", [None, "worse than half"])
def test_a_verdict_ends_the_run_after_the_reading_is_kept(why: str | None) -> None:
    notes, asked = Notes(), []

    def verdict(reading: Reading) -> Word | None:
        assert notes.readings[-1] is reading
        asked.append(reading.step)
        return Word(Status.PRUNED, why) if reading.step == 20 else None

    result = execute(spec(), notes, verdict, test=True)
    assert (result.status, result.reason, asked) == (Status.PRUNED, why or "at step 20", [10, 20])
    assert not any(name.startswith("test/") for name in result.metrics)


def test_the_last_reading_leaves_nothing_to_prune() -> None:
    result, _ = run(spec(), lambda reading: Word(Status.PRUNED) if reading.step == 40 else None)
    assert result.status is Status.FINISHED


@pytest.mark.parametrize("test", [False, True])
def test_the_test_split_and_the_floors_are_for_those_who_ask(test: bool, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    result, _ = run(spec(options__spy=str(spy), seed=3), test=test)
    asked = [line.split() for line in spy.read_text().splitlines()]
    assert {split for split, _ in asked} == {"train", "valid"} | ({"test"} if test else set())
    assert {seed for _, seed in asked} == {"3"}
    assert ("test/accuracy" in result.metrics) == test
    assert result.floors.keys() == ({"majority"} if test else set())


@pytest.mark.parametrize("verdict", [lambda _: Word(Status.PRUNED), lambda _: Word(Status.KILLED)])
def test_a_run_that_was_cut_short_never_sees_the_test_split(verdict, tmp_path: Path) -> None:
    spy = tmp_path / "spy"
    result, _ = run(spec(options__spy=str(spy)), verdict, test=True)
    assert "test" not in spy.read_text()
    assert result.floors == {}


def test_the_test_score_is_that_of_the_best_weights() -> None:
    settings = {"train__lr": 1.0, "train__eval_every": 5}
    result, _ = run(spec(f"{__name__}:SameData", **settings), test=True)
    best, last = result.metrics["best/accuracy"], result.metrics["last/accuracy"]
    assert best > last, "this setting no longer unlearns: find another, or the test proves nothing"
    assert result.metrics["test/accuracy"] == best


@pytest.mark.parametrize("task", [TOY, f"{__name__}:SameData"])  # there the seed draws the weights alone
def test_two_runs_of_one_spec_are_the_same_run_and_another_seed_is_another(task: str) -> None:
    curves = [[reading.metrics["train/loss"] for reading in run(spec(task, seed=seed))[1]] for seed in (5, 5, 6)]
    assert curves[0] == curves[1] != curves[2]


class Clock:
    """Stands still until it is told otherwise."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def readings_of(scores: list[float], seconds: list[float]) -> list[Reading]:
    return [
        Reading(10 * k, 20 * k, 80 * k, now, 0, {"valid/mse": score, "progress/sequences": 20.0 * k})
        for k, (score, now) in enumerate(zip(scores, seconds, strict=True), 1)
    ]


@pytest.mark.parametrize(("maximize", "best", "best_step", "hit_step"), [(False, 0.25, 30, 30), (True, 2.0, 20, 10)])
@pytest.mark.parametrize("trained", [11, 5])  # of the 11 s all of them, or an earlier process the first 6
def test_the_summary_by_hand(maximize: bool, best: float, best_step: int, hit_step: int, trained: int) -> None:
    clock = Clock()
    watch = Watch(clock)
    for watched, seconds in ((watch.training, trained), (watch.evaluating, 2)):
        with watched:
            clock.now += seconds
    clock.now += 14 - trained
    found = summary(
        readings_of([1.0, 2.0, 0.25, 0.25], [4.0, 5.0, 7.0, 11.0]), Goal("mse", maximize=maximize, target=0.5), watch
    )
    assert found == {
        "best/mse": best,
        "best/step": best_step,
        "last/mse": 0.25,
        "progress/sequences": 80,
        "target/steps": hit_step,
        "target/sequences": 2 * hit_step,
        "target/seconds": {10: 4.0, 30: 7.0}[hit_step],
        "cost/train_seconds": 11,
        "cost/eval_seconds": 2,
        "cost/harness_share": (14 - trained) / 16,
        "speed/sequences_per_second": 10,  # windows of 20, 10 and 5 after the first; their median
        "speed/timesteps_per_second": 40,
    }


def test_a_single_window_is_its_own_speed() -> None:
    found = summary(readings_of([1.0], [4.0]), Goal("mse", maximize=False), Watch())
    assert found["speed/sequences_per_second"] == 5
    assert not any(name.startswith("target/") for name in found)


@given(st.lists(st.floats(0.5, 2.0), min_size=1, max_size=12))
def test_the_spread_is_the_middle_half_of_the_windows_over_their_median(lasted: list[float]) -> None:
    ends = [sum(lasted[: k + 1]) for k in range(len(lasted))]
    found = steady_speeds(readings_of([1.0] * len(lasted), ends))
    speeds = [80 / window for window in (lasted[1:] or lasted)]
    assert found["speed/timesteps_per_second"] == pytest.approx(np.median(speeds))
    low, high = np.percentile(speeds, [25, 75])
    spread = [pytest.approx((high - low) / np.median(speeds), abs=1e-9)] if len(speeds) >= 4 else []
    assert [value for name, value in found.items() if name == "speed/spread"] == spread


def test_what_a_run_computes_by_hand() -> None:
    asked = spec(model__hidden=8, model__layers=2)
    task = make_task(asked)
    needed = flops.training(task.signature, asked.model, asked.cell)
    readings = readings_of([1.0, 1.0, 1.0], [4.0, 5.0, 6.0])
    total = needed.timestep * 240 + needed.sequence * 60
    assert effort(readings, steady_speeds(readings), task, asked, peak=None) == {"cost/flops": total}
    assert effort(readings, steady_speeds(readings), task, asked, peak=1e9) == {
        "cost/flops": total,
        "speed/mfu": (needed.timestep * 80 + needed.sequence * 20) / 1e9,
    }
    assert effort([], {}, task, asked, peak=1e9) == {}


def test_a_cell_that_cannot_be_counted_has_no_flops_and_runs() -> None:
    result, _ = run(spec(model__cell=f"{__name__}:Looking"))
    assert result.status is Status.FINISHED
    assert not {"cost/flops", "speed/mfu"} & result.metrics.keys()


def test_a_run_says_what_it_computed() -> None:
    result = execute(spec(), Notes(), peak=1e12)
    assert result.metrics["cost/flops"] > 0
    assert 0 < result.metrics["speed/mfu"] < 1


def test_no_reading_has_no_figures_but_the_cost() -> None:
    found = summary([], Goal("mse", maximize=False), Watch())
    assert {name.partition("/")[0] for name in found} == {"cost"}


def test_a_reading_that_is_no_number_is_neither_best_nor_last() -> None:
    found = summary(readings_of([1.0, float("nan")], [4.0, 5.0]), Goal("mse", maximize=False), Watch())
    assert (found["best/mse"], found["last/mse"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("other", "digest", "changed"),
    [
        ({}, "other", {"data"}),
        ({"task": "adding"}, "digest", {"code"}),
        ({"model.cell": f"{__name__}:OwnCell"}, "digest", {"code"}),
        ({"train.lr": 0.5, "seed": 9}, "digest", set()),
    ],
)
def test_facts_change_with_data_and_code_alone(other: Mapping[str, str], digest: str, changed: set[str]) -> None:
    asked = RunSpec(task=TOY)
    before, after = facts(asked, "digest"), facts(asked.with_values(other), digest)
    assert before.keys() == {"data", "code", "torch"}
    assert {name for name in before if before[name] != after[name]} == changed


def test_settings_go_over_tables_and_tables_over_the_tasks_defaults() -> None:
    tables = {"task": TOY, "seed": 1, "train": {"steps": 7, "batch_size": 8}, "options": {"at": 2}}
    found, task = spec_of(tables, {"train.steps": 9, "options.fault": "nan"})
    assert found.train.lr == Toy.defaults["train.lr"] != RunSpec(task=TOY).train.lr
    assert (found.train.batch_size, found.train.steps, found.seed) == (8, 9, 1)
    assert task == Toy(at=2, fault="nan")


def test_a_budget_of_another_kind_takes_the_place_of_the_tasks_steps() -> None:
    own, given = (
        spec(**values).train for values in ({"train__sequences": 64}, {"train__sequences": 64, "train__steps": 2})
    )
    assert (own.steps, own.sequences) == (0, 64)
    assert (given.steps, given.sequences) == (2, 64)
    result, readings = run(spec(train__sequences=64))
    assert (result.status, readings[-1].sequences) == (Status.FINISHED, 64)
    assert result.metrics["progress/budget"] == 1


def test_a_resolved_spec_says_every_option_and_the_precision() -> None:
    found, _ = spec_of({"task": TOY}, {"train.precision": "auto"})
    assert found.options == {"fault": "", "at": 15, "spy": ""}
    assert found.train.precision in ("float32", "bfloat16")
    assert spec_of(found.to_dict(), {})[0] == found


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "task = None: expected a task's name"),
        ({"task": 3}, "task = 3: expected a task's name"),
        ({"task": "ading"}, "unknown task 'ading'. Did you mean 'adding'?"),
        ({"task": "toy:Nothing"}, "task 'toy:Nothing' cannot be imported"),
        ({"task": TOY, "options": {"att": 3}}, "unknown key 'options.att'. Did you mean 'options.at'?"),
        ({"task": TOY, "options": {"at": "x"}}, f"task '{TOY}': options.at = 'x': expected a valid integer"),
        (
            {"task": "adding", "options": {"length": 1}},
            "task 'adding': options.length = 1: expected greater than or equal to 2",
        ),
        (
            {"task": TOY, "train": {"epochs": 3}},
            "train.epochs = 3: the task's data never repeat, so they have no epochs",
        ),
        ({"task": TOY, "train": {"steps": 0}}, "train: steps, epochs, sequences, seconds are all 0: expected one"),
        ({"task": TOY, "device": "mps"}, "device = 'mps': torch"),
        ({"task": TOY, "model": {"cell": "lstn"}}, "unknown cell 'lstn'. Did you mean 'lstm'?"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(tables: Mapping[str, object], message: str) -> None:
    with pytest.raises(UsageError) as error:
        spec_of(tables, {})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_floor_that_breaks_is_a_status_and_keeps_the_runs_figures() -> None:
    result, _ = run(spec(f"{__name__}:Floorless", seed=3), test=True)
    assert (result.status, result.reason) == (Status.CRASHED, "RuntimeError: no floor under 3")
    assert {"test/accuracy", "best/accuracy", "memory/peak_rss_mib"} <= result.metrics.keys()


def test_a_cpu_out_of_memory_is_called_so() -> None:
    result, _ = run(spec(model__hidden=10**7))
    assert result.status is Status.OUT_OF_MEMORY


def test_facts_know_the_code_beside_a_tasks_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "beside"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from toy import Toy\n\n\nclass One(Toy):\n    pass\n")
    (package / "two.py").write_text("STEPS = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    asked = spec("beside.one:One")
    before = facts(asked, "data")
    assert facts(asked, "data") == before
    (package / "two.py").write_text("STEPS = 2\n")
    assert facts(asked, "data")["code"] != before["code"]
