import json
from pathlib import Path

import pytest

from lstm_bench import odyssey
from lstm_bench.analysis.replication import kept
from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results
from lstm_bench.report import coverage, measured, replications
from lstm_bench.report.note import study_note
from lstm_bench.report.reference import insert, read, rendered
from lstm_bench.reproduce.rows import table_names

ROOT = Path(__file__).parents[2]
REFERENCES = {path.stem for path in (ROOT / "results" / "reference").glob("*.json")}
TABLES = REFERENCES & {*table_names()}
SUITES = sorted(REFERENCES - {*measured.NAMES, coverage.NAME, odyssey.SUITE, *TABLES})


def test_there_is_a_reference_of_the_suite_that_everybody_runs() -> None:
    assert "quick" in SUITES


@pytest.mark.parametrize("suite", SUITES)
def test_the_readme_shows_the_table_of_the_committed_boards(suite: str) -> None:
    """A table that does not fit is made again by `make bench SUITE=... && make reference SUITE=...`."""
    readme = (ROOT / "README.md").read_text()
    assert f"<!-- {suite} -->" in readme
    assert insert(readme, suite, rendered(suite, read(suite, ROOT / "results"))) == readme


def test_the_readme_shows_the_odyssey_that_was_kept() -> None:
    """One that does not fit is put there by `make odyssey` and `python -m lstm_bench.odyssey keep`."""
    readme = (ROOT / "README.md").read_text()
    kept = json.loads((ROOT / "results/reference" / f"{odyssey.SUITE}.json").read_text())
    assert f"<!-- {odyssey.SUITE} -->" in readme
    assert insert(readme, odyssey.SUITE, odyssey.rendered(kept)) == readme


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_readme_shows_the_rows_that_were_kept(table: str) -> None:
    """A table that does not fit is put there by `python -m lstm_bench.reproduce TABLE`."""
    readme, rows = (ROOT / "README.md").read_text(), kept(Results(ROOT / "results"), table)
    assert f"<!-- {table} -->" in readme
    assert insert(readme, table, replications.rendered(rows, f"lstm-bench reproduce {table}")) == readme


@pytest.mark.parametrize("suite", ["quick", "standard"])
def test_a_board_of_the_first_schema_has_no_new_rows(suite: str) -> None:
    block = rendered(suite, read(suite, ROOT / "results"))
    assert not any(label in block for label in ("valid, fresh", "contenders", "reused", "front"))
    assert block.count("1 seed ") + block.count("1 seed\n") == 3


def test_a_note_of_a_board_of_the_first_schema_can_be_made() -> None:
    note = study_note(read("quick", ROOT / "results")[0])
    assert "0.9963 accuracy (trial 5, 1 seed)" in note
    assert "Contenders" not in note


def test_what_was_measured_goes_between_its_marks_in_the_readme() -> None:
    where = {
        "cpu": "Z80",
        "cores": 1,
        "python": "3.11",
        "commit": "abc",
        "versions": dict.fromkeys(measured.VERSIONS, "1"),
    }
    block = measured.rendered({"command": "make measured", "machine": where, "rows": {"a reading": "1 ms"}})
    readme = insert((ROOT / "README.md").read_text(), "tracking", block)
    assert "<!-- tracking -->\n| what | measured |\n|---|---|\n| a reading | 1 ms |\n" in readme
    assert "By `make measured` on Z80, 1 cores; Python 3.11, torch 1, optuna 1, mlflow 1; commit abc.\n<!-- /" in readme


def test_the_readme_says_what_was_simulated() -> None:
    """What does not fit is made again by `make coverage`."""
    reference = json.loads((ROOT / "results" / "reference" / f"{coverage.NAME}.json").read_text())
    readme = (ROOT / "README.md").read_text()
    assert insert(readme, coverage.NAME, coverage.rendered(reference)) == readme
    assert all(f"| {row['method']} | {row['scores']} |" in readme for row in reference["rows"])


@pytest.mark.parametrize("name", sorted(REFERENCES & {*measured.NAMES}))
def test_the_readme_says_what_was_measured(name: str) -> None:
    reference = json.loads((ROOT / measured.place(name)).read_text())
    readme = (ROOT / "README.md").read_text()
    assert insert(readme, name, measured.rendered(reference)) == readme
    assert all(f"| {what} | {said} |" in readme for what, said in reference["rows"].items())


def test_what_benchmarks_say_is_taken_and_nothing_is_refused() -> None:
    one, other = {"extra_info": {"says": {"a reading": "1 ms"}}}, {"extra_info": {"ratio": 2}}
    assert measured.rows({"benchmarks": [one, other]}) == {"a reading": "1 ms"}
    with pytest.raises(BenchError, match="expected 'says'"):
        measured.rows({"benchmarks": [other]})
