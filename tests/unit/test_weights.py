import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn
from toy import Toy

from lstm_bench.checkpoint import Checkpoint
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.evaluation import evaluate
from lstm_bench.execute import execute, spec_of
from lstm_bench.model import SequenceModel
from lstm_bench.pool import Job
from lstm_bench.pool.child import Notifying
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.weights import load, load_model, save, save_model, signature_of
from lstm_bench.result import RunResult
from lstm_bench.spec import RunSpec
from lstm_bench.task import Batch, Signature, Split

TOKENS = Signature(vocab=7, outputs=7, every_step=True, epoch_timesteps=100)
NUMBERS = Signature(features=3, outputs=2, every_step=False)
X_BT, X_BTF = torch.tensor([[0, 6, 3], [5, 5, 1]]), torch.tensor([[[0.1, -2.0, 3.0], [0.5, 0.0, 1e3]]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fading(Toy):
    """A toy that is taught the contrary from batch `at` on: its best reading is not its last."""

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:
        for k, batch in enumerate(Toy.batches(self, split, batch_size, seed, start), start):
            yield replace(batch, targets=1 - batch.targets) if split == "train" and k >= self.at else batch


def spec(task: str = "toy:Toy", **settings: Any) -> RunSpec:
    return spec_of({"task": task}, {path.replace("__", "."): value for path, value in settings.items()})[0]


def executed(results: Results, asked: RunSpec, *, test: bool = True) -> tuple[RunFiles, RunResult]:
    """A run with its files, in this process."""
    files = results.run("one")
    files.begin(asked, {})
    driver, theirs = Pipe()
    with driver, theirs:
        return files, execute(asked, Notifying(files, theirs, Checkpoint(files.checkpoint)), test=test)


def kept(results: Results, signature: Signature, **settings: Any) -> tuple[RunFiles, SequenceModel]:
    """A run's files with a model of this signature, and that model."""
    files = results.run("one")
    asked = RunSpec(task="gone.for:Good").with_values(
        {"model.hidden": 5, "model.layers": 2, "model.dropout": 0.5, **settings}
    )
    files.begin(asked, {})
    model = SequenceModel(signature, asked.model).eval()
    save_model(files, model.state_dict(), signature)
    return files, model


def test_a_confirming_run_keeps_its_best_readings_weights(results: Results) -> None:
    asked = spec(f"{__name__}:Fading", options__at=20, train__steps=60)
    files, result = executed(results, asked)
    assert result.metrics["best/step"] == 20.0
    assert result.metrics["best/accuracy"] > result.metrics["last/accuracy"] + 0.1
    model, toy = load_model(files.path), Toy()
    for split, found in {"valid": "best/accuracy", "test": "test/accuracy"}.items():
        scores = evaluate(model, toy, split, asked.seed, torch.device("cpu"), asked.train)
        assert scores["accuracy"] == result.metrics[found]


@pytest.mark.parametrize(
    ("settings", "test"), [({}, False), ({"options__fault": "nan"}, True)], ids=["searching", "diverged"]
)
def test_a_run_that_is_not_tested_keeps_none(results: Results, settings: dict[str, Any], test: bool) -> None:
    files, _ = executed(results, spec(**settings), test=test)
    assert not files.weights.exists()
    assert not files.signature.exists()


def test_a_confirming_job_keeps_them_from_a_process_of_its_own(results: Results) -> None:
    asked = spec()
    jobs = [Job(asked, results.run("confirming").path, test=True)]
    with LocalPool(asked, 1) as pool:
        list(pool.run(lambda: jobs.pop() if jobs else None))
    assert load_model(results.run("confirming").path)(torch.zeros(1, 1, 1))[0].shape == (1, 2)


@pytest.mark.parametrize(("signature", "inputs"), [(TOKENS, X_BT), (NUMBERS, X_BTF)], ids=["tokens", "numbers"])
def test_a_folder_gives_its_model_back_without_its_task(results: Results, signature: Signature, inputs: Tensor) -> None:
    files, model = kept(results, signature)
    again = load_model(files.path)
    assert not again.training
    assert torch.equal(again(inputs)[0], model(inputs)[0])
    assert signature_of(files.path) == signature


def test_loading_a_model_draws_nothing_from_the_callers_generator(results: Results) -> None:
    files, _ = kept(results, TOKENS)
    before = torch.get_rng_state()
    load_model(files.path)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_weights_are_plain_safetensors_as_they_were(results: Results) -> None:
    files, model = kept(results, TOKENS)
    with safe_open(files.weights, "pt") as found:
        assert found.metadata() == {"format": "pt"}
        tensors = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118  # no mapping
    assert tensors.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        assert tensors[name].dtype is torch.float32
        assert torch.equal(tensors[name], tensor)
    assert {path.name for path in files.path.iterdir()} == {
        "spec.toml",
        "machine.json",
        "signature.json",
        "weights.safetensors",
    }


def test_tensors_of_any_layout_and_type_are_saved(tmp_path: Path) -> None:
    matrix = torch.arange(6.0).reshape(2, 3)
    tensors = {"turned": matrix.T, "part": matrix[:, 1], "count": torch.tensor(3), "learnt": nn.Parameter(matrix)}
    save(tmp_path / "some", tensors)
    found = load(tmp_path / "some")
    assert found.keys() == tensors.keys()
    assert all(
        torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype for name, tensor in tensors.items()
    )


def test_a_run_without_weights_is_one_line(results: Results) -> None:
    files, _ = executed(results, spec(), test=False)
    with pytest.raises(
        UsageError, match=r"holds no weights\.safetensors, .* `lstm-bench confirm STUDY` makes"
    ) as error:
        load_model(files.path)
    assert "\n" not in str(error.value)


class Payload:
    """What ends this process when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[int]]:
        return os._exit, (1,)


@pytest.mark.parametrize("what", ["cut", "empty", "pickled"])
def test_weights_that_are_damaged_or_another_thing_are_refused_in_one_line(results: Results, what: str) -> None:
    files, _ = kept(results, TOKENS)
    if what == "pickled":
        torch.save(Payload(), files.weights)
    else:
        files.weights.write_bytes(files.weights.read_bytes()[: -5 if what == "cut" else 0])
    with pytest.raises(BenchError, match=r"weights\.safetensors: .*; expected a whole safetensors file") as error:
        load_model(files.path)
    assert "\n" not in str(error.value)


def test_weights_of_another_model_are_one_line(results: Results) -> None:
    files, model = kept(results, TOKENS)
    save(files.weights, {name.replace("head", "foot"): tensor for name, tensor in model.state_dict().items()})
    with pytest.raises(
        BenchError, match=r'does not fit the model in .*spec\.toml: .*Missing key.* "head\.weight"'
    ) as error:
        load_model(files.path)
    assert "\n" not in str(error.value)


def test_a_cell_that_is_not_installed_is_one_line(results: Results) -> None:
    files, _ = kept(results, TOKENS)
    text = (files.path / "spec.toml").read_text()
    (files.path / "spec.toml").write_text(text.replace('cell = "lstm"', 'cell = "ltsm"'))
    with pytest.raises(UsageError, match="Did you mean 'lstm'"):
        load_model(files.path)
