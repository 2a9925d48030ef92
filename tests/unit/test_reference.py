from pathlib import Path

import pytest

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
