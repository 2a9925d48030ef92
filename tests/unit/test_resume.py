"""A run whose process died goes on where it was, and nobody can tell from its results."""

import functools
import json
import math
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count, pairwise
from multiprocessing import forkserver
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from filelock import Timeout
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from toy import Toy

from lstm_bench import checkpoint
from lstm_bench.checkpoint import CHECKPOINT_SECONDS, Checkpoint, load, save
from lstm_bench.execute import Word, execute, go_on, spec_of
from lstm_bench.families import Text
from lstm_bench.losses import bits, cross_entropy
from lstm_bench.pool import Job, child
from lstm_bench.pool.child import Notifying, run_child
from lstm_bench.record.run import RunFiles
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec
from lstm_bench.task import Batch, Family, Goal, Signature, Split, Tally
from lstm_bench.train_state import TrainState

LETTERS = Text.characters("the rain in spain stays mainly in the plain, and the sun shines on the rest of it; " * 20)
OWN = ("speed/", "memory/", "cost/", "target/seconds")  # what no two processes give alike
CPU = torch.device("cpu")
calm = settings(deadline=None, max_examples=20)


class DeathError(BaseException):
    """What no run catches: here its process would be gone."""


class Reaper:
    """Ends a run at one of its training batches."""

    at: int | None = None

    @classmethod
    def visit(cls, split: Split, batches: Iterator[Batch], start: int) -> Iterator[Batch]:
        for k, batch in enumerate(batches, start):
            if split == "train" and k == cls.at:
                raise DeathError
            yield batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Mortal(Toy):
    """A toy that the reaper visits."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        return Reaper.visit(split, Toy.batches(self, split, batch_size, seed, start), start)


@dataclass(frozen=True, slots=True, kw_only=True)
class Letters:
    """The next letter of a short text, with the state carried on."""

    family: ClassVar[Family] = "language"
    goal: ClassVar[Goal] = Goal(metric="bits", maximize=False, target=4.0)
    signature: ClassVar[Signature] = Signature(vocab=LETTERS.vocab, outputs=LETTERS.vocab, every_step=True)
    defaults: ClassVar[Mapping[str, float]] = {"model.embedding": 4, "model.hidden": 8, "train.warmup": 3}

    def prepare(self) -> str:
        return "letters-1"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        return Reaper.visit(split, LETTERS.batches(split, min(batch_size, 4), 8, start), start)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(output, batch.targets)

    def tallies(self, output: Tensor, batch: Batch) -> Mapping[str, Tally]:
        return {"bits": bits(output, batch.targets)}

    def floors(self, seed: int) -> Mapping[str, float]:
        return {"seed": float(seed)}


class At(Checkpoint):
    """Saves at readings of these steps."""

    def __init__(self, path: Path, steps: Collection[int]) -> None:
        super().__init__(path, every=0)
        self._steps = steps

    def offer(self, state: TrainState) -> None:
        if state.step in self._steps:
            super().offer(state)


def spec(task: str = f"{__name__}:Mortal", **settings: Any) -> RunSpec:
    return spec_of({"task": task}, {path.replace("__", "."): value for path, value in settings.items()})[0]


def live(
    asked: RunSpec,
    path: Path,
    *,
    die_at: int | None = None,
    saves: Collection[int] = range(1000),
    verdict: Callable[[Reading], Word | None] = go_on,
) -> tuple[RunResult | None, list[Reading]]:
    """One process's part of a run, here: its result (None: it died), and the readings that its driver heard."""
    files = RunFiles(path)
    files.begin(asked, {})
    ours, theirs = Pipe()
    recorder = Notifying(files, theirs, At(files.checkpoint, saves))
    torch.rand(3)  # a new process's generator stands anywhere
    Reaper.at, result = die_at, None
    with suppress(DeathError):
        result = execute(asked, recorder, verdict, test=True)
        recorder.end(result)
    theirs.close()
    return result, [Reading(**message["reading"]) for message in messages(ours) if "reading" in message]


