import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lstm_bench.command import COMMAND, command, typed
from lstm_bench.execute import spec_of
from lstm_bench.meter import nvml, source
from lstm_bench.meter.machine import machine, versions
from lstm_bench.meter.source import LONGEST, commit, source_diff
from lstm_bench.pool import Job
from lstm_bench.pool.nursery import WarmServer
from lstm_bench.record.files import Results

CHECKOUT = Path(__file__).parents[2]
machine_room = import_module("lstm_bench.meter.machine")  # beneath the function of the same name


def test_the_facts_of_this_machine_are_those_of_its_system() -> None:
    facts = machine()
    assert facts["cpu"]
    assert facts["cores"] == os.cpu_count()
    assert facts["python"] == platform.python_version()
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["command"] == command()
    assert None not in facts.values()
    assert json.loads(json.dumps(facts)) == facts


def test_the_versions_are_those_of_what_the_package_declares_to_need_and_of_nothing_else() -> None:
    found = versions()
    declared = {re.split(r"[\s;<>=!~\[(]", line)[0] for line in requires("lstm-bench") or ()}
    assert {"lstm-bench", "numpy", "torch", "optuna", "mlflow", "scikit-learn"} <= found.keys()
    assert found.keys() <= declared | {"lstm-bench"}
    for name in declared - found.keys():
        with pytest.raises(PackageNotFoundError):
            version(name)
    assert all(version(name) == number for name, number in found.items())


def test_an_extra_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = ["numpy>=2; python_version > '3'", "torch[opt] ~= 2.0", 'no-such.package_x; extra == "data"']
    monkeypatch.setattr(machine_room, "requires", lambda _: declared)
    assert list(versions()) == ["lstm-bench", "numpy", "torch"]
    monkeypatch.setattr(machine_room, "requires", lambda _: None)
    assert list(versions()) == ["lstm-bench"]


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(machine_room, "machine", machine.__wrapped__)
    return monkeypatch


def facts() -> dict[str, object]:
    found: dict[str, object] = machine_room.machine()
    return found


def test_a_build_without_cuda_has_none_of_its_facts(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(torch.version, "cuda", None)
    fresh.setattr(torch._C, "_cudnn", SimpleNamespace(getVersionInt=lambda: 9), raising=False)  # ROCm's
    fresh.setattr(machine_room, "cards", dict)
    assert not {"cuda", "cudnn", "gpus", "driver"} & facts().keys()


def test_the_facts_of_cuda_are_told_without_starting_it(fresh: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        pytest.fail("CUDA was started: no fork of this process could use it")

    for name in ("_lazy_init", "is_available", "device_count"):
        fresh.setattr(torch.cuda, name, start)
    fresh.setattr(torch.version, "cuda", "13.0")
    fresh.setattr(torch._C, "_cudnn", SimpleNamespace(getVersionInt=lambda: 91900), raising=False)
    fresh.setattr(machine_room, "cards", lambda: {"driver": "580.95.05", "gpus": ["NVIDIA H100"]})
    told = {"cuda": "13.0", "cudnn": 91900, "driver": "580.95.05", "gpus": ["NVIDIA H100"]}
    assert told.items() <= facts().items()


def test_what_was_changed_since_the_commit_is_told_by_its_digest(fresh: pytest.MonkeyPatch) -> None:
    fresh.setattr(machine_room, "source_diff", lambda: ("0123456789abcdef", "the text"))
    assert facts()["diff"] == "0123456789abcdef"
    fresh.setattr(machine_room, "source_diff", lambda: None)
    assert "diff" not in facts()


def test_the_cards_are_the_drivers() -> None:
    assert machine_room.cards is nvml.cards


@pytest.mark.gpu
def test_the_facts_of_a_real_card_are_told_without_starting_cuda() -> None:
    script = (
        "import json, torch; from lstm_bench.meter import machine; facts = machine();"
        "print(json.dumps([facts, torch.cuda.is_initialized(), torch.cuda.is_available(), torch.version.cuda,"
        "torch.cuda.is_available() and torch.backends.cudnn.version()]))"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    facts, started, available, cuda, cudnn = json.loads(told)
    if not available:
        pytest.skip("no card here")
    assert not started
    assert (facts["cuda"], facts["cudnn"]) == (cuda, cudnn)
    assert facts["gpus"]
    assert facts["driver"]


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["/somewhere/.venv/bin/lstm-bench", "search", "adding"], "lstm-bench search adding"),
        (["/somewhere/lstm_bench/__main__.py", "run", "adding"], "lstm-bench run adding"),
        (["/somewhere/else/__main__.py", "-x"], "__main__.py -x"),
        (["/somewhere/mine.py", "--set", "a b", "it's"], """mine.py --set 'a b' 'it'"'"'s'"""),
        (["-c"], "-c"),
        ([""], ""),
    ],
)
def test_a_command_is_shown_as_a_person_types_it(argv: Sequence[str], shown: str) -> None:
    assert typed(argv) == shown


