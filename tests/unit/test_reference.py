from pathlib import Path

import pytest

from lstm_bench.report.note import study_note
from lstm_bench.report.reference import insert, read, rendered

ROOT = Path(__file__).parents[2]
SUITES = sorted(path.stem for path in (ROOT / "results" / "reference").glob("*.json"))


def test_there_is_a_reference_of_the_suite_that_everybody_runs() -> None:
    assert "quick" in SUITES


@pytest.mark.parametrize("suite", SUITES)
def test_the_readme_shows_the_table_of_the_committed_boards(suite: str) -> None:
    """A table that does not fit is made again by `make bench SUITE=... && make reference SUITE=...`."""
    readme = (ROOT / "README.md").read_text()
    assert f"<!-- {suite} -->" in readme
    assert insert(readme, suite, rendered(suite, read(suite, ROOT / "results"))) == readme


@pytest.mark.parametrize("suite", SUITES)
def test_a_board_of_the_first_schema_has_no_new_rows(suite: str) -> None:
    block = rendered(suite, read(suite, ROOT / "results"))
    assert not any(label in block for label in ("valid, fresh", "contenders", "reused", "front"))
    assert block.count("1 seed ") + block.count("1 seed\n") == 3


def test_a_note_of_a_board_of_the_first_schema_can_be_made() -> None:
    note = study_note(read("quick", ROOT / "results")[0])
    assert "0.9963 accuracy (trial 5, 1 seed)" in note
    assert "Contenders" not in note
