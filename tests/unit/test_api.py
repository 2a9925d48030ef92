import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import lstm_bench
from lstm_bench import Run, compare, load_results, run, search, train
from lstm_bench.adapter import taken
from lstm_bench.errors import UsageError
from lstm_bench.losses import cross_entropy
from lstm_bench.model import SequenceModel
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.result import Status
from lstm_bench.spec import ModelSpec, TrainSpec
from lstm_bench.suites.options import table_of
from lstm_bench.task import Batch, Goal, Signature, Split, Tally

ROOT = Path(__file__).parents[2]


def linear() -> nn.Module:
    """A module that knows nothing of us, for the toy's [B, 4, 1]."""
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


def steps(readings: Iterator[Any]) -> list[int]:
    return [reading.step for reading in readings]


def test_a_plain_module_learns_in_place_and_is_scored_as_any_model() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    before = model[1].weight.detach().clone()
    *_, last = train(model, "digits", steps=200)
    assert last.metrics["valid/accuracy"] > 0.85  # one class is 0.1
    assert not torch.equal(model[1].weight, before)


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, RunFiles, str]:
    """A run made from Python, its files, and what was printed."""
    root = tmp_path_factory.mktemp("results")
    with redirect_stdout(io.StringIO()) as said:
        found = run("toy:Toy", {"train": {"steps": 20}, "seed": 8}, seed=3, results=root)
    return found, Results(root).run(found.id), said.getvalue()


def test_a_run_is_what_its_files_say_and_prints_nothing(known: tuple[Run, RunFiles, str]) -> None:
    found, files, said = known
    assert found.result.status is Status.FINISHED
    assert found.result == files.result
    assert found.readings == files.readings
    assert [reading.step for reading in found.readings] == [10, 20]
    assert files.spec.seed == 3  # a seed that is given comes before that of the settings
    assert said == ""


def test_our_own_model_trains_to_the_readings_of_a_run_of_its_own(known: tuple[Run, RunFiles, str]) -> None:
    """The same weights, data and steps: here, and in a process that the harness made."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(3)
        model = SequenceModel(Signature(features=1, outputs=2, every_step=False), ModelSpec(hidden=8))
        here = list(train(model, "toy:Toy", steps=20, seed=3))
    finally:
        torch.set_num_threads(threads)
    for one, other in zip(here, known[0].readings, strict=True):
        for name in ("train/loss", "train/gradient_norm", "valid/accuracy"):
            assert one.metrics[name] == other.metrics[name]


def test_training_goes_as_far_as_its_reader_and_leaves_the_model_there() -> None:
    model = linear()
    readings = train(model, "toy:Toy")
    next(readings)
    there = [p.detach().clone() for p in model.parameters()]
    readings.close()
    assert steps(readings) == []
    assert all(torch.equal(now, then) for now, then in zip(model.parameters(), there, strict=True))
    assert not model.training


def test_keywords_come_before_a_spec_and_a_spec_before_the_tasks_own_defaults(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('task = "toy:Toy"\ntrain.steps = 15\nseed = 5\n')
    from toy import Toy

    spec = TrainSpec(steps=6, eval_every=2)
    assert steps(train(linear(), "toy:Toy")) == [10, 20, 30, 40]
    assert steps(train(linear(), Toy())) == [10, 20, 30, 40]
    assert steps(train(linear(), "toy:Toy", steps=12)) == [10, 12]
    assert steps(train(linear(), "toy:Toy", spec)) == [2, 4, 6]
    assert steps(train(linear(), Toy(), spec, steps=3)) == [2, 3]
    assert steps(train(linear(), file)) == [10, 15]


def test_the_options_of_a_file_and_of_a_task_are_its_own(tmp_path: Path) -> None:
    from toy import Toy

    spy, file = tmp_path / "spy", tmp_path / "mine.toml"
    file.write_text(f'task = "toy:Toy"\noptions.spy = "{spy}"\n')
    for task in (str(file), Toy(spy=str(spy))):
        next(train(linear(), task, seed=9))
        assert set(spy.read_text().splitlines()) == {"train 9", "valid 9"}
        spy.unlink()


def test_the_callers_chance_is_left_alone() -> None:
    torch.manual_seed(1)
    model, threads = linear(), torch.get_num_threads()
    state = torch.get_rng_state()
    list(train(model, "toy:Toy", seed=5, steps=10))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A task whose batches carry the state on, with lengths, and that lives in this process alone."""

    family: ClassVar[str] = "language"
    goal: ClassVar[Goal] = Goal(metric="loss", maximize=False)
    signature: ClassVar[Signature] = Signature(vocab=3, outputs=3, every_step=True)
    defaults: ClassVar[dict[str, float]] = {"train.steps": 4, "train.eval_every": 4, "train.batch_size": 2}

    def prepare(self) -> str:
        return "walk-1"

    def batches(self, split: Split, batch_size: int, seed: int, start: int = 0) -> Iterator[Batch]:  # noqa: ARG002
        for k in range(start, 10**6 if split == "train" else 2):
            tokens_BT = (torch.arange(5) + k).remainder(3).expand(batch_size, 5)
            yield Batch(tokens_BT, tokens_BT, torch.tensor([3] * batch_size), carry=k > 0)

    def loss(self, output: Tensor, batch: Batch) -> Tensor:
        return cross_entropy(output.flatten(0, 1), batch.targets.flatten())

    def tallies(self, output: Tensor, batch: Batch) -> dict[str, Tally]:
        return {"loss": Tally(self.loss(output, batch).double(), 1)}


