"""Suite `quick`, whole, to the scores that it must reach on its fresh seeds."""

from pathlib import Path

import pytest
from shell import call

from lstm_bench.analysis.answer import Board
from lstm_bench.record.files import Results


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Board]:
    folder: Path = tmp_path_factory.mktemp("quick")
    done = call(folder, "bench", timeout=1800)
    assert done.returncode == 0, done.stderr
    return {study.asked["task"]: study.board or {} for study in Results(folder / "results").studies()}


@pytest.mark.slow
def test_digits_are_read_better_than_a_line_does(boards: dict[str, Board]) -> None:
    found = boards["digits"]["confirmed"]
    assert found["score"]["mean"] >= 0.97
    assert found["floors"]["logistic regression"]["difference"]["mean"] > 0


@pytest.mark.slow
def test_characters_cost_at_most_2_20_bits(boards: dict[str, Board]) -> None:
    assert boards["asv-chars"]["confirmed"]["score"]["mean"] <= 2.20


@pytest.mark.slow
def test_adding_is_solved_on_all_fresh_seeds(boards: dict[str, Board]) -> None:
    assert boards["adding"]["confirmed"]["statuses"] == ["solved"] * 3


@pytest.mark.slow
def test_every_task_has_its_trials_and_pruning_happens(boards: dict[str, Board]) -> None:
    assert all(sum(board["statuses"].values()) >= 12 for board in boards.values())
    assert sum(board["statuses"].get("pruned", 0) for board in boards.values()) >= 1
