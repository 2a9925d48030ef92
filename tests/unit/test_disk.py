"""A file that cannot be written is one line of ours, whoever writes it, and no setting's fault.

The system itself refuses here: files that a process may not let grow (EFBIG) are met where a full disk would be.
"""

import contextlib
import errno
import json
import os
import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
import pytest
import torch
from optuna.study import StudyDirection
from shell import children
from toy import Toy

from lstm_bench import checkpoint
from lstm_bench.errors import BenchError, RecordError, first_error_holds
from lstm_bench.execute import attempt, spec_of
from lstm_bench.pool import Ended, Event, Heard, Job, child, local
from lstm_bench.pool.child import Notifying
from lstm_bench.pool.local import LocalPool
from lstm_bench.pool.nursery import WarmServer
from lstm_bench.record.disk import append_line, read_lines, write_whole
from lstm_bench.record.files import Results
from lstm_bench.record.index import Index
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import RunLine
from lstm_bench.record.syncing import Syncing
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.tuning.journal import mend, open_journal
from lstm_bench.writing import make_folder, unwritable

SPEC, _ = spec_of({"task": "toy:Toy"}, {})
READING = Reading(10, 160, 640, 0.5, 1_700_000_000_000, {"train/loss": 0.5})
LINE = RunLine(run="one", purpose="search", number=0, seed=0, settings={})


@contextlib.contextmanager
def no_space(bytes_left: int = 0, *, process: int = 0) -> Iterator[None]:
    """While entered, a process (this one) may write no byte of a file beyond the first few."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (bytes_left, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuffed(Toy):
    """A toy whose process may write no more from one of its batches on."""

    def _go_wrong(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer(Toy):
    """A toy that writes a file of its own to a full disk."""

    def _go_wrong(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cache.bin")


def begin_study(results: Results) -> None:
    results.study("new").begin('task = "toy:Toy"\n', {})


def add_to_journal(results: Results) -> None:
    optuna.create_study(storage=open_journal(results.journal), study_name="s", directions=[StudyDirection.MINIMIZE])


def mend_journal(results: Results) -> None:
    mend(results.journal)


SITES: dict[str, Callable[[Results], object]] = {
    "one/some.json.new": lambda results: write_whole(results.run("one").path / "some.json", "{}"),
    "one/some.jsonl": lambda results: append_line(results.run("one").path / "some.jsonl", {}),
    "two/spec.toml": lambda results: results.run("two").begin(SPEC, {}),
    "one/readings.jsonl": lambda results: results.run("one").log(READING),
    "one/readings.jsonl (cut)": lambda results: results.run("one").cut([READING]),
    "one/result.json": lambda results: results.run("one").end(RunResult(Status.FINISHED)),
    "one/checkpoint.pt": lambda results: checkpoint.save(results.run("one").checkpoint, {"a": torch.zeros(10**5)}),
    "new/study.toml": begin_study,
    "s/trials.jsonl": lambda results: results.study("s").add(LINE),
    "s/board.json": lambda results: results.study("s").write_board({"best": None}),
    "index.jsonl": lambda results: Index(results).add("f", 0, "one"),
    "studies.journal": add_to_journal,
    "studies.journal.torn": mend_journal,
}


@pytest.mark.parametrize("site", SITES)
def test_whoever_cannot_write_says_so_in_one_line_keeps_what_was_there_and_can_do_it_later(
    results: Results, site: str
) -> None:
    results.run("one").begin(SPEC, {})
    results.run("one").log(READING)
    results.study("s").begin('task = "toy:Toy"\n', {})
    if site.endswith(".torn"):
        results.journal.write_text('{"op_code": 0')
    before = {path: path.read_bytes() for path in results.root.rglob("*") if path.is_file()}
    name = site.partition(" ")[0].removesuffix(".new")
    with no_space(), pytest.raises(RecordError) as raised:
        SITES[site](results)
    message = str(raised.value)
    assert f"{name} cannot be written: File too large; " in message
    assert message.endswith("then run the same command again: what is recorded is kept")
    assert "\n" not in message
    assert {path: path.read_bytes() for path in before} == before
    assert not list(results.root.rglob("*.new"))
    SITES[site](results)
    path = next(path for path in results.root.rglob(Path(name).name) if str(path).endswith(name))
    assert path.stat().st_size


def test_a_line_that_was_written_in_part_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    append_line(path, {"a": 1})
    with no_space(path.stat().st_size + 4), pytest.raises(RecordError):
        append_line(path, {"b": 2})
    assert path.read_bytes() == b'{"a": 1}\n{"b"'
    append_line(path, {"c": 3})
    assert list(read_lines(path)) == [{"a": 1}, {"c": 3}]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(RecordError, match="runs/one cannot be written: Not a directory; mend that, then run"):
        make_folder(tmp_path / "runs" / "one")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "No space left on device; free some,"),
        (errno.EDQUOT, "Disk quota exceeded; free some,"),
        (errno.EFBIG, "File too large; mend that,"),
        (errno.EROFS, "Read-only file system; mend that,"),
        (errno.EACCES, "Permission denied; mend that,"),
    ],
)
def test_the_line_says_what_the_system_said_and_the_way_out(
    results: Results, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    results.run("one").begin(SPEC, {})
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RecordError, match=f"result.json cannot be written: {words} then run the same command again"):
        results.run("one").end(RunResult(Status.FINISHED))
    assert unwritable("x", OSError("odd")).args == (
        "x cannot be written: odd; mend that, then run the same command again: what is recorded is kept",
    )


def test_a_word_to_end_at_once_in_the_midst_of_a_checkpoint_ends_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        def __init__(self, file: object) -> None:
            self._file, self._writes = file, 0

        def __getattr__(self, name: str) -> object:
            return getattr(self._file, name)

        def write(self, data: bytes) -> int:
            self._writes += 1
            if self._writes == 4:  # torch turns what is raised here into an error of its own
                raise KeyboardInterrupt
            return int(self._file.write(data))  # type: ignore[attr-defined]

    whole = checkpoint.whole

    @contextlib.contextmanager
    def interrupted(path: Path) -> Iterator[Interrupted]:
        with whole(path) as file:
            yield Interrupted(file)

    monkeypatch.setattr(checkpoint, "whole", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(tmp_path / "checkpoint.pt", {"a": torch.zeros(10**5)})
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_no_status_of_the_setting() -> None:
    def record() -> tuple[Status, str | None]:
        raise RecordError("no")

    def write_to(number: int) -> Callable[[], tuple[Status, str | None]]:
        def work() -> tuple[Status, str | None]:
            raise OSError(number, os.strerror(number), "cache.bin")

        return work

    with pytest.raises(RecordError, match=r"^no$"):
        attempt(record)
    with pytest.raises(RecordError, match=r"cache.bin cannot be written: No space left"):
        attempt(write_to(errno.ENOSPC))
    status, reason, _ = attempt(write_to(errno.EACCES))  # the task's own affair
    assert status is Status.CRASHED
    assert reason
    assert "Permission denied" in reason


def test_the_first_of_two_errors_is_the_one_that_is_told() -> None:
    def fail_twice() -> None:
        try:
            raise RecordError("first")
        finally:
            with first_error_holds():
                raise BenchError("second")

    with pytest.raises(RecordError, match="first"):
        fail_twice()
    with pytest.raises(BenchError, match="only"), first_error_holds():
        raise BenchError("only")


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are brought onto the disk, by name, in order; what is renamed says so."""
    found: list[str] = []
    sync, rename = os.fsync, Path.replace

    def spying_sync(descriptor: int) -> None:
        found.append(Path(f"/proc/self/fd/{descriptor}").resolve().name)
        sync(descriptor)

    def spying_rename(path: Path, target: Path) -> Path:
        found.append(f"to {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", spying_sync)
    monkeypatch.setattr(Path, "replace", spying_rename)
    return found


