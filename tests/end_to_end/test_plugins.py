"""A task in a package of its own, written outside of the repository, is a first-class citizen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "example-plugin"


def sh(*command: str | Path, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def install(package: Path, target: Path) -> None:
    """As a user would, but beside this environment instead of into it."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", target, package],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def bench(*arguments: str, cwd: Path, path: Path) -> subprocess.CompletedProcess[str]:
    return sh(sys.executable, "-m", "lstm_bench", *arguments, cwd=cwd, path=path)


@pytest.mark.slow
def test_a_package_from_tasks_new_passes_its_tests_and_is_searched(tmp_path: Path) -> None:
    made = bench("tasks", "new", "first-symbol", cwd=tmp_path, path=tmp_path)
    assert made.returncode == 0, made.stderr
    package, site = tmp_path / "first-symbol", tmp_path / "site"
    again = bench("tasks", "new", "first-symbol", cwd=tmp_path, path=tmp_path)
    assert (again.returncode, "move it away" in again.stderr) == (2, True)
    tests = sh(sys.executable, "-m", "pytest", "-q", package, cwd=package, path=tmp_path)
    assert tests.returncode == 0, tests.stdout
    install(package, site)
    assert "first-symbol 0.1.0" in bench("tasks", cwd=tmp_path, path=site).stdout
    found = bench("search", "first-symbol", "--trials", "2", "--workers", "2", cwd=tmp_path, path=site)
    assert found.returncode == 0, found.stderr
    assert "first-symbol" in found.stdout
    assert (tmp_path / "results/studies/first-symbol/board.json").exists()


@pytest.mark.slow
def test_the_example_plugin_is_installed_listed_checked_and_run(tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(EXAMPLE, site)
    assert "majority" in bench("tasks", cwd=tmp_path, path=site).stdout
    checked = bench("tasks", "check", "majority", cwd=tmp_path, path=site)
    assert checked.returncode == 0, checked.stdout
    shown = bench("tasks", "show", "majority", cwd=tmp_path, path=site)
    assert "lstm-bench-majority 0.1.0" in shown.stdout
    run = bench("run", "majority", "--set", "train.steps=400", cwd=tmp_path, path=site)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout.partition("best/accuracy ")[2].split()[0]) > 0.6  # chance is a third


def test_check_says_what_is_wrong_with_a_task(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(
        (EXAMPLE / "lstm_bench_majority.py")
        .read_text()
        .replace("def oracle", "def unused")
        .replace("ceiling=1.0", "ceiling=0.1")
    )
    checked = bench("tasks", "check", "wrong:Majority", cwd=tmp_path, path=tmp_path)
    assert checked.returncode == 1
    assert "test_floors_are_scores_that_know_little" in checked.stdout
