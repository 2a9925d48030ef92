"""Whether runs keep their memory: asked for by an option, told by each run."""

import json
from pathlib import Path

import pytest
from shell import call

from lstm_bench import allocator
from lstm_bench.allocator import CHOICE, KEEP_MEMORY, added, choose, told


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (CHOICE, *KEEP_MEMORY):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(allocator.sys, "platform", "linux")


def test_memory_is_kept_unless_the_system_is_to_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert added() == KEEP_MEMORY
    monkeypatch.setenv(CHOICE, "")
    choose("system")
    assert added() == {}


def test_what_a_user_has_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    assert added() == {"MALLOC_MMAP_THRESHOLD_": str(2**30)}
    assert told() == "MALLOC_TRIM_THRESHOLD_=4096"


@pytest.mark.parametrize(("system", "library"), [("linux", "musl"), ("darwin", "")])
def test_other_allocators_are_told_nothing(system: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allocator.sys, "platform", system)
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: (library, ""))
    assert added() == {}


@pytest.mark.parametrize("choice", ["tuned", "system"])
def test_a_run_says_which_it_had(choice: str, tmp_path: Path) -> None:
    done = call(tmp_path, "--allocator", choice, "run", "toy:Toy", "--set", "train.steps=2")
    assert done.returncode == 0, done.stderr
    (machine,) = tmp_path.glob("results/runs/*/machine.json")
    assert json.loads(machine.read_text())["allocator"] == choice


def test_an_unknown_allocator_is_refused_in_one_line(tmp_path: Path) -> None:
    done = call(tmp_path, "--allocator", "jemalloc", "tasks")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("lstm-bench: '--allocator' = 'jemalloc': expected 'tuned', 'system'")
    assert len(done.stderr.splitlines()) == 1
