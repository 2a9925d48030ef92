import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from packaging.requirements import Requirement

from lstm_bench.errors import UsageError
from lstm_bench.model import SequenceModel
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.weights import save_model as keep_model
from lstm_bench.spec import RunSpec
from lstm_bench.task import Signature
from lstm_bench.tracking import pyfunc
from lstm_bench.tracking.pyfunc import log_model, save_model

TOKENS = Signature(vocab=7, outputs=4, every_step=True)
NUMBERS = Signature(features=3, outputs=2, every_step=False)
SIGNATURES = pytest.mark.parametrize("signature", [TOKENS, NUMBERS], ids=["tokens", "numbers"])

OWN_CELL = """
from lstm_bench.cells.lstm import LSTM
from .parts import GAIN

class Loud(LSTM):
    def forward(self, x_BTF, state=None):
        return super().forward(x_BTF * GAIN, state)
"""


def kept(path: Path, signature: Signature, cell: str = "lstm") -> tuple[Path, SequenceModel]:
    """The folder of a run that has kept its weights, and its model."""
    files = RunFiles(path)
    asked = RunSpec(task="gone.for:Good", options={"length": 9})
    files.begin(asked.with_values({"model.hidden": 5, "model.layers": 2, "model.cell": cell}), {})
    model = SequenceModel(signature, files.spec.model).eval()
    keep_model(files, model.state_dict(), signature)
    return path, model


def inputs(signature: Signature, batch: int, steps: int) -> np.ndarray:
    """Some that the model of a signature takes."""
    random = np.random.default_rng(batch * steps)
    if signature.vocab:
        return random.integers(signature.vocab, size=(batch, steps))
    return random.normal(size=(batch, steps, signature.features)).astype(np.float32)


def own_output(model: SequenceModel, given: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.tensor(given))[0].numpy()


class Shelf:
    """A store with an experiment, whose artifacts lie beside it."""

    def __init__(self, folder: Path) -> None:
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.client = MlflowClient(self.uri)
        self.experiment = self.client.create_experiment("toy", artifact_location=(folder / "artifacts").as_uri())

    def run(self) -> str:
        return self.client.create_run(self.experiment).info.run_id

    def models(self, run: str) -> list[Any]:
        return list(self.client.search_logged_models([self.experiment], f"source_run_id = '{run}'"))

    def outputs(self, run: str) -> list[str]:
        return [output.model_id for output in self.client.get_run(run).outputs.model_outputs]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("store"))


@pytest.fixture(autouse=True)
def _path_as_it_was() -> Iterator[None]:
    """MLflow puts a loaded model's code before all other."""
    before = list(sys.path)
    yield
    sys.path[:] = before


def test_a_model_that_is_logged_twice_is_one_and_its_runs_output(shelf: Shelf, results: Results) -> None:
    folder, _ = kept(results.run("one").path, TOKENS)
    run = shelf.run()
    uris = {log_model(shelf.client, shelf.experiment, run, folder, "my.study-1") for _ in range(2)}
    (model,) = shelf.models(run)
    assert uris == {f"models:/{model.model_id}"}
    assert shelf.outputs(run) == [model.model_id]
    assert (model.name, model.status, model.tags["run"]) == ("my-study-1", LoggedModelStatus.READY, "one")
    assert model.params["model.hidden"] == "5"
    assert model.params["options.length"] == "9"


