import shutil
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstm_bench.errors import RecordError
from lstm_bench.pool.parcel import Mirror, pack, unpack
from lstm_bench.record.disk import append_line, write_whole

NAMES = ["runs/a/readings.jsonl", "runs/a/output.log", "runs/a/checkpoint.pt", "runs/a/result.json", "diffs/d.patch"]
DEEDS = st.tuples(st.sampled_from(NAMES), st.sampled_from(["append", "replace", "delete", "tell"]), st.integers(0, 99))


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(deeds=st.lists(DEEDS, max_size=20))
def test_a_folder_that_hears_all_news_is_the_same(
    deeds: list[tuple[str, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    there, here = tmp_path_factory.mktemp("there"), tmp_path_factory.mktemp("here")
    mirror = Mirror(there)
    for name, deed, number in [*deeds, ("", "tell", 0)]:
        path = there / name
        path.parent.mkdir(parents=True, exist_ok=True)
        match deed:
            case "append":
                append_line(path, {"n": number})
            case "replace":
                write_whole(path, f"{number}\n")
            case "delete":
                path.unlink(missing_ok=True)
                time.sleep(0.005)  # a tick of the files' clock: else the next one of the name may have its version
            case "tell":
                unpack(here, mirror.news())
                assert contents(here) == contents(there)
    shutil.rmtree(there)
    shutil.rmtree(here)


def test_of_a_file_that_grows_what_was_added_travels(tmp_path: Path) -> None:
    path = tmp_path / "readings.jsonl"
    append_line(path, {"step": 1})
    mirror, size = Mirror(tmp_path), path.stat().st_size
    append_line(path, {"step": 2})
    assert mirror.news() == {"readings.jsonl": (size, b'{"step": 2}\n')}
    assert mirror.news() == {}
    write_whole(path, '{"step": 1}\n')
    assert mirror.news() == {"readings.jsonl": (0, b'{"step": 1}\n')}
    path.unlink()
    append_line(path, {"step": 8})  # as long, and perhaps in the very place of the one before
    append_line(path, {"step": 9})
    assert mirror.news() == {"readings.jsonl": (0, b'{"step": 8}\n{"step": 9}\n')}


def test_what_is_left_for_another_time_travels_then(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"state")
    assert mirror.news(but=["checkpoint.pt"]) == {}
    assert mirror.news() == {"checkpoint.pt": (0, b"state")}
    (tmp_path / "checkpoint.pt").unlink()
    assert mirror.news(but=["checkpoint.pt"]) == {"checkpoint.pt": None}


def test_locks_and_half_written_files_stay(tmp_path: Path) -> None:
    for name in ("lock", "result.json.new", "spec.toml"):
        (tmp_path / name).write_text(name)
    assert pack(tmp_path, tmp_path.iterdir()) == {"spec.toml": (0, b"spec.toml")}


def test_a_run_has_its_readings_before_its_result_and_its_checkpoint_until_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []
    unlink, replace = Path.unlink, Path.replace
    monkeypatch.setattr(Path, "unlink", lambda path, **more: (done.append(f"- {path.name}"), unlink(path, **more))[1])
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append(to.name), replace(path, to))[1])
    unpack(tmp_path, {"result.json": (0, b"{}"), "checkpoint.pt": None, "readings.jsonl": (0, b"{}\n")})
    assert done == ["readings.jsonl", "result.json", "- checkpoint.pt"]


def test_a_parcel_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RecordError, match="cannot be written"):
        unpack(tmp_path, {"runs/a/spec.toml": (0, b"")})
