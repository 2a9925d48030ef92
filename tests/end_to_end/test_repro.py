"""`lstm-bench repro RUN` as a user types it: its answer and its exit code."""

from pathlib import Path

import pytest
from shell import call

from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles

STUDY = ["search", "toy:Toy", "--trials", "1", "--workers", "1", "--confirm-seeds", "1", "--name", "s",
         "--set", "train.steps=20"]  # fmt: skip


@pytest.mark.slow
def test_a_studys_runs_are_repeated_to_the_last_bit_and_a_tampered_one_is_found(tmp_path: Path) -> None:
    assert call(tmp_path, *STUDY).returncode == 0
    results = Results(tmp_path / "results")
    study: StudyFiles = results.study("s")
    searched, confirming = (next(line.run for line in study.lines if line.purpose == p) for p in ("search", "confirm"))

    same = call(tmp_path, "repro", searched)
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout.splitlines()[-1] == "bit-equal: 2 readings, 6 metrics each"
    tested = call(tmp_path, "repro", confirming)
    assert tested.stdout.splitlines()[-1] == "bit-equal: 2 readings, 6 metrics each, 1 test score"

    path = results.run(searched).path / "readings.jsonl"
    first, second = path.read_text().splitlines()
    tampered = second.replace('"train/loss": ', '"train/loss": 1')
    path.write_text(f"{first}\n{tampered}\n")
    other = call(tmp_path, "repro", searched)
    assert (other.returncode, other.stderr) == (1, "")
    assert other.stdout.splitlines()[-1].startswith("not equal: from step 20 on; train/loss off by at most")

    path.unlink()
    none = call(tmp_path, "repro", searched)
    assert (none.returncode, none.stdout) == (4, "")
    assert none.stderr == f"lstm-bench: run {searched} has no reading to compare with: it ended as finished\n"
    wrong = call(tmp_path, "repro", searched[:-1] + "x")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith(f"lstm-bench: unknown run '{searched[:-1]}x'. Did you mean ")
