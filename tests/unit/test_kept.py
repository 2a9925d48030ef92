from pathlib import Path

import pytest

from lstm_bench.errors import UsageError
from lstm_bench.pool.kept import Kept


def test_a_checkpoint_is_kept_fetched_and_forgotten(tmp_path: Path) -> None:
    kept, own, back = Kept.at(str(tmp_path / "kept")), tmp_path / "own.pt", tmp_path / "back.pt"
    kept.get("a", back)
    assert not back.exists()
    for state in (b"first", b"second"):
        own.write_bytes(state)
        kept.put("a", own)
        kept.get("a", back)
        assert back.read_bytes() == state
    kept.forget("a")
    kept.forget("a")
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_relative_folder_is_the_drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Kept.at("kept").address == str(tmp_path / "kept")


@pytest.mark.parametrize("address", ["nothing://bucket", "file/at/it"])
def test_what_is_no_such_place_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(UsageError, match=f"--storage-path .*{address}: expected a folder"):
        Kept.at(address)