def messages(driver: Connection) -> Iterator[dict[str, Any]]:
    """All that a run says, to its end."""
    with suppress(EOFError, ConnectionError):
        while True:
            yield json.loads(driver.recv_bytes())


def alike(metrics: Mapping[str, float]) -> dict[str, str]:
    """The figures that are a run's whatever its processes, to the last bit (by repr, where NaN equals itself)."""
    return {name: repr(value) for name, value in metrics.items() if not name.startswith(OWN)}


def story(readings: list[Reading]) -> list[dict[str, Any]]:
    return [{**asdict(r), "seconds": 0, "time_ms": 0, "metrics": alike(r.metrics)} for r in readings]


def outcome(result: RunResult | None) -> tuple[object, ...]:
    assert result is not None
    return result.status, result.reason, alike(result.metrics), result.floors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A new folder's name at each call."""
    root, numbers = tmp_path_factory.mktemp("runs"), count()
    return lambda: root / str(next(numbers))


varied = st.fixed_dictionaries(
    {
        "train__steps": st.integers(2, 24),
        "train__eval_every": st.integers(1, 8),
        "train__batch_size": st.sampled_from([2, 4]),
        "train__sequences": st.sampled_from([0, 40]),
        "train__schedule": st.sampled_from(["constant", "cosine", "plateau"]),
        "train__plateau_patience": st.integers(1, 2),
        "train__optimizer": st.sampled_from(["adamw", "sgd", "rmsprop"]),
        "train__momentum": st.sampled_from([0.0, 0.9]),
        "train__weight_decay": st.sampled_from([0.0, 0.1]),
        "train__clip": st.sampled_from([0.0, 1.0]),
        "train__average_decay": st.sampled_from([0.0, 0.9]),
        "train__patience": st.sampled_from([0, 2]),
        "train__lr": st.sampled_from([3e-3, 0.3]),
        "train__precision": st.sampled_from(["float32", "bfloat16"]),
        "model__dropout": st.sampled_from([0.0, 0.5]),
        "model__layers": st.integers(1, 2),
        "seed": st.integers(0, 3),
    }
)


@settings(deadline=None, max_examples=25)
@given(
    task=st.sampled_from(["Mortal", "Letters"]),
    values=varied,
    deaths=st.lists(st.integers(0, 23), min_size=1, max_size=3),
    saves=st.sets(st.integers(1, 24)) | st.just(range(1000)),
)
def test_a_run_that_died_gives_to_the_last_bit_what_it_would_have_given(
    task: str, values: dict[str, Any], deaths: list[int], saves: Collection[int], folder: Callable[[], Path]
) -> None:
    asked, broken, whole = spec(f"{__name__}:{task}", **values), RunFiles(folder()), RunFiles(folder())
    for die_at in (*deaths, None):
        found, heard = live(asked, broken.path, die_at=die_at, saves=saves)
        if found:
            break
    expected, told = live(asked, whole.path, saves=())
    assert outcome(found) == outcome(expected)
    assert story(heard) == story(told)
    assert heard == broken.readings
    assert all(before.seconds < now.seconds for before, now in pairwise(heard))
    assert found is not None
    assert found.metrics["cost/train_seconds"] >= heard[-1].seconds
    assert all(0 < v < math.inf for name, v in found.metrics.items() if name.startswith("speed/"))
    assert 0 <= found.metrics["cost/harness_share"] < 1
    assert broken.weights.read_bytes() == whole.weights.read_bytes()
    assert sorted(path.name for path in broken.path.iterdir()) == [
        "machine.json", "readings.jsonl", "result.json", "signature.json", "spec.toml", "weights.safetensors",
    ]  # fmt: skip


@functools.cache
def unbroken(folder: Callable[[], Path]) -> tuple[tuple[object, ...], list[dict[str, Any]]]:
    result, readings = live(spec(model__dropout=0.2), folder(), saves=())
    return outcome(result), story(readings)


