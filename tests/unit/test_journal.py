import json
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import optuna
import pytest
from filelock import FileLock, Timeout
from hypothesis import given
from hypothesis import strategies as st
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from lstm_bench.errors import BenchError, RecordError
from lstm_bench.tuning.journal import MendingLock, open_journal


def add_trials(path: Path, trials: int, name: str = "s") -> optuna.Study:
    study = optuna.create_study(
        storage=open_journal(path), study_name=name, sampler=RandomSampler(0), load_if_exists=True
    )
    for _ in range(trials):
        trial = study.ask()
        trial.report(trial.suggest_float("x", 0, 1), 10)
        trial.suggest_categorical("k", ["a", "b"])
        study.tell(trial, 1.0)
    return study


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A journal of two studies."""
    path = tmp_path_factory.mktemp("journal") / "studies.journal"
    add_trials(path, 2)
    add_trials(path, 1, "t")
    return path.read_bytes()


def check_cut(content: bytes, cut: int, folder: Path) -> None:
    path, torn = folder / "studies.journal", folder / "studies.journal.torn"
    path.write_bytes(content[:cut])
    whole = content.rfind(b"\n", 0, cut) + 1
    open_journal(path)
    assert path.read_bytes() == content[:whole]
    assert (torn.read_bytes() if torn.exists() else b"") == (content[whole:cut] + b"\n" if cut > whole else b"")
    studies = ["s", "t"][: content[:whole].count(b'"op_code":0')]
    told = content[:whole].count(b'"op_code":6')
    add_trials(path, 1, "after")
    names = [study.study_name for study in optuna.get_all_study_summaries(open_journal(path))]
    assert names == [*studies, "after"]
    again = [trial for name in names for trial in optuna.load_study(study_name=name, storage=open_journal(path)).trials]
    assert sum(trial.state is TrialState.COMPLETE for trial in again) == told + 1
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_journal_cut_at_any_byte_of_its_last_line_is_mended(written: bytes, tmp_path: Path) -> None:
    for cut in range(written.rfind(b"\n", 0, -1), len(written) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        check_cut(written, cut, folder)


@given(data=st.data())
def test_a_journal_cut_anywhere_keeps_all_before(written: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(written)))
    with tempfile.TemporaryDirectory() as folder:
        check_cut(written, cut, Path(folder))


def test_a_line_torn_by_another_process_is_mended_by_the_next_write(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    study = add_trials(path, 1)
    for part in (b'{"op_code":5,"tri', b"\0\0\0"):
        with path.open("ab") as file:
            file.write(part)  # and it is killed
        study.tell(study.ask(), 2.0)
    assert [trial.value for trial in study.trials] == [1.0, 2.0, 2.0]
    assert len(add_trials(path, 0).trials) == 3
    assert Path(f"{path}.torn").read_bytes() == b'{"op_code":5,"tri\n\0\0\0\n'


def test_a_disk_that_takes_half_a_record_costs_that_record_alone(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    study, usual = add_trials(path, 1), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, usual[1]))
    try:
        with pytest.raises(RecordError, match="File too large"):
            study.ask()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert not path.read_bytes().endswith(b"\n")
    study.tell(study.ask(), 2.0)
    assert [trial.value for trial in add_trials(path, 0).trials] == [1.0, 2.0]


def test_a_record_is_on_the_disk_within_seconds_and_nobody_waits_for_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr("lstm_bench.tuning.journal.onto_disk", lambda path: synced.set() if path.exists() else None)
    add_trials(tmp_path / "studies.journal", 1)
    assert synced.wait(10)  # five are promised


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"op_code":5,"tri{"op_code":4,"worker_id":"w"}', "line 3 is no record"),
        (b"", "line 3 is no record"),
        (b"5", "line 3 is no record"),
        (b"{}", "line 3 is no record"),
        (b"\xff\xfe", "line 3 is no record"),
        (b'{"op_code":99,"worker_id":"w"}', "at replaying it"),
        (b'{"op_code":0,"worker_id":"w"}', "KeyError('study_name') at replaying it"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_a_line_that_is_no_record_is_named(
    written: bytes, tmp_path: Path, line: bytes, words: str, *, last: bool
) -> None:
    path = tmp_path / "studies.journal"
    lines = written.splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], line + b"\n", *([] if last else lines[2:])]))
    before = path.read_bytes()
    with pytest.raises(BenchError) as caught:
        open_journal(path)
    assert f"the journal {path} cannot be read" in str(caught.value)
    assert words in str(caught.value)
    assert "move it away" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_a_journal_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot be opened: Is a directory"):
        open_journal(tmp_path)


WRITER = """
import sys
from pathlib import Path
import optuna
from lstm_bench.tuning.journal import MendingLock, open_journal
path, name = Path(sys.argv[1]), sys.argv[2]
optuna.logging.set_verbosity(optuna.logging.WARNING)
"""
ADDER = (
    WRITER
    + """
study = optuna.create_study(storage=open_journal(path), study_name=name, load_if_exists=True)
print("ready", flush=True)
sys.stdin.readline()
study.sampler = optuna.samplers.RandomSampler()
for value in range(40):
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    study.tell(trial, value)
"""
)
HOLDER = (
    WRITER
    + """
lock = MendingLock(path)
lock.acquire()
path.open("ab").write(b'{"op_co')
print("ready", flush=True)
sys.stdin.readline()
"""
)


def start(code: str, path: Path, name: str = "s") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    add_trials(path, 0)
    processes = [start(ADDER, path), start(ADDER, path), start(ADDER, path, "t")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    shared = add_trials(path, 0).trials
    assert sorted(trial.value or 0.0 for trial in shared) == sorted([*range(40), *range(40)])
    assert [trial.number for trial in shared] == list(range(80))
    assert [trial.value for trial in add_trials(path, 0, "t").trials] == list(range(40))
    assert not Path(f"{path}.torn").exists()


def test_a_killed_writer_holds_nobody_up(tmp_path: Path) -> None:
    path = tmp_path / "studies.journal"
    add_trials(path, 1)
    holder = start(HOLDER, path)
    lock = FileLock(f"{path}.flock")
    with pytest.raises(Timeout):
        lock.acquire(blocking=False)
    holder.send_signal(signal.SIGKILL)
    holder.wait(60)
    lock.acquire(blocking=False)  # at once: the kernel has released it
    lock.release()
    assert len(add_trials(path, 1).trials) == 2
    assert Path(f"{path}.torn").read_bytes() == b'{"op_co\n'


def test_the_lock_is_released_where_mending_fails(tmp_path: Path) -> None:
    lock = MendingLock(tmp_path)  # a folder, no journal
    for _ in range(2):
        with pytest.raises(OSError, match="Is a directory"):
            lock.acquire()
    FileLock(f"{tmp_path}.flock").acquire(blocking=False)
