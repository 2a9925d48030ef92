"""The command: which studies and files it holds against which, and what it refuses."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import make_study
from scipy.signal import lfilter
from scipy.stats import ttest_ind

from lstm_bench.analysis.benchmarks import batched
from lstm_bench.analysis.references import boards_in
from lstm_bench.cli import main
from lstm_bench.record.files import Results

Board = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies of one task, and one of another."""
    results = Results(tmp_path_factory.mktemp("gating") / "results")
    results.root.mkdir()
    make_study(results, "toy-one", trials=3, confirm_seeds=4)
    make_study(results, "toy-two", trials=3, confirm_seeds=4, seed=1)
    make_study(results, "adding-one", task="adding", trials=3, confirm_seeds=4)
    return results.root


@pytest.fixture
def reference(folder: Path, tmp_path: Path) -> Callable[..., str]:
    """Writes the boards of some studies, changed, as a committed reference; gives its path."""

    def write(*names: str, change: Callable[[Board], object] = dict) -> str:
        boards = [Results(folder).study(name).board for name in names]
        for board in boards:
            assert board is not None
            change(board)
        path = tmp_path / "reference.json"
        path.write_text(json.dumps({"schema": 1, "boards": boards}))
        return str(path)

    return write


def gate(folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(folder), "gate", *arguments])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_a_study_is_no_worse_than_itself(folder: Path, reference, capsys) -> None:
    code, said, _ = gate(folder, capsys, "--baseline", reference("toy-one", "adding-one"))
    assert (code, said.splitlines()[0]) == (0, "passed     10 of 10")
    own = folder / "studies" / "toy-one" / "board.json"
    assert gate(folder, capsys, "--baseline", str(own))[0] == 0
    assert gate(folder, capsys, "--baseline", str(own), "toy-two")[0] in (0, 3)  # by its task


def test_what_was_better_has_fallen(folder: Path, reference, capsys) -> None:
    def better(board: Board) -> None:
        found = board["confirmed"]
        found["scores"] = [score + 0.2 + 0.001 * k for k, score in enumerate(found["scores"])]
        figures, name = found["figures"], "memory/peak_private_mib"
        figures[name] = [mib / 2 for mib in figures[name]]

    code, said, _ = gate(folder, capsys, "--baseline", reference("toy-one", change=better))
    assert code == 1
    assert "FELL       toy:Toy  test accuracy" in said
    assert "FELL       toy:Toy  peak memory, process" in said


def test_a_study_that_is_not_there_leaves_the_gate_undecided(folder: Path, reference, capsys) -> None:
    def lost(board: Board) -> None:
        board |= {"study": "lost", "task": "copy"}

    code, said, _ = gate(folder, capsys, "--baseline", reference("toy-one", change=lost))
    assert code == 3
    assert "undecided  lost: only the baseline has it" in said


def test_an_older_reference_gates_scores_times_and_weights_and_says_so(folder: Path, reference, capsys) -> None:
    def older(board: Board) -> None:
        del board["confirmed"]["figures"], board["facts"], board["options"]
        board["confirmed"] |= {"target_sequences": [640.0] * 4, "target_seconds": [None, 1.0, 1.0, 1.0]}

    code, said, _ = gate(folder, capsys, "--baseline", reference("adding-one", change=older))
    assert code == 0
    assert "note       adding-one: its baseline is of before boards kept each run's figures" in said
    (board,) = boards_in(Path(), json.loads(Path(reference("adding-one", change=older)).read_text()))
    assert sorted(board["confirmed"]["figures"]) == ["model/parameters", "progress/sequences", "target/sequences"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda board: board["facts"].update(data="other"), ["data differ", "other"]),
        (lambda board: board["goal"].update(target=0.5), ["goal target", "0.5"]),
        (lambda board: board.update(confirmed=None), ["not confirmed", "lstm-bench confirm"]),
        (lambda board: board.update(study="x"), ["x: none is called so", "toy-one, toy-two", "name one of them"]),
        (lambda board: board.pop("goal"), ["reference.json holds no boards", "expected a reference"]),
    ],
)
def test_what_cannot_be_held_against_each_other_is_misuse(folder: Path, reference, capsys, change, words) -> None:
    code, said, why = gate(folder, capsys, "--baseline", reference("toy-one", change=change))
    assert (code, said, why.count("\n")) == (2, "", 1)
    assert all(word in why for word in words), why


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--baseline", "nowhere.json"], ["nowhere.json cannot be read", "No such file"]),
        (["--baseline", "{list}"], ["list.json holds no boards"]),
        (["--baseline", "{toy}", "toy-onee"], ["unknown study 'toy-onee'", "Did you mean 'toy-one'"]),
        (["--baseline", "{toy}", "adding-one"], ["adding-one is of task adding", "toy-one"]),
        (["--baseline", "{toy}", "--margin", "sped=1%"], ["'sped'", "Did you mean 'speed'"]),
        (["--baseline", "{bench}"], ["expected another of its files"]),
        (["--baseline", "{bench}", "{toy}"], ["toy.json", "pytest --benchmark-json"]),
        ([], ["--baseline"]),
    ],
)
def test_misuse_is_one_line(folder: Path, tmp_path: Path, capsys, arguments, words) -> None:
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "toy.json").write_text(json.dumps(Results(folder).study("toy-one").board))
    (tmp_path / "bench.json").write_text(json.dumps(timed(1)))
    paths = {name: str(tmp_path / f"{name}.json") for name in ("list", "toy", "bench")}
    code, said, why = gate(folder, capsys, *(argument.format(**paths) for argument in arguments))
    assert (code, said, why.count("\n")) == (2, "", 1)
    assert all(word in why for word in words), why


