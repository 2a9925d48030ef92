from pathlib import Path

import pytest

from lstm_bench.record.files import Results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = Results(tmp_path / "results")
    found.root.mkdir()
    return found


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's store with nothing in it, to be copied: making one takes seconds."""
    from pictured import empty_store

    return empty_store(Results(tmp_path_factory.mktemp("store") / "results"))