def test_a_command_that_was_handed_down_goes_before_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/lstm-bench", "ui"])
    monkeypatch.delenv(COMMAND, raising=False)
    assert command() == "lstm-bench ui"
    monkeypatch.setenv(COMMAND, "lstm-bench search adding")
    assert command() == "lstm-bench search adding"
    monkeypatch.setenv(COMMAND, "")
    assert command() == ""


def test_without_a_command_the_fact_is_absent(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv(COMMAND, "")
    assert "command" not in facts()


def test_a_run_knows_its_drivers_command(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(COMMAND, raising=False)
    monkeypatch.setattr(sys, "argv", ["/bin/lstm-bench", "search", "toy:Toy", "--name", "my study"])
    spec, _ = spec_of({"task": "toy:Toy"}, {"train.steps": 4, "train.eval_every": 4})
    server = WarmServer(spec)
    try:
        server.warm_up()
        job = Job(spec, results.run("one").path)
        pipe = server.start(job)
        assert server.ended(server.waitables()[0]) == ("one", 0)
        pipe.close()
    finally:
        server.close()
    found = results.run("one").machine
    assert found["command"] == "lstm-bench search toy:Toy --name 'my study'"
    assert found["task"] == {"family": "synthetic"}  # a toy names no source


class Repository:
    """A checkout with a package in it, and somebody's settings that would spoil a diff or start things."""

    def __init__(self, root: Path) -> None:
        self.root, self.package = root, root / "harness" / "package"
        self.package.mkdir(parents=True)
        self.git("init", "-q")
        self.write("harness/package/__init__.py", "one = 1\n")
        self.write("other.txt", "there\n")
        (root / "results").mkdir()
        self.write("results/table.csv", "a row\n")
        self.git("add", ".")
        self.git("commit", "-q", "-m", "first")

    def git(self, *arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        git = ["git", "-C", str(self.root), *who, *arguments]
        return subprocess.run(git, check=True, capture_output=True, text=True).stdout

    def write(self, path: str, text: str | bytes) -> None:
        (self.root / path).write_bytes(text.encode() if isinstance(text, str) else text)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return Repository(tmp_path / "checkout")


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a checkout")
def test_the_commit_and_the_diff_are_those_of_the_checkout() -> None:
    facts = machine()
    found = facts["commit"].removesuffix("+")
    assert len(found) >= 7
    git = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    assert subprocess.run(git, capture_output=True, text=True, check=True).stdout.startswith(found)
    assert facts.get("diff") == (source_diff() or [None])[0]


def test_an_unchanged_checkout_has_a_commit_and_no_diff(repository: Repository) -> None:
    repository.write("harness/package/new.py", "not git's yet")
    repository.write("results/table.csv", "a row more\n")
    assert repository.git("rev-parse", "HEAD").startswith(str(commit(repository.package)))
    assert source_diff(repository.package) is None


def test_a_diff_makes_the_changed_checkout_again(repository: Repository) -> None:
    repository.write("harness/package/__init__.py", "one = 2  # größer\n")
    repository.write("other.txt", "there\nand here\n")
    repository.git("add", "other.txt")
    assert str(commit(repository.package)).endswith("+")
    digest, text = source_diff(repository.package) or ("", "")
    assert digest == hashlib.sha256(text.encode()).hexdigest()[:16]
    repository.git("reset", "-q", "--hard")
    (repository.root / "kept.patch").write_text(text)
    repository.git("apply", "kept.patch")
    assert (repository.package / "__init__.py").read_text() == "one = 2  # größer\n"
    assert (repository.root / "other.txt").read_text() == "there\nand here\n"


def test_a_diff_is_the_same_whatever_the_repository_is_set_to_and_starts_nothing(repository: Repository) -> None:
    mark = repository.root / ".git" / "started"
    program = repository.root / ".git" / "program"
    program.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    program.chmod(0o755)
    hook = repository.root / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_bytes(program.read_bytes())
    hook.chmod(0o755)
    repository.write("other.txt", "changed\n")
    os.utime(repository.package / "__init__.py", (1, 1))  # git's index has another time: it would be mended
    plain = source_diff.__wrapped__(repository.package)
    for name, value in {
        "diff.external": program, "diff.x.textconv": program, "diff.x.command": program, "core.fsmonitor": program,
        "color.ui": "always", "diff.relative": "true", "diff.noprefix": "true", "diff.mnemonicPrefix": "true",
    }.items():  # fmt: skip
        (repository.root / ".git" / "info").mkdir(exist_ok=True)
        (repository.root / ".git" / "info" / "attributes").write_text("*.txt diff=x\n")
        repository.git("config", name, str(value))
    assert plain
    assert source_diff.__wrapped__(repository.package) == plain
    commit(repository.package)
    assert not mark.exists()


def test_a_diff_that_is_too_long_is_cut_off_and_says_so(repository: Repository) -> None:
    def diff_of(last: str) -> tuple[str, str]:
        repository.write("other.txt", "ü" * 99 + "\n" + "a line of many\n" * 100_000 + last)
        return source_diff.__wrapped__(repository.package) or ("", "")

    (digest, text), (another, _) = diff_of("one\n"), diff_of("two\n")
    *lines, last = text.splitlines()
    assert LONGEST - 100 < len("\n".join(lines).encode()) <= LONGEST
    assert lines[-1] == "+a line of many"
    assert re.fullmatch(r"\[cut off here, at 1048576 bytes: the whole diff has 16\d{5} bytes, SHA-256 \w{64}\]", last)
    assert digest == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert digest != another


def test_what_is_no_text_spoils_no_diff(repository: Repository) -> None:
    repository.write("other.txt", b"gr\xf6\xdfer\n")
    digest, text = source_diff(repository.package) or ("", "")
    assert "+gr" in text
    assert digest == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_a_package_installed_inside_somebodys_checkout_is_not_of_it(repository: Repository) -> None:
    repository.write("other.txt", "changed\n")
    installed = repository.root / ".venv" / "package"
    installed.mkdir(parents=True)
    (installed / "__init__.py").touch()
    assert commit(installed) is None
    assert source_diff(installed) is None


def test_a_hook_of_another_repository_leads_nobody_astray(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = commit(repository.package)
    another = Repository(tmp_path / "another")
    another.write("other.txt", "changed\n")
    another.git("commit", "-q", "-a", "-m", "second")
    for name, value in {"GIT_DIR": ".git", "GIT_WORK_TREE": ".", "GIT_INDEX_FILE": ".git/index"}.items():
        monkeypatch.setenv(name, str(another.root / value))
    assert expected is not None
    assert commit(repository.package) == expected
    assert source_diff(repository.package) is None


@pytest.mark.parametrize("missing", ["git", "checkout", "first commit"])
def test_without_git_or_a_checkout_commit_and_diff_are_absent(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    repository.write("other.txt", "changed\n")
    if missing == "git":
        monkeypatch.setenv("PATH", str(repository.root))
    elif missing == "checkout":
        (repository.root / ".git").rename(repository.root / "git")
    else:
        repository.git("update-ref", "-d", "HEAD")
    assert commit(repository.package) is None
    assert source_diff(repository.package) is None


def test_the_source_is_read_once_a_process(repository: Repository) -> None:
    first = source_diff(repository.package)
    repository.write("other.txt", "changed\n")
    assert source_diff(repository.package) == first
    assert source.PACKAGE == CHECKOUT / "harness" / "lstm_bench" or not (CHECKOUT / ".git").exists()