@pytest.mark.parametrize("status", [Status.FINISHED, Status.KILLED])
def test_the_readings_are_on_the_disk_before_the_result_says_that_the_run_is_done(
    results: Results, synced: list[str], status: Status
) -> None:
    files = results.run("one")
    files.begin(SPEC, {})
    files.log(READING)
    assert "readings.jsonl" not in synced, "a reading waits for no disk"
    files.end(RunResult(status))
    assert synced[-3:] == ["readings.jsonl", "result.json.new", "to result.json"]


def test_a_reading_is_on_the_disk_soon_though_no_other_comes(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    files, on_disk, threads = results.run("one"), threading.Event(), []

    def sync(run: RunFiles) -> None:
        assert run.readings == [READING]
        threads.append(threading.current_thread())
        on_disk.set()

    monkeypatch.setattr(RunFiles, "sync", sync)
    monkeypatch.setattr(child, "Syncing", lambda sync: Syncing(sync, within=0.0))
    monkeypatch.setattr(child, "tell", lambda *_: None)
    files.begin(SPEC, {})
    recorder = Notifying(files, None, checkpoint.Checkpoint(files.checkpoint, every=1e9))  # type: ignore[arg-type]
    recorder.log(READING, None)  # type: ignore[arg-type]
    assert on_disk.wait(60)
    assert threads[0] is not threading.current_thread()
    assert threads[0].daemon, "it keeps no process alive"


def test_a_sync_comes_within_five_seconds_once_for_all_that_was_written_until_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timers: list[tuple[float, Callable[[], None]]] = []

    class Timer:
        daemon = False

        def __init__(self, seconds: float, function: Callable[[], None]) -> None:
            timers.append((seconds, function))

        def start(self) -> None:
            assert self.daemon

    monkeypatch.setattr(threading, "Timer", Timer)
    done: list[str] = []

    def sync() -> None:
        done.append("synced")
        if len(done) == 1:
            syncing.due()  # written while the first sync goes on: it may have come too late for that

    syncing = Syncing(sync)
    syncing.due()
    syncing.due()
    ((seconds, bring),) = timers
    assert seconds < 5
    bring()
    assert len(timers) == 2
    timers[1][1]()
    assert done == ["synced", "synced"]
    assert len(timers) == 2, "nothing was written: nothing is due"


def test_what_did_not_get_onto_the_disk_is_raised_at_the_next_reading_and_at_the_end(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = results.run("one")
    files.begin(SPEC, {})
    monkeypatch.setattr(child, "tell", lambda *_: None)
    recorder = Notifying(files, None, checkpoint.Checkpoint(files.checkpoint, every=1e9))  # type: ignore[arg-type]

    def fail() -> None:
        raise RecordError("lost")

    recorder._syncing._sync = fail
    recorder._syncing._bring()
    with pytest.raises(RecordError, match="lost"):
        recorder.log(READING, None)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="lost"):
        recorder.end(RunResult(Status.FINISHED))
    assert files.result is None


class Lent(WarmServer):
    """A warm server that outlives the pools which use it."""

    def close(self) -> None:
        pass

    def really_close(self) -> None:
        super().close()


@pytest.fixture(scope="module")
def server() -> Iterator[Lent]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent)  # test_disk:Stuffed, here and in the server
        server = Lent(SPEC)
        yield server
        server.really_close()