def broken_at_30(folder: Callable[[], Path]) -> RunFiles:
    """The files of a run that died at batch 33, with its checkpoint of step 30."""
    return RunFiles(shutil.copytree(_broken_at_30(folder), folder()))


@functools.cache
def _broken_at_30(folder: Callable[[], Path]) -> Path:
    path = folder()
    live(spec(model__dropout=0.2), path, die_at=33)
    return path


def fresh_state() -> TrainState:
    """The state of such a run before it resumes."""
    states: list[TrainState] = []

    class Catching:
        def resume(self, state: TrainState) -> list[Reading]:
            states.append(state)
            raise DeathError

        def log(self, *_: object) -> None:
            raise AssertionError

        def keep(self, *_: object) -> None:
            raise AssertionError

    with suppress(DeathError):
        execute(spec(model__dropout=0.2), Catching())
    return states[0]


def begins_again_and_gives_the_same(files: RunFiles, folder: Callable[[], Path]) -> None:
    """The run does without its checkpoint: it trains from the first batch."""
    begun: list[int] = []
    result, heard = live(spec(model__dropout=0.2), files.path, verdict=lambda r: begun.append(r.step))
    assert begun == [10, 20, 30]
    assert (outcome(result), story(heard)) == unbroken(folder)


def trains_from(files: RunFiles) -> int:
    """The step that a run of these files goes on from."""
    state = fresh_state()
    Checkpoint(files.checkpoint).restore(state, {reading.step for reading in files.readings})
    return state.step


@calm
@given(place=st.floats(0, 1, exclude_max=True), torn=st.booleans(), bit=st.integers(0, 7))
def test_a_damaged_checkpoint_is_none(place: float, torn: bool, bit: int, folder: Callable[[], Path]) -> None:
    files = broken_at_30(folder)
    data = bytearray(files.checkpoint.read_bytes())
    at = int(place * len(data))
    data[at] ^= 1 << bit
    files.checkpoint.write_bytes(data[:at] if torn else data)
    result, heard = live(spec(model__dropout=0.2), files.path)  # a bit that means nothing may turn unseen
    assert (outcome(result), story(heard)) == unbroken(folder)


@pytest.mark.parametrize("values", [{}, {"step": 30}, {"counts": {"step": 30}}, [1, 2]])
def test_a_checkpoint_of_another_version_is_none(values: Any, folder: Callable[[], Path]) -> None:
    files = broken_at_30(folder)
    save(files.checkpoint, values)
    assert trains_from(files) == 0
    begins_again_and_gives_the_same(files, folder)


def test_a_checkpoint_that_fits_by_half_leaves_nothing_of_itself(folder: Callable[[], Path]) -> None:
    files = broken_at_30(folder)
    save(files.checkpoint, load(files.checkpoint, CPU) | {"best": {"step": "?"}})
    before, state = fresh_state().state_dict(), fresh_state()
    Checkpoint(files.checkpoint).restore(state, {30})
    torch.testing.assert_close(state.state_dict(), before, rtol=0, atol=0)
    begins_again_and_gives_the_same(files, folder)


def test_a_checkpoint_ahead_of_the_readings_is_none(folder: Callable[[], Path]) -> None:
    files = broken_at_30(folder)
    assert trains_from(files) == 30
    files.cut(files.readings[:2])
    assert trains_from(files) == 0
    begins_again_and_gives_the_same(files, folder)