class Remembers(nn.Module):
    """Gives back a state of any form, and keeps what it was given."""

    def __init__(self, form: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.embed, self.form = nn.Embedding(3, 3), form
        self.given: list[Any] = []
        self.lengths: list[Any] = []

    def forward(self, tokens_BT: Tensor, lengths: Tensor | None = None, state: Any = None) -> tuple[Tensor, Any]:
        self.given.append(state)
        self.lengths.append(lengths)
        return self.embed(tokens_BT), self.form(self.embed.weight * len(self.given))


@pytest.mark.parametrize(
    "form", [lambda h: h, lambda h: (h, 2 * h), lambda h: ((h, 2 * h), (3 * h, 4 * h)), lambda h: {"h": [h]}]
)
def test_a_state_of_any_form_is_carried_from_batch_to_batch_and_cut_off_its_history(form: Callable[..., Any]) -> None:
    model = Remembers(form)
    list(train(model, Walk()))
    first, second, third, *_ = model.given[:4]
    assert first is None
    shape = json.dumps(form(torch.ones(1)), default=lambda _: "tensor")
    for given in (second, third):
        assert json.dumps(given, default=lambda _: "tensor") == shape
    assert not any(part.requires_grad for part in torch.utils._pytree.tree_leaves(second))
    valid = model.given[4:]  # evaluated after the fourth step: from nothing, then carried
    assert valid[0] is None
    assert valid[1] is not None
    assert all(lengths.tolist() == [3] * len(lengths) for lengths in model.lengths)


def test_a_module_that_takes_lengths_alone_returns_its_output_alone() -> None:
    class Measures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.seen = nn.Embedding(3, 3), set()

        def forward(self, tokens_BT: Tensor, lengths: Tensor) -> Tensor:
            self.seen |= set(lengths.tolist())
            return self.embed(tokens_BT)

    model = Measures()
    assert steps(train(model, Walk())) == [4]
    assert model.seen == {3}


def taking(parameters: str) -> nn.Module:
    """A module with such a forward."""
    forward = eval(f"lambda self, {parameters}: None")  # noqa: S307  # our own text
    return type("Own", (nn.Module,), {"forward": forward})()


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ("x", []),
        ("*x", []),
        ("x, scale=1.0", []),
        ("x, **more", []),
        ("x, lengths", ["lengths"]),
        ("x, *, state", ["state"]),
        ("inputs, state, lengths", ["state", "lengths"]),
    ],
)
def test_a_forward_is_given_what_it_names(parameters: str, names: list[str]) -> None:
    assert taken(taking(parameters)) == names


def test_what_torch_compiles_takes_what_the_module_takes() -> None:
    assert taken(torch.compile(Remembers(lambda h: h))) == ["lengths", "state"]