def job(results: Results, name: str, task: str, **settings: object) -> Job:
    spec, _ = spec_of({"task": task}, {path.replace("__", "."): value for path, value in settings.items()})
    return Job(spec, results.run(name).path)


def events_until(pool: LocalPool, next_job: Callable[[list[Event]], Job | None]) -> tuple[list[Event], str]:
    """What happens in a pool, and what is raised at last."""
    events: list[Event] = []
    stream = pool.run(lambda: next_job(events))
    with pool:
        try:
            events.extend(stream)
        except RecordError as error:
            return events, str(error)
    raise AssertionError(events)


def results_in(events: list[Event]) -> dict[str, RunResult]:
    return {event.job.run_id: event.result for event in events if isinstance(event, Ended)}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("test_disk:Stuffed", "readings.jsonl cannot be written: File too large"),
        ("test_disk:Writer", "cache.bin cannot be written: No space left on device"),
    ],
)
def test_a_run_that_cannot_write_is_killed_and_with_it_every_other_one(
    results: Results, server: Lent, task: str, words: str
) -> None:
    jobs = [
        job(results, "endless", "toy:Toy", options__fault="slow", options__at=0, train__steps=10**6),
        job(results, "stuffed", task, options__at=15),
        job(results, "never", task, options__at=15),
    ]

    def next_job(events: list[Event]) -> Job | None:
        heard = any(isinstance(event, Heard) for event in events)
        return jobs.pop(0) if len(jobs) == 3 or heard else None  # the endless one has a reading first

    events, said = events_until(LocalPool(SPEC, 2, lambda _: server), next_job)
    assert words in said
    assert not results_in(events), "whoever is told writes"
    endless, stuffed = results.run("endless").result, results.run("stuffed").result
    assert endless
    assert stuffed
    assert (endless.status, stuffed.status) == (Status.KILLED, Status.KILLED)
    assert stuffed.reason == f"{said}; the last reading was at step 10"
    assert [reading.step for reading in results.run("stuffed").readings] == [10]
    assert not results.run("never").path.exists(), "nothing more is started"


def test_where_the_driver_cannot_write_in_a_runs_stead_it_says_so(
    results: Results, server: Lent, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise RecordError("the driver cannot write")

    monkeypatch.setattr(local, "write", refuse)
    jobs = [job(results, "one", "toy:Toy", options__fault="exit"), job(results, "two", "toy:Toy")]
    events, said = events_until(LocalPool(SPEC, 1, lambda _: server), lambda _: jobs.pop(0))
    assert said == "the driver cannot write"
    assert {name: result.status for name, result in results_in(events).items()} == {"one": Status.CRASHED}


def test_where_neither_can_write_the_run_is_heard_first(results: Results, server: Lent) -> None:
    jobs = [job(results, "one", "toy:Toy"), job(results, "two", "toy:Toy")]
    server.warm_up()
    (own,) = children(server._interpreter.process.pid)  # forks the runs
    with no_space(), no_space(process=own):
        events, said = events_until(LocalPool(SPEC, 1, lambda _: server), lambda _: jobs.pop(0))
    assert "one/spec.toml cannot be written: File too large" in said
    assert not results_in(events)


def test_a_run_whose_folder_cannot_be_made_is_one_line_too(results: Results, server: Lent) -> None:
    results.runs.write_text("a file")
    jobs = [job(results, "one", "toy:Toy")]
    _, said = events_until(LocalPool(SPEC, 1, lambda _: server), lambda _: jobs.pop(0))
    assert "runs/one cannot be written: Not a directory; mend that" in said


def test_a_result_is_whole_json(results: Results) -> None:
    files = results.run("one")
    files.begin(SPEC, {})
    files.end(RunResult(Status.FINISHED, {"a": 1.0}, "why: é"))
    assert json.loads((files.path / "result.json").read_text(encoding="utf-8"))["reason"] == "why: é"