class Code:
    """Whoever unpickles this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_refused_and_not_run(folder: Callable[[], Path]) -> None:
    files, proof = broken_at_30(folder), folder()
    save(files.checkpoint, load(files.checkpoint, CPU) | {"best": Code(proof)})
    with pytest.raises(Exception, match="Weights only load failed"):
        load(files.checkpoint, CPU)
    begins_again_and_gives_the_same(files, folder)
    assert not proof.exists()


def test_what_came_after_the_checkpoint_comes_once_more(folder: Callable[[], Path]) -> None:
    files = RunFiles(folder())
    live(spec(), files.path, die_at=33, saves={20})
    assert [reading.step for reading in files.readings] == [10, 20, 30]
    with (files.path / "readings.jsonl").open("a") as file:
        file.write('{"step": 4')
    live(spec(), files.path, die_at=23, saves=())
    assert [reading.step for reading in files.readings] == [10, 20]
    assert len((files.path / "readings.jsonl").read_text().splitlines()) == 2


def test_a_word_on_a_reading_that_is_told_again_is_heard(folder: Callable[[], Path]) -> None:
    files = RunFiles(folder())
    live(spec(), files.path, die_at=23)
    result, heard = live(
        spec(), files.path, die_at=20, verdict=lambda r: Word(Status.PRUNED, "late") if r.step == 20 else None
    )
    assert result is not None  # it did not come as far as batch 20
    assert (result.status, result.reason, [r.step for r in heard]) == (Status.PRUNED, "late", [10, 20])


def test_a_killed_run_keeps_its_checkpoint_and_is_taken_up_again(folder: Callable[[], Path]) -> None:
    files = RunFiles(folder())
    live(spec(model__dropout=0.2), files.path, verdict=lambda r: Word(Status.KILLED) if r.step == 20 else None)
    assert files.checkpoint.exists()
    files.reopen()
    result, heard = live(spec(model__dropout=0.2), files.path)
    assert (outcome(result), story(heard)) == unbroken(folder)
    assert not files.checkpoint.exists()


def test_a_run_ends_once(folder: Callable[[], Path]) -> None:
    files, (ours, theirs) = RunFiles(folder()), Pipe()
    files.begin(spec(), {})
    recorder, first = Notifying(files, theirs, Checkpoint(files.checkpoint)), RunResult(Status.TIMED_OUT)
    for result in (first, RunResult(Status.KILLED)):
        recorder.end(result)
    theirs.close()
    assert list(messages(ours)) == [{"result": first.to_dict()}]
    assert files.result == first


@calm
@given(
    every=st.integers(0, 3),
    gaps=st.lists(st.integers(1, 400), min_size=1, max_size=20),  # hundredths of a second
    lasts=st.integers(0, 20),
)
def test_saving_takes_at_most_two_percent_of_the_time(every: int, gaps: list[int], lasts: int) -> None:
    now, saved = 0, [0]

    def take_time(*_: object) -> None:
        nonlocal now
        now += lasts
        saved.append(now)

    state = fresh_state()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", take_time)
        keeper = Checkpoint(Path("never"), every * 100, clock=lambda: now)
        for gap in gaps:
            now += gap
            due = now - saved[-1] >= (max(every * 100, 50 * lasts * (len(saved) > 1)) if every else 0)
            before = len(saved)
            keeper.offer(state)
            assert (len(saved) > before) == due


# From here on in processes of their own, over real pipes.


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[Job], tuple[multiprocessing.process.BaseProcess, Connection]]]:
    """Starts a run's process, forked from one that has torch; whatever is left of them is ended."""
    context, started = multiprocessing.get_context("forkserver"), []
    context.set_forkserver_preload(["lstm_bench.pool.child", "torch._dynamo"])

    def run(job: Job) -> tuple[multiprocessing.process.BaseProcess, Connection]:
        ours, theirs = context.Pipe()
        process = context.Process(target=run_child, args=(theirs, job))
        process.start()
        theirs.close()
        started.append(process)
        return process, ours

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CHECKPOINT_SECONDS, "0")
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a shell's background job
        forkserver.ensure_running()
        signal.signal(signal.SIGINT, before)
        yield run
    for process in started:
        process.kill()
        process.join()


Start = Callable[[Job], tuple[multiprocessing.process.BaseProcess, Connection]]


