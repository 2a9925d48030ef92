"""The disk fills up in mid-study: one line, files that can be read, and the same command finishes what was begun."""

import contextlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import disks
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from shell import alive, call, descendants, start

from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine
from lstm_bench.result import Status

TRIALS = 6
STUDY = ["search", "toy:Toy", "--trials", str(TRIALS), "--workers", "2", "--sampler", "random", "--pruner", "none",
         "--confirm-seeds", "2", "--set", "options.fault=slow", "--set", "options.at=0",
         "--set", "train.steps=20", "--set", "train.eval_every=4", "--force", "--name", "s"]  # fmt: skip
Losses = dict[tuple[str, int, int], list[float]]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> Losses:
    """The losses of a study that had space enough, by purpose, trial and seed."""
    folder = tmp_path_factory.mktemp("unharmed")
    assert call(folder, *STUDY).returncode == 0
    return losses(Results(folder / "results"))


def losses(results: Results) -> Losses:
    return {
        (line.purpose, line.number, line.seed): [r.metrics["train/loss"] for r in results.run(line.run).readings]
        for line in results.study("s").lines
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A results folder on a disk of its own, of 16 MiB."""
    with disks.mounted(tmp_path / "results", "size=16m") as place:
        yield place


def fill(disk: Path) -> Path:
    """Use up what is left of a disk, to the last block."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.slow
def test_a_full_disk_stops_the_study_with_one_line_and_the_same_command_finishes_it(
    tmp_path: Path, small_disk: Path, unharmed: Losses
) -> None:
    ballast: list[Path] = []
    results = stopped(tmp_path, lambda _: ballast.append(fill(small_disk)), "No space left on device")
    again = call(tmp_path, *STUDY)
    assert again.returncode == 4
    assert_one_line(again.stderr, "No space left on device")
    ballast[0].unlink()
    examine(tmp_path, results, unharmed)


@pytest.mark.slow
def test_files_that_may_not_grow_stop_the_study_with_one_line_and_the_same_command_finishes_it(
    tmp_path: Path, unharmed: Losses
) -> None:
    def stint(driver: int) -> None:
        for pid in [*descendants(driver), driver]:
            with contextlib.suppress(ProcessLookupError):  # a run has ended since
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))

    results = stopped(tmp_path, stint, "File too large")
    examine(tmp_path, results, unharmed)


def stopped(folder: Path, make_full: Callable[[int], object], words: str) -> Results:
    """Begin the study, and let it meet a disk that takes no more once two of its runs are done."""
    results, process = Results(folder / "results"), start(folder, *STUDY)
    while sum(line.status is not None for line in lines(results)) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    family = descendants(process.pid)
    make_full(process.pid)
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 4, complaint
    assert_one_line(complaint, words)
    assert not any(map(alive, family))
    ends = {line.status for line in lines(results)}
    assert ends <= {Status.FINISHED, Status.KILLED, None}, "no setting is to blame"
    for line in lines(results):
        for reading in results.run(line.run).readings:
            assert reading.metrics["train/loss"] > 0
    return results


def lines(results: Results) -> list[RunLine]:
    return results.study("s").lines


def assert_one_line(complaint: str, words: str) -> None:
    assert complaint.count("\n") == 1, complaint
    assert complaint.startswith("lstm-bench: "), complaint
    assert words in complaint
    assert "run the same command again" in complaint


def examine(folder: Path, results: Results, unharmed: Losses) -> None:
    """Finish the study: it is as one that had space enough, to the last bit."""
    last = call(folder, *STUDY)
    assert last.returncode == 0, last.stderr
    assert losses(results) == unharmed
    study = results.study("s")
    assert [(trial.number, trial.status) for trial in study.trials] == [(n, Status.FINISHED) for n in range(TRIALS)]
    assert {path.name for path in results.runs.iterdir()} == {line.run for line in study.lines}, "one folder a run"
    assert not list(results.root.rglob("*.new")), "nothing half-written is left"
    for path in results.runs.glob("*/readings.jsonl"):
        assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [4, 8, 12, 16, 20]
    storage = JournalStorage(JournalFileBackend(str(results.journal)))
    told = optuna.load_study(study_name="s", storage=storage).trials
    assert [trial.state.name for trial in told] == ["COMPLETE"] * TRIALS