@pytest.mark.parametrize("parameters", ["", "*, inputs", "**inputs", "x, hidden", "x, *, mask", "x, hidden, lengths"])
def test_a_forward_that_needs_something_else_is_refused_before_training(parameters: str) -> None:
    with pytest.raises(UsageError, match=r"Own\.forward.*expected forward\(inputs\)") as refused:
        train(taking(parameters), "toy:Toy")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (lambda self, x: self.weigh(x.flatten(1))[:, 0], ["a tensor [16]", "[16, 2]"]),  # would be broadcast
        (lambda self, x: self.weigh(x.flatten(1)[:, None]), ["a tensor [16, 1, 2]", "[16, 2]"]),
        (lambda self, x: (self.weigh(x.flatten(1)), 1), ["a tuple", "[16, 2]"]),
        (lambda self, x, state: self.weigh(x.flatten(1)), ["takes `state`", "(output, state)"]),  # noqa: ARG005
        (lambda self, x, state: (self.weigh(x.flatten(1)), "h"), ["a str", "tensors alone"]),  # noqa: ARG005
    ],
)
def test_an_output_of_another_shape_is_refused_in_one_line(forward: Callable[..., Any], words: list[str]) -> None:
    module = type("Gives", (nn.Module,), {"forward": forward})()
    module.weigh = nn.Linear(4, 2)
    with pytest.raises(UsageError) as refused:
        next(train(module, "toy:Toy"))
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("arguments", "values", "words"),
    [
        ((nn.Linear, "toy:Toy"), {}, ["the class Linear", "an object of torch.nn.Module"]),
        (("lstm", "toy:Toy"), {}, ["'lstm'", "an object of torch.nn.Module"]),
        ((linear(), "ading"), {}, ["'ading'", "Did you mean 'adding'"]),
        ((linear(), Walk), {}, ["the class Walk", "an object of a task"]),
        ((linear(), linear()), {}, ["an object of Sequential"]),
        ((linear(), "missing.toml"), {}, ["missing.toml", "No such file"]),
        ((linear(), Walk()), {"stps": 1}, ["'train.stps'", "Did you mean 'train.steps'"]),
        ((linear(), Walk()), {"steps": 0}, ["train: steps", "all 0"]),
    ],
)
def test_what_cannot_be_trained_is_refused_where_train_is_called(
    arguments: tuple[Any, ...], values: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(UsageError) as refused:
        train(*arguments, **values)
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


@pytest.fixture(scope="module")
def studied(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, dict[str, Any], str]:
    """A study made from Python, its answer, and what was printed."""
    root = tmp_path_factory.mktemp("results")
    with redirect_stdout(io.StringIO()) as said:
        board = search(
            "toy:Toy",
            trials=2,
            confirm_seeds=1,
            workers=2,
            name="mine",
            settings={"train": {"steps": 20}, "model.hidden": 4},
            space={"train.lr": {"low": 1e-2, "high": 1e-1, "log": True}},
            enqueue=[{"train.lr": 0.05}],
            sampler={"name": "random"},
            pruner="none",
            results=root,
        )
    return Results(root), board, said.getvalue()


def test_a_search_from_python_is_the_study_that_was_asked_for(studied: tuple[Results, dict[str, Any], str]) -> None:
    results, board, said = studied
    files = results.study("mine")
    assert {key: (files.board or {})[key] for key in board} == board
    assert board["statuses"] == {"finished": 2}
    assert board["confirmed"]["score"]["n"] == 1
    assert files.trials[0].settings == {"train.lr": 0.05}
    assert [set(trial.settings) for trial in files.trials] == [{"train.lr"}] * 2
    asked = files.asked
    assert (asked["trials"], asked["sampler"], asked["pruner"]) == (2, {"name": "random"}, "none")
    assert (asked["train"]["steps"], asked["model"]["hidden"]) == (20, 4)
    assert said == ""


def test_what_python_searched_python_reads_and_compares(studied: tuple[Results, dict[str, Any], str]) -> None:
    results, board, _ = studied
    runs, readings = load_results(results.root)
    assert runs["purpose"].tolist() == ["search", "search", "confirm"]
    assert runs["floor/majority"].notna().tolist() == [False, False, True]
    assert len(readings) == 6
    row = compare("mine", results=results.root).iloc[0]
    assert row["test"] == board["confirmed"]["score"]["mean"]
    assert row["search_score"] == runs.loc[runs["purpose"] == "search", "score"].max()


def test_the_same_search_again_runs_nothing(
    studied: tuple[Results, dict[str, Any], str], capsys: pytest.CaptureFixture[str]
) -> None:
    results, board, _ = studied
    before = sorted(results.runs.iterdir())
    again = search(
        "toy:Toy", trials=2, confirm_seeds=1, workers=2, name="mine", settings={"train.steps": 20, "model.hidden": 4},
        space={"train.lr": {"low": 1e-2, "high": 1e-1, "log": True}}, enqueue=[{"train.lr": 0.05}],
        sampler={"name": "random"}, pruner="none", results=results.root, quiet=False,
    )  # fmt: skip
    assert again["confirmed"] == board["confirmed"]
    assert sorted(results.runs.iterdir()) == before
    assert "nothing is run again" in capsys.readouterr().out


class Thing:
    """Nothing that another process could see."""


@pytest.mark.parametrize("start", [run, search])
@pytest.mark.parametrize("task", [Walk(), Walk, Thing(), "__main__:Walk"])
def test_a_task_that_lives_in_this_process_alone_is_refused_in_one_line(
    start: Callable[..., Any], task: Any, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"module:attr.*process of its own.*train\(\)") as refused:
        start(task, results=tmp_path / "results")
    assert "\n" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"workers": 0}, ["workers = 0"]),
        ({"trials": 0}, ["trials = 0"]),
        ({"name": "a/b"}, ["'a/b'"]),
        ({"settings": {"train.lt": 1}}, ["'train.lt'", "Did you mean 'train.lr'"]),
        ({"space": {"train.lt": [1, 2]}}, ["'train.lt'", "Did you mean 'train.lr'"]),
        ({"sampler": "tpee"}, ["'tpee'", "tpe"]),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_anything_is_written(
    options: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as refused:
        search("toy:Toy", results=tmp_path / "results", **options)
    assert all(word in str(refused.value) for word in words)
    assert list(tmp_path.iterdir()) == []


def test_options_come_before_the_file_and_those_not_given_leave_it_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('task = "adding"\ntrials = 20\nseeds = 2\nmax_failures = 3\ndeterministic = true\npruner = "asha"')
    table, stem = table_of(file, trials=5, max_failures=0, enqueue=[], top=2, sampler={"name": "random"})
    assert stem == "mine"
    assert table.run == {"task": "adding"}
    assert table.budget == {"trials": 5, "seeds": 2, "max_failures": 0, "confirm_top": 2}
    assert table.strategy == {"deterministic": True, "pruner": "asha", "sampler": {"name": "random"}}
    table, stem = table_of("toy:Toy", deterministic=True, objectives=("valid/accuracy",), pruner="none")
    assert (table.run, stem) == ({"task": "toy:Toy"}, "toy.Toy")
    assert table.strategy == {"deterministic": True, "objectives": ["valid/accuracy"], "pruner": "none"}


@pytest.mark.parametrize("way", ["a script without a main guard, of another folder", "a prompt"])
def test_a_run_starts_from_anywhere_and_finds_a_task_of_the_working_directory(way: str, tmp_path: Path) -> None:
    """It breaks there, which raises nothing: the result says so."""
    (tmp_path / "mine.py").write_text((ROOT / "tests" / "plugins" / "toy.py").read_text())
    lines = "from lstm_bench import run\nprint(run('mine:Toy', {'options': {'fault': 'raise'}}).result.reason)\n"
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(lines)
    arguments = ["-i"] if way == "a prompt" else [str(script)]
    done = subprocess.run(
        [sys.executable, *arguments], input=lines, check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert done.stdout == "RuntimeError: the toy broke\n", done.stderr
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 1


def test_what_is_exported_is_there_and_nothing_else_is() -> None:
    assert set(lstm_bench.__all__) <= set(dir(lstm_bench))
    assert all(getattr(lstm_bench, name).__doc__ for name in lstm_bench.__all__)
    with pytest.raises(ImportError, match="searh"):
        from lstm_bench import searh  # noqa: F401


def test_torch_and_pandas_wait_until_something_needs_them(results: Results) -> None:
    """And to read results takes neither torch nor MLflow."""
    watch = (
        "import sys; heavy = {'torch', 'pandas', 'mlflow', 'optuna', 'scipy', 'rich'}\n"
        "import lstm_bench\nprint(sorted(heavy & set(sys.modules)))\n"
        f"lstm_bench.load_results({str(results.root)!r})\nprint(sorted(heavy & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == ["[]", "['pandas']"]


@pytest.mark.slow
def test_the_readmes_examples_run_as_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = re.search(r"<!-- python -->\n(.*?)<!-- /python -->", readme, re.DOTALL)
    assert shown, "README.md has no section between <!-- python --> and <!-- /python -->"
    examples = re.findall(r"```python\n(.*?)```", shown[1], re.DOTALL)
    assert examples
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    with redirect_stdout(io.StringIO()) as said:
        for example in examples:
            exec(compile(example, "README.md", "exec"), names)  # noqa: S102  # our own text
    assert {"compare", "load_results", "run", "search", "train"} <= names.keys()
    assert said.getvalue()