def hear(driver: Connection) -> dict[str, Any]:
    assert driver.poll(20), "the run says nothing"
    found: dict[str, Any] = json.loads(driver.recv_bytes())
    return found


def say(driver: Connection, **message: Any) -> None:
    driver.send_bytes(json.dumps(message).encode())


def toy(path: Path, fault: str = "", *, waits: bool = False, **settings: Any) -> Job:
    asked = spec("toy:Toy", options__fault=fault, model__dropout=0.2, **settings)
    return Job(asked, path, waits=waits, facts={"data": "d"})


def readings_to_the_end(driver: Connection, words: list[dict[str, Any]] | None = None) -> tuple[list[int], RunResult]:
    """The steps that are told, each answered with the next word if there are words, and the result."""
    steps = []
    for message in messages(driver):
        if "result" in message:
            return steps, RunResult.from_dict(message["result"])
        steps.append(message["reading"]["step"])
        if words:
            say(driver, **words.pop(0))
    raise AssertionError(f"no result after {steps}")


def test_a_process_shot_in_the_middle_is_taken_up_by_another(start: Start, folder: Callable[[], Path]) -> None:
    job, whole = (toy(folder(), "slow", options__at=22, train__eval_every=5) for _ in range(2))
    process, driver = start(job)
    while hear(driver)["reading"]["step"] < 20:
        pass
    time.sleep(0.15)  # among the slow batches
    process.kill()
    process.join()
    machine = RunFiles(job.path).machine
    _, again = start(job)
    _, other = start(whole)
    steps, result = readings_to_the_end(again)
    unbroken_steps, expected = readings_to_the_end(other)
    assert steps == unbroken_steps == [5, 10, 15, 20, 25, 30, 35, 40]
    assert outcome(result) == outcome(expected)
    assert story(RunFiles(job.path).readings) == story(RunFiles(whole.path).readings)
    assert (machine["pid"], machine["host"]) == (process.pid, os.uname().nodename)
    assert machine["fingerprint"] == job.fingerprint
    assert RunFiles(job.path).machine == machine


def test_a_run_that_has_ended_is_told_and_not_run_again(start: Start, folder: Callable[[], Path]) -> None:
    job = toy(folder())
    first = readings_to_the_end(start(job)[1])
    written = RunFiles(job.path).readings
    assert readings_to_the_end(start(job)[1]) == first
    assert RunFiles(job.path).readings == written


def test_a_run_that_waits_hears_one_word_a_reading(start: Start, folder: Callable[[], Path]) -> None:
    job = toy(folder(), waits=True)
    _, driver = start(job)
    for step in (10, 20, 30):
        assert hear(driver)["reading"]["step"] == step
        assert not driver.poll(0.2), "it did not wait"
        if step < 30:
            say(driver, go=True)
    say(driver, end="pruned", reason="the worse half")
    result = RunResult.from_dict(hear(driver)["result"])
    assert (result.status, result.reason) == (Status.PRUNED, "the worse half")


@pytest.mark.parametrize("last", [{"go": True}, {"end": "pruned", "reason": None}])
def test_a_run_that_waits_and_was_shot_is_told_each_word_again(
    last: dict[str, Any], start: Start, folder: Callable[[], Path]
) -> None:
    job = toy(folder(), waits=True)
    process, driver = start(job)
    hear(driver)
    say(driver, go=True)
    hear(driver)
    process.kill()
    process.join()
    steps, result = readings_to_the_end(start(job)[1], [{"go": True}, last, {"go": True}, {"go": True}])
    if "go" in last:
        assert (steps, result.status) == ([10, 20, 30, 40], Status.FINISHED)
    else:
        assert (steps, result.status, result.reason) == ([10, 20], Status.PRUNED, "at step 20")


