from pathlib import Path

import pytest

from lstm_bench.record.files import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    found.root.mkdir()
    return found