def timed(seed: int, factor: float = 1.0, *, cpu: str = "A", rounds: int = 40, kept: bool = True) -> dict[str, Any]:
    """As pytest-benchmark writes it; `kept`: with its rounds, as by `--benchmark-json`."""
    chance, found = random.Random(seed), []
    for name in ("test_a.py::test_one", "test_a.py::test_two"):
        data = [factor * 1e-3 * (1 + 0.05 * chance.random()) for _ in range(rounds)]
        found.append(
            {"fullname": name, "stats": {"median": sorted(data)[rounds // 2]} | ({"data": data} if kept else {})}
        )
    return {"machine_info": {"cpu": {"brand_raw": cpu, "count": 2}, "system": "Linux"}, "benchmarks": found}


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    def write(name: str, *made: dict[str, Any]) -> list[str]:
        paths = [tmp_path / f"{name}{k}.json" for k in range(len(made))]
        for path, one in zip(paths, made, strict=True):
            path.write_text(json.dumps(one))
        return [str(path) for path in paths]

    return write


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.1, 1), (0.8, 0)])
def test_benchmarks_of_one_process_a_side_by_its_rounds(folder: Path, files, capsys, factor: float, code: int) -> None:
    before, now = files("before", timed(1)), files("now", timed(2, factor))
    found, said, _ = gate(folder, capsys, "--baseline", *before, *now)
    assert found == code, said
    assert "note       one process a side" in said
    assert said.count("FELL") == (2 if code else 0)


@pytest.mark.parametrize(("factor", "code"), [(1.0, 0), (1.1, 1)])
def test_benchmarks_of_several_processes_by_a_value_each(folder: Path, files, capsys, factor: float, code: int) -> None:
    before = files("before", *(timed(seed, kept=False) for seed in range(4)))
    now = files("now", *(timed(seed, factor, kept=False) for seed in range(4, 8)))
    given = [argument for path in before for argument in ("--baseline", path)]
    found, said, _ = gate(folder, capsys, *given, *now)
    assert found == code, said
    assert "note" not in said


def test_one_process_without_its_rounds_decides_nothing(folder: Path, files, capsys) -> None:
    before, now = files("before", timed(1)), files("now", timed(2, 2.0, kept=False))
    assert gate(folder, capsys, "--baseline", *before, *now)[0] == 3


def test_benchmarks_of_another_machine_are_compared_on_request_alone(folder: Path, files, capsys) -> None:
    before, now = files("before", timed(1)), files("now", timed(2, cpu="B"))
    code, _, why = gate(folder, capsys, "--baseline", *before, *now)
    assert (code, "cpu B, not A" in why or "cpu A, not B" in why) == (2, True)
    assert gate(folder, capsys, "--baseline", *before, *now, "--across-machines")[0] == 0


def test_a_benchmark_that_is_gone_leaves_the_gate_undecided(folder: Path, files, capsys) -> None:
    less = timed(2)
    del less["benchmarks"][1]
    code, said, _ = gate(folder, capsys, "--baseline", *files("before", timed(1)), *files("now", less))
    assert code == 3
    assert "undecided  test_a.py::test_two: only the baseline has it" in said


@pytest.mark.parametrize("n", [2, 19, 20, 21, 99, 1000])
def test_batches_hold_every_round_in_order(n: int) -> None:
    found = batched([2.0] * n)
    assert len(found) == (n if n < 20 else 10)
    assert found == pytest.approx([2.0] * len(found))
    assert batched([*[1.0] * 50, *[4.0] * 50]) == pytest.approx([1.0] * 5 + [4.0] * 5)


def test_rounds_that_are_like_the_one_before_are_not_taken_for_news() -> None:
    # An autoregression of 0.6: its mean scatters twice as much as that of as many independent rounds.
    rng = np.random.default_rng(0)
    shocks = 0.05 * rng.normal(size=(2, 300, 400))
    rounds = np.exp(lfilter([1], [1, -0.6], shocks))

    def falls(values: np.ndarray) -> float:
        return float(np.mean(ttest_ind(*np.log(values), axis=1, equal_var=False, alternative="greater").pvalue <= 0.05))

    assert falls(rounds) > 0.15
    assert falls(np.apply_along_axis(batched, 2, rounds)) < 0.10