@pytest.mark.parametrize(("fault", "line"), [("hang", "time.sleep(10**6)"), ("spin", "while True:|pass")])
def test_a_run_out_of_time_says_where_it_hangs(fault: str, line: str, start: Start, folder: Callable[[], Path]) -> None:
    job = toy(folder(), fault)
    process, driver = start(job)
    assert hear(driver)["reading"]["step"] == 10
    time.sleep(0.1)  # until it hangs
    say(driver, end="timed_out", reason="no reading for 60 s")
    result = RunResult.from_dict(hear(driver)["result"])
    process.join(5)
    assert not process.is_alive()
    assert (result.status, result.reason) == (
        Status.TIMED_OUT,
        "no reading for 60 s; the last reading was at step 10",
    )
    *_, where = (result.traceback or "").strip().splitlines()
    assert any(each in where for each in line.split("|"))
    assert {"best/accuracy", "speed/timesteps_per_second"} <= result.metrics.keys()
    assert RunFiles(job.path).result == result
    assert not RunFiles(job.path).checkpoint.exists()


def test_a_run_out_of_time_before_its_first_reading_says_so(start: Start, folder: Callable[[], Path]) -> None:
    job = toy(folder(), "hang", options__at=0)
    _, driver = start(job)
    say(driver, end="timed_out", reason="no reading for 60 s")
    result = RunResult.from_dict(hear(driver)["result"])
    assert (result.reason, result.metrics) == ("no reading for 60 s; there was no reading", {})


@pytest.mark.parametrize(("fault", "waits"), [("hang", False), ("spin", False), ("", True)])
def test_a_killed_run_ends_at_once_wherever_it_is(
    fault: str, waits: bool, start: Start, folder: Callable[[], Path]
) -> None:
    job = toy(folder(), fault, waits=waits)
    process, driver = start(job)
    hear(driver)
    time.sleep(0.1)
    say(driver, end="killed", reason=None)
    assert RunResult.from_dict(hear(driver)["result"]).status is Status.KILLED
    process.join(5)
    assert process.exitcode == 0
    assert RunFiles(job.path).checkpoint.exists()


def test_a_runs_folder_is_its_process_s_while_that_lives(
    start: Start, folder: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = toy(folder(), "hang")
    files = RunFiles(job.path)
    process, driver = start(job)
    hear(driver)
    with pytest.raises(Timeout):
        files.lock().acquire(timeout=0)
    monkeypatch.setattr(child, "PATIENCE", 0.1)
    ours, theirs = Pipe()
    run_child(theirs, job)
    result = RunResult.from_dict(hear(ours)["result"])
    assert result.status is Status.CRASHED
    assert "another process of the same run" in (result.reason or "")
    assert files.result is None
    process.kill()
    process.join()
    with files.lock().acquire(timeout=1):
        assert files.checkpoint.exists()


def test_a_run_takes_no_other_ones_folder_up(folder: Callable[[], Path]) -> None:
    job = toy(folder())
    RunFiles(job.path).begin(job.spec, {})
    ours, theirs = Pipe()
    run_child(theirs, Job(job.spec.with_values({"seed": 1}), job.path))
    result = RunResult.from_dict(hear(ours)["result"])
    assert result.status is Status.CRASHED
    assert "a run of another spec" in (result.reason or "")
    assert RunFiles(job.path).result is None


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has the signal")
def test_a_process_that_hears_nothing_dies_with_its_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\n"
        "from lstm_bench.begin import die_with_parent\n"
        "parent = os.getpid()\n"
        "if not os.fork():\n"
        "    die_with_parent(1)\n"
        "    os._exit(0)\n"
        "print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)\n"
        "if not os.fork():\n"
        "    die_with_parent(parent)\n"
        "    print('there', flush=True)\n"
        "time.sleep(100)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    assert parent.stdout.readline() == "1\n"  # its parent was another one
    assert parent.stdout.readline() == "there\n"
    parent.kill()
    assert parent.communicate(timeout=10) == ("", None)  # the pipe's last writer is gone
