"""The gate as a pipeline meets it: studies that are run, the real command, its exit code."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from paced import STEP_MS
from shell import call

STUDY = """
task = "paced:Paced"
trials = 1
confirm_seeds = 6
train = {{ steps = 200, eval_every = 20 }}
search."train.lr" = {{ low = {lr}, high = {high} }}
"""
BASELINE = ("--baseline", "results/studies/before/board.json")

pytestmark = pytest.mark.slow


def study(folder: Path, name: str, *, step_ms: float = 20, lr: float = 3e-2) -> None:
    (folder / f"{name}.toml").write_text(STUDY.format(lr=lr, high=1.001 * lr))
    with patch.dict(os.environ, {STEP_MS: str(step_ms)}):
        done = call(folder, "search", f"{name}.toml", "--workers", "2", "--force", "--name", name)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("gate")
    study(made, "before")
    return made


def fallen(said: str) -> str:
    return "\n".join(line for line in said.splitlines() if line.startswith("FELL"))


def test_the_same_again_is_not_said_to_have_fallen(folder: Path) -> None:
    study(folder, "same")
    done = call(folder, "gate", *BASELINE, "same")
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert not fallen(done.stdout)


def test_steps_that_take_a_tenth_longer_are_caught(folder: Path) -> None:
    study(folder, "slow", step_ms=22)
    done = call(folder, "gate", *BASELINE, "slow")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "sequences a second" in fallen(done.stdout)
    assert "test accuracy" not in fallen(done.stdout)


def test_learning_that_was_spoilt_is_caught(folder: Path) -> None:
    study(folder, "spoilt", lr=1e-4)
    done = call(folder, "gate", *BASELINE, "spoilt")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test accuracy" in fallen(done.stdout)
    assert "sequences a second" not in fallen(done.stdout)
