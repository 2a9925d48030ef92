"""A published table made again by the real command: row by row, killed in the middle, gone on with."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from shell import call, start

from lstm_bench.record.files import Results

pytestmark = pytest.mark.slow

# The first row is learnt at once; the second one never, and its trials take seconds to their cap.
ROWS = """
[faithful]
trials = 1
model = { cell = "lstm", biases = "zero" }
train = { steps = 0, sequences = 16, batch_size = 16, eval_every = 10, warmup = 0, schedule = "constant" }

[net.four]
model = { hidden = 4 }

[[row]]
id = "easy"
label = "two-sequence, T=4"
task = "h97-two-sequence"
options = { stop = "ST1", length = 4, n = 3 }
net = "four"
weights = 117
lr = 0.05
trials = 4
paper = { sequences = 320 }
quick = true

[[row]]
id = "hard"
label = "two-sequence, T=100"
task = "h97-two-sequence"
options = { stop = "ST1", length = 100, n = 3 }
net = "four"
weights = 117
lr = 1e-7
trials = 2
paper = { sequences = 4000 }

[tried]
hard = "nothing"
"""
COMMAND = ("reproduce", "rows.toml", "--workers", "2")


def rows(folder: Path) -> dict[str, Any]:
    path = folder / "results/reference/rows.json"
    return {row["row"]: row for row in json.loads(path.read_text())["rows"]} if path.exists() else {}


def wait_for_the_second_row(folder: Path) -> None:
    """Until one of its trials has begun that counts."""
    files = Results(folder / "results").study("rows-hard-faithful")
    for _ in range(600):
        if any(line.purpose == "confirm" for line in files.lines):
            return
        time.sleep(0.1)
    raise AssertionError("the second row was not begun within a minute")


def test_it_goes_on_with_the_row_that_it_was_killed_in(tmp_path: Path) -> None:
    (tmp_path / "rows.toml").write_text(ROWS)
    results = Results(tmp_path / "results")
    for kill, code in ((signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)):
        process = start(tmp_path, *COMMAND)
        wait_for_the_second_row(tmp_path)
        process.send_signal(kill)
        said, complained = process.communicate(timeout=60)
        assert process.returncode == code, said + complained
        assert list(rows(tmp_path)) == ["easy"]  # written before the next was begun
    first = rows(tmp_path)["easy"]
    lines = results.study("rows-easy-faithful").lines

    done = call(tmp_path, *COMMAND)
    assert done.returncode == 1, done.stdout + done.stderr  # one of them does not replicate
    found = rows(tmp_path)
    assert found["easy"] == first
    assert results.study("rows-easy-faithful").lines == lines
    assert (first["successes"], first["word"], first["weights"]) == (4, "replicates", 117)
    assert (found["hard"]["successes"], found["hard"]["median"]) == (0, None)
    assert "hard (faithful) does not replicate: " in done.stdout
    assert "the median is beyond the cap of 20,000. Tried on hard: nothing." in " ".join(done.stdout.split())

    quick = call(tmp_path, *COMMAND, "--quick")  # has as many trials and more
    assert quick.returncode == 0, quick.stdout + quick.stderr
    assert results.study("rows-easy-faithful").lines == lines
    assert len(rows(tmp_path)["easy"]["times"]) == 4
    assert list(rows(tmp_path)) == ["easy", "hard"]


def test_when_a_weaker_criterion_held_is_read_from_the_runs_of_a_stronger_one(tmp_path: Path) -> None:
    shared, easy, _ = ROWS.split("[[row]]")
    own = "[[row]]" + easy.replace("sequences = 320", "sequences = 1600")
    stronger = own.replace('"easy"', '"stronger"').replace("ST1", "ST2")
    weaker = own.replace('"easy"', '"weaker"').replace("quick = true", 'quick = true\nwithin = "stronger"')
    (tmp_path / "rows.toml").write_text(shared + own + weaker + stronger)
    done = call(tmp_path, *COMMAND)
    found = rows(tmp_path)
    assert list(found) == ["easy", "weaker", "stronger"], done.stdout + done.stderr
    assert found["weaker"]["study"] == found["stronger"]["study"] == "rows-stronger-faithful"
    assert found["easy"]["successes"] == 4
    assert found["weaker"]["times"] == found["easy"]["times"]
    assert sum(time["value"] for time in found["stronger"]["times"]) > sum(
        time["value"] for time in found["easy"]["times"]
    )
    assert (found["weaker"]["tested"], found["weaker"]["error"]) == (0, None)
    assert not Results(tmp_path / "results").study("rows-weaker-faithful").exists