@pytest.mark.parametrize("call", ["log_model_artifacts", "finalize_logged_model", "log_outputs"])
def test_a_logging_that_was_cut_short_is_gone_on_with(
    shelf: Shelf, results: Results, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    folder, model = kept(results.run("one").path, NUMBERS)
    run = shelf.run()

    def cut(*_: object, **__: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(shelf.client, call, cut)
        with pytest.raises(ConnectionError):
            log_model(shelf.client, shelf.experiment, run, folder, "study")
    uri = log_model(shelf.client, shelf.experiment, run, folder, "study")
    (found,) = shelf.models(run)
    assert (found.status, found.model_uri) == (LoggedModelStatus.READY, uri)
    assert shelf.outputs(run) == [found.model_id]
    place = found.artifact_location.removeprefix("file://")
    given = inputs(NUMBERS, 3, 4)
    assert np.array_equal(mlflow.pyfunc.load_model(place).predict(given), own_output(model, given))


def test_another_winner_is_another_model_and_each_mlflow_run_has_its_own(shelf: Shelf, results: Results) -> None:
    runs = [shelf.run(), shelf.run()]
    for name in ("first", "second"):
        folder, _ = kept(results.run(name).path, TOKENS)
        for run in runs:
            log_model(shelf.client, shelf.experiment, run, folder, "study")
    for run in runs:
        assert sorted(model.tags["run"] for model in shelf.models(run)) == ["first", "second"]
        assert set(shelf.outputs(run)) == {model.model_id for model in shelf.models(run)}


@SIGNATURES
def test_mlflow_predicts_as_the_model_does_for_any_batch_and_length(tmp_path: Path, signature: Signature) -> None:
    folder, model = kept(tmp_path / "run", signature)
    save_model(folder, tmp_path / "model")
    served = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    for batch, steps in [(1, 1), (3, 17), (16, 2), pyfunc.EXAMPLE]:
        given = inputs(signature, batch, steps)
        assert np.array_equal(served.predict(given), own_output(model, given))
    turned = np.asfortranarray(inputs(signature, 3, 5))[:, ::-1]
    turned.flags.writeable = False
    assert np.array_equal(served.predict(turned), own_output(model, turned.copy()))


@SIGNATURES
def test_the_example_is_in_the_model_and_the_model_takes_it(tmp_path: Path, signature: Signature) -> None:
    folder, model = kept(tmp_path / "run", signature)
    save_model(folder, tmp_path / "model")
    served = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert served.input_example.shape[:2] == pyfunc.EXAMPLE
    assert np.array_equal(served.predict(served.input_example), own_output(model, served.input_example))


def test_the_signature_leaves_batch_and_time_open(tmp_path: Path) -> None:
    shapes = {}
    for signature in (TOKENS, NUMBERS):
        folder, _ = kept(tmp_path / f"run{signature.outputs}", signature)
        save_model(folder, tmp_path / f"model{signature.outputs}")
        found = Model.load(tmp_path / f"model{signature.outputs}").signature
        shapes[signature] = [(str(spec.type), spec.shape) for spec in (found.inputs.inputs[0], found.outputs.inputs[0])]
    assert shapes[TOKENS] == [("int64", (-1, -1)), ("float32", (-1, -1, 4))]
    assert shapes[NUMBERS] == [("float32", (-1, -1, 3)), ("float32", (-1, 2))]


def test_a_model_is_its_files_and_code_and_nothing_in_it_is_pickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, _ = kept(tmp_path / "run", TOKENS)
    here = tmp_path / "here"
    here.mkdir()
    for name in ("uv.lock", "pyproject.toml"):
        (here / name).touch()
    monkeypatch.chdir(here)
    save_model(folder, tmp_path / "model")
    mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert capfd.readouterr() == ("", "")  # it is no news to a person
    assert {path.name for path in here.iterdir()} == {"uv.lock", "pyproject.toml"}
    files = {
        path.relative_to(tmp_path / "model").as_posix() for path in (tmp_path / "model").rglob("*") if path.is_file()
    }
    assert {path for path in files if not path.startswith("code/lstm_bench/")} == {
        "MLmodel",
        "artifacts/run/signature.json",
        "artifacts/run/spec.toml",
        "artifacts/run/weights.safetensors",
        "conda.yaml",
        "input_example.json",
        "python_env.yaml",
        "requirements.txt",
        "served.py",
        "serving_input_example.json",
    }
    assert not [path for path in files if path.endswith((".pkl", ".pickle", ".pt", ".pyc"))]
    assert "code/lstm_bench/cells/lstm.py" in files
    assert "python_model" not in Model.load(tmp_path / "model").flavors["python_function"]


def test_requirements_are_pinned_to_public_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyfunc, "version", lambda name: "2.13.0+cpu" if name == "torch" else version(name))
    found = [Requirement(text) for text in pyfunc.requirements()]
    assert {one.name for one in found} == {*pyfunc.NEEDS}
    assert [str(one.specifier) for one in found if one.name == "torch"] == ["==2.13.0"]
    assert {str(one.specifier) for one in found if one.name == "mlflow"} == {f"=={version('mlflow')}"}


def test_what_is_no_input_is_told_in_one_line(tmp_path: Path) -> None:
    models = {}
    for signature in (TOKENS, NUMBERS):
        folder, _ = kept(tmp_path / f"run{signature.outputs}", signature)
        save_model(folder, tmp_path / f"model{signature.outputs}")
        models[signature] = mlflow.pyfunc.load_model(str(tmp_path / f"model{signature.outputs}"))
    tokens, numbers = inputs(TOKENS, 2, 5), inputs(NUMBERS, 2, 5)
    expected = "expected a NumPy array, {}, with one sequence and one step at least"
    of_tokens, of_numbers = expected.format("int64 [batch, time]"), expected.format("float32 [batch, time, 3]")
    for signature, given, line in [
        (TOKENS, np.array([[-1, 6]]), "the input has tokens from -1 to 6: expected 0 to 6"),
        (TOKENS, np.array([[0, 7]]), "the input has tokens from 0 to 7: expected 0 to 6"),
        (TOKENS, tokens[:0], f"the input is int64 [0, 5]: {of_tokens}"),
        (NUMBERS, numbers[:, :0], f"the input is float32 [2, 0, 3]: {of_numbers}"),
        (NUMBERS, np.array([numbers[0], numbers[1, :2]], object), f"the input is object [2]: {of_numbers}"),
    ]:
        with pytest.raises(UsageError) as error:
            models[signature].predict(given)
        assert str(error.value) == line
    for signature, given, line in [  # MLflow refuses these before the model sees them
        (TOKENS, tokens[0], f"the input is int64 [5]: {of_tokens}"),
        (TOKENS, tokens[..., None], f"the input is int64 [2, 5, 1]: {of_tokens}"),
        (TOKENS, tokens.astype(np.int32), f"the input is int32 [2, 5]: {of_tokens}"),
        (NUMBERS, numbers[..., :2], f"the input is float32 [2, 5, 2]: {of_numbers}"),
        (NUMBERS, numbers.tolist(), f"the input is list []: {of_numbers}"),
    ]:
        with pytest.raises(MlflowException):
            models[signature].predict(given)
        with pytest.raises(UsageError) as error:
            models[signature].unwrap_python_model().predict(None, given)
        assert str(error.value) == line


def own_package(folder: Path, name: str) -> str:
    """A user's own package with a cell, and the cell's name."""
    (folder / name / "inner").mkdir(parents=True)
    for path, text in {
        "__init__.py": "",
        "inner/__init__.py": "",
        "inner/parts.py": "GAIN = 3.0",
        "inner/cell.py": OWN_CELL,
    }.items():
        (folder / name / path).write_text(text)
    return f"{name}.inner.cell:Loud"


def needed(names: list[str]) -> set[str]:
    """The first parts of the paths of all distributions that these need, and these of theirs."""
    found: set[str] = set()
    seen: set[str] = set()
    while names:
        wanted = Requirement(names.pop())
        applies = wanted.marker is None or wanted.marker.evaluate({"extra": ""})
        if applies and wanted.name not in seen:
            seen.add(wanted.name)
            try:
                one = distribution(wanted.name)
            except PackageNotFoundError:  # of another build of torch
                continue
            found |= {path.parts[0] for path in one.files or () if path.parts[0] != ".."}
            names += one.requires or []
    return found


def test_a_new_process_that_has_the_requirements_alone_loads_and_predicts(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "own")
    wanted = {}
    for signature, cell in {TOKENS: "lstm", NUMBERS: own_package(tmp_path / "own", "loud_cells")}.items():
        folder, model = kept(tmp_path / "runs" / str(signature.outputs), signature, cell)
        uri, given = log_model(shelf.client, shelf.experiment, shelf.run(), folder, "study"), inputs(signature, 3, 11)
        wanted[uri] = {"given": given.tolist(), "type": str(given.dtype), "output": own_output(model, given).tolist()}
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in needed(pyfunc.requirements()):
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            if (Path(place) / name).exists():
                (bare / name).symlink_to(Path(place) / name)
    code = """
        import importlib.metadata, importlib.util, json, sys
        assert not any(importlib.util.find_spec(name) for name in ("lstm_bench", "loud_cells", "optuna", "typer"))
        assert not any(one.name == "lstm-bench" for one in importlib.metadata.distributions())
        import mlflow, numpy
        for uri, wanted in json.load(sys.stdin).items():
            found = mlflow.pyfunc.load_model(uri).predict(numpy.array(wanted["given"], wanted["type"]))
            assert found.tolist() == wanted["output"], uri
        import lstm_bench
        print(lstm_bench.__file__, lstm_bench.__version__)
    """
    ended = subprocess.run(
        [sys.executable, "-S", "-P", "-c", textwrap.dedent(code)],
        input=json.dumps(wanted),
        env=os.environ | {"PYTHONPATH": str(bare), "MLFLOW_TRACKING_URI": shelf.uri},
        cwd=bare,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    place, its_version = ended.stdout.split()
    assert "/code/lstm_bench/" in place
    assert its_version == "unknown"
