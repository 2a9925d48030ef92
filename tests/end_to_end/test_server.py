"""An MLflow server of a team's, which is gone, ill or full now and then: nobody waits for it, nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from agreement import artifacts, assert_agrees, runs_of
from faulty import Faulty
from mlflow import MlflowClient
from mlflow_server import MlflowServer, mlflow_server
from shell import alive, call, descendants, start

from lstm_bench.cli import main
from lstm_bench.record.files import Results
from lstm_bench.record.weights import load_model
from lstm_bench.result import Status

pytestmark = pytest.mark.slow

TRIALS = 4
RUNS = TRIALS + 1
# Draws follow from the seed and the trial's number alone: a study has the same runs, whatever MLflow does.
STUDY = ["search", "toy:Toy", "--trials", str(TRIALS), "--workers", "2", "--sampler", "random", "--pruner", "none",
         "--confirm-seeds", "1", "--set", "options.fault=slow", "--set", "options.at=0",
         "--set", "train.steps=40", "--set", "train.eval_every=8"]  # fmt: skip
LONG = [*STUDY, "--set", "train.steps=80"]  # time for something to happen meanwhile
WARNING = "MLflow does not take what it is sent"
USER, PASSWORD = "ada", "correct-horse-battery"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds until a call counts as failed, and until a server that does not answer is given up."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("LSTM_BENCH_TRACKING_SECONDS", "5")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    with mlflow_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def client(server: MlflowServer) -> MlflowClient:
    """Of the server itself, whatever stands in front of it."""
    return MlflowClient(server.address)


@pytest.fixture
def door(server: MlflowServer) -> Iterator[Faulty]:
    with Faulty(server.address) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def healthy(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study `s` whose server was well."""
    return made_in_health(server, tmp_path_factory.mktemp("healthy"), STUDY)


@pytest.fixture(scope="module")
def healthy_long(server: MlflowServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_in_health(server, tmp_path_factory.mktemp("long"), LONG)


def made_in_health(server: MlflowServer, folder: Path, study: list[str]) -> Path:
    done = call(folder, "--tracking-uri", server.address, *study, "--name", "s")
    assert done.returncode == 0, done.stderr
    assert "MLflow" not in done.stdout, "there is nothing to say"
    return folder


def results_in(folder: Path) -> Results:
    return Results(folder / "results")


def learnt(folder: Path) -> dict[tuple[str, int, int], list[float]]:
    """The losses of a study `s` by purpose, trial and seed."""
    results = results_in(folder)
    return {
        (line.purpose, line.number, line.seed): [r.metrics["train/loss"] for r in results.run(line.run).readings]
        for line in results.study("s").lines
    }


def wait_until(true: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    """Return when it is so, or the process has ended."""
    while process.poll() is None and not true():
        time.sleep(0.02)


def ended(process: "subprocess.Popen[str]") -> str:
    """What a study that must have ended well has said."""
    said, complaint = process.communicate(timeout=240)
    assert process.returncode == 0, said + complaint
    assert complaint == ""
    return said


def lines_with(text: str, said: str) -> list[str]:
    return [line for line in said.splitlines() if text in line]


def assert_all_is_there(client: MlflowClient, folder: Path, said: str, like: Path) -> None:
    """At once, or after the command that the last words name where something is missing."""
    results = results_in(folder)
    assert learnt(folder) == learnt(like)
    assert [line.status for line in results.study("s").lines] == [Status.FINISHED] * RUNS
    for line in lines_with(" sync`", said):
        sent = call(folder, *line.partition("`lstm-bench ")[2].partition("`")[0].split())
        assert sent.returncode == 0, sent.stderr
    assert_agrees(client, results, "s")
    assert not (folder / "results" / "mlflow.db").exists()


def test_a_server_shows_a_whole_study(client: MlflowClient, server: MlflowServer, healthy: Path) -> None:
    results = results_in(healthy)
    assert len(results.study("s").lines) == RUNS
    assert_agrees(client, results, "s")
    assert not {path.name for path in results.root.iterdir()} & {"mlflow.db", "artifacts", "mlflow.lock"}
    experiment = client.get_experiment_by_name("toy:Toy")
    assert experiment
    assert experiment.artifact_location.startswith("mlflow-artifacts:"), "the server takes them, from any machine"
    assert "| s |" in experiment.tags["mlflow.note.content"]
    own, *runs = sorted(runs_of(client, results, "s"), key=lambda run: run.data.tags["kind"] == "run")
    assert "lr" in own.data.tags["mlflow.note.content"]
    kept = artifacts(client, own)
    assert {"study.toml", "machine.json", "board.json", "trials.jsonl"} < kept
    assert any(path.startswith("figures/") and path.endswith(".png") for path in kept)
    board = Path(client.download_artifacts(own.info.run_id, "board.json", str(healthy)))
    assert board.read_bytes() == (results.study("s").path / "board.json").read_bytes()
    confirming = next(run for run in runs if run.data.tags["purpose"] == "confirm")
    assert artifacts(client, confirming) >= {"spec.toml", "machine.json", "result.json"}
    assert (server.folder / "artifacts").is_dir()


def test_the_model_of_a_study_is_had_from_the_server(client: MlflowClient, healthy: Path) -> None:
    results = results_in(healthy)
    own = next(run for run in runs_of(client, results, "s") if run.data.tags["kind"] == "study")
    [output] = own.outputs.model_outputs
    x_BTF = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4, 1)
    asking = (
        "import sys, numpy, mlflow; numpy.save('y', mlflow.pyfunc.load_model(sys.argv[1]).predict(numpy.load('x.npy')))"
    )
    np.save(healthy / "x", x_BTF)
    environ = os.environ | {"MLFLOW_TRACKING_URI": client.tracking_uri}
    uri = f"models:/{output.model_id}"
    subprocess.run([sys.executable, "-c", asking, uri], cwd=healthy, env=environ, check=True, capture_output=True)
    confirming = next(line for line in results.study("s").lines if line.purpose == "confirm")
    import torch

    expected, _ = load_model(results.run(confirming.run).path)(torch.from_numpy(x_BTF))
    np.testing.assert_allclose(np.load(healthy / "y.npy"), expected.detach().numpy(), rtol=1e-5)


@pytest.mark.slow
def test_two_folders_with_studies_of_one_name_do_not_mix(
    tmp_path: Path, client: MlflowClient, server: MlflowServer, healthy: Path
) -> None:
    done = call(tmp_path, "--tracking-uri", server.address, *STUDY, "--name", "s", "--set", "seed=7")
    assert done.returncode == 0, done.stderr
    for folder in (healthy, tmp_path):
        assert_agrees(client, results_in(folder), "s")
    experiment = client.get_experiment_by_name("toy:Toy")
    assert experiment
    assert experiment.tags["mlflow.note.content"].count("| s |") >= 2
    both = client.search_runs([experiment.experiment_id], "tags.kind = 'study' AND tags.study = 's'")
    assert len({run.data.tags["lstm_bench.run_key"] for run in both}) == len(both) >= 2


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("refuse", "Connection refused"), pytest.param("hang", "timed out", marks=pytest.mark.slow)],
)
def test_a_server_that_never_answers_is_waited_for_by_nobody_and_gets_all_later(
    tmp_path: Path, client: MlflowClient, door: Faulty, healthy: Path, mode: str, reason: str
) -> None:
    door.be(mode)
    said = ended(start(tmp_path, "--tracking-uri", door.address, *STUDY, "--name", "s"))
    assert door.requests(mode="ok") == 0
    assert learnt(tmp_path) == learnt(healthy)
    [warning] = lines_with(WARNING, said)
    assert f"({reason})" in warning
    [last] = lines_with(" sync`", said)
    assert last == (
        f"MLflow at {door.address} lacks {RUNS} of {RUNS} runs: {reason}. "
        f"It is all in the files: `lstm-bench --tracking-uri {door.address} sync` sends the rest"
    )
    assert len(lines_with("MLflow", said)) == 2
    unsent = call(tmp_path, "--tracking-uri", door.address, "sync")
    assert unsent.returncode == 4
    assert reason in unsent.stderr
    assert unsent.stderr.count("\n") == 1
    door.be("ok")
    sent = call(tmp_path, "--tracking-uri", door.address, "sync")
    assert (sent.returncode, sent.stdout) == (0, f"s: {RUNS} of {RUNS} runs sent\n")
    assert_all_is_there(client, tmp_path, said, healthy)


def test_faults_one_after_another_lose_and_double_nothing(
    tmp_path: Path, client: MlflowClient, door: Faulty, healthy: Path
) -> None:
    process = start(tmp_path, "--tracking-uri", door.address, *STUDY, "--name", "s")
    for path, mode in (("runs/create", "500_after"), ("log-batch", "drop_after"), ("runs/create", "hang_after")):
        door.be(mode, only=path, times=1)
        wait_until(lambda path=path, mode=mode: door.requests(path, mode), process)
    door.be("refuse")
    gone = time.monotonic() + 4
    wait_until(lambda: time.monotonic() > gone, process)
    door.be("ok")
    said = ended(process)
    assert door.requests("runs/create", "500_after") == 1
    assert door.requests("log-batch", "drop_after") == 1
    assert_all_is_there(client, tmp_path, said, healthy)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["refuse", "500_before", "500_after", "hang", "hang_after", "slow"])
def test_a_fault_in_mid_study_loses_and_doubles_nothing(
    tmp_path: Path, client: MlflowClient, door: Faulty, healthy_long: Path, mode: str
) -> None:
    process = start(tmp_path, "--tracking-uri", door.address, *LONG, "--name", "s")
    wait_until(lambda: door.requests("log-batch"), process)
    door.be(mode, seconds=3)
    well = time.monotonic() + 5
    wait_until(lambda: time.monotonic() > well, process)
    door.be("ok")
    said = ended(process)
    assert len(lines_with(WARNING, said)) == 1
    assert_all_is_there(client, tmp_path, said, healthy_long)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_faults_by_chance_lose_and_double_nothing(
    tmp_path: Path, client: MlflowClient, door: Faulty, healthy_long: Path, seed: int
) -> None:
    door.be("mix", probability=0.3, seed=seed)
    said = ended(start(tmp_path, "--tracking-uri", door.address, *LONG, "--name", "s"))
    assert door.requests() > door.requests(mode="ok")
    door.be("ok")
    assert_all_is_there(client, tmp_path, said, healthy_long)


@pytest.mark.slow
def test_a_server_that_is_gone_for_a_minute_loses_nothing(tmp_path: Path, client: MlflowClient, door: Faulty) -> None:
    study = [*STUDY, "--set", "train.steps=600"]
    process = start(tmp_path, "--tracking-uri", door.address, *study, "--name", "s")
    wait_until(lambda: door.requests("log-batch"), process)
    door.be("refuse")
    back = time.monotonic() + 60
    wait_until(lambda: time.monotonic() > back, process)
    assert process.poll() is None, "in mid-study"
    door.be("ok")
    said = ended(process)
    assert len(lines_with(WARNING, said)) == 1
    assert_all_is_there(client, tmp_path, said, tmp_path)


@pytest.mark.slow
def test_a_server_shot_and_started_again_loses_nothing(
    tmp_path: Path, client: MlflowClient, server: MlflowServer, healthy_long: Path
) -> None:
    process = start(tmp_path, "--tracking-uri", server.address, *LONG, "--name", "s")
    wait_until((tmp_path / "results" / "studies" / "s" / "trials.jsonl").exists, process)
    wait_until(lambda: len(runs_of(client, results_in(tmp_path), "s")) > 1, process)
    server.stop(signal.SIGKILL)
    server.start()
    said = ended(process)
    assert_all_is_there(client, tmp_path, said, healthy_long)


@pytest.mark.slow
def test_a_server_that_stands_still_and_goes_on_doubles_nothing(
    tmp_path: Path, client: MlflowClient, server: MlflowServer, healthy_long: Path
) -> None:
    """What was given up by its sender is done by such a server all the same, once it goes on."""
    server.send(signal.SIGSTOP)
    process = start(tmp_path, "--tracking-uri", server.address, *LONG, "--name", "s")
    try:
        goes_on = time.monotonic() + 12
        wait_until(lambda: time.monotonic() > goes_on, process)
    finally:
        server.send(signal.SIGCONT)
    said = ended(process)
    assert_all_is_there(client, tmp_path, said, healthy_long)


@pytest.mark.slow
def test_a_server_that_never_takes_files_is_given_up(
    tmp_path: Path, client: MlflowClient, door: Faulty, healthy: Path
) -> None:
    """All its other answers are no reason to wait for it for ever."""
    door.be("500_before", only="mlflow-artifacts")
    said = ended(start(tmp_path, "--tracking-uri", door.address, *STUDY, "--name", "s"))
    [last] = lines_with(" sync`", said)
    assert "HTTP 500 Internal Server Error" in last
    door.be("ok")
    assert_all_is_there(client, tmp_path, said, healthy)


RUN = ["run", "toy:Toy", "--set", "train.steps=20"]


@pytest.mark.parametrize("password", [PASSWORD, "wrong-horse", pytest.param(None, marks=pytest.mark.slow)])
def test_a_login_is_used_and_stands_nowhere(
    tmp_path: Path, server: MlflowServer, monkeypatch: pytest.MonkeyPatch, password: str | None
) -> None:
    if password:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    with Faulty(server.address, login=(USER, PASSWORD)) as door:
        said = ended(start(tmp_path, "--tracking-uri", door.address, *RUN))
        refused, taken = door.requests(mode="401_before"), door.requests(mode="ok")
    [run] = results_in(tmp_path).runs.iterdir()
    if password == PASSWORD:
        assert refused == 0
        assert lines_with("MLflow", said) == []
    else:
        assert taken == 0
        warning, last = lines_with("MLflow", said)
        assert warning.startswith(f"{WARNING} (HTTP 401 Unauthorized: MLFLOW_TRACKING_USERNAME and ")
        assert last.startswith(f"MLflow at {door.address} lacks run {run.name}: HTTP 401 Unauthorized")
    secret = password or PASSWORD
    assert secret not in said
    for path in [*tmp_path.rglob("*"), *server.folder.rglob("*")]:
        assert not path.is_file() or secret.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (f"http://{USER}:{PASSWORD}@127.0.0.1:5000", "MLFLOW_TRACKING_PASSWORD"),
        (f"{USER}:{PASSWORD}@127.0.0.1:5000", "MLFLOW_TRACKING_PASSWORD"),
        (f"http://{PASSWORD}@127.0.0.1:5000", "MLFLOW_TRACKING_PASSWORD"),
        ("ftp://127.0.0.1", "such as http://host:5000"),
        ("sqlite:///here.db", "such as http://host:5000"),
        ("127.0.0.1:5000", "such as http://host:5000"),
        ("http://[::1", "such as http://host:5000"),
        ("http://127.0.0.1:port", "such as http://host:5000"),
    ],
)
def test_an_address_with_a_secret_or_of_no_server_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["--tracking-uri", address, *STUDY, "--name", "s"])
    said, complaint = capsys.readouterr()
    assert ended.value.code == 2, complaint
    assert expected in complaint
    assert complaint.count("\n") == 1
    assert PASSWORD not in said + complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("twice", [pytest.param(False, marks=pytest.mark.slow), True], ids=["once", "twice"])
def test_ctrl_c_while_the_server_hangs(
    tmp_path: Path, door: Faulty, monkeypatch: pytest.MonkeyPatch, *, twice: bool
) -> None:
    if twice:
        monkeypatch.setenv("LSTM_BENCH_TRACKING_SECONDS", "100000")
    door.be("hang")
    process = start(tmp_path, "--tracking-uri", door.address, *LONG, "--name", "s", "--set", "train.steps=4000")
    results = results_in(tmp_path)
    wait_until(lambda: door.requests(mode="hang") and any(results.runs.glob("*/readings.jsonl")), process)
    family = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    if twice:
        wait_until(lambda: (results.study("s").board or {}).get("ended") == "killed", process)
        wait_until(lambda: len(descendants(process.pid)) == 2, process)  # the writer, and a warm server without a task
        time.sleep(1)  # until it has let go of its pool, and waits for the writer alone
        process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=120)
    assert process.returncode == 130, complaint
    assert complaint.count("\n") == 1
    assert complaint.startswith("lstm-bench: interrupted")
    assert len(lines_with(" sync`", said)) == (0 if twice else 1)
    assert {line.status for line in results.study("s").lines} == {Status.KILLED}
    for line in results.study("s").lines:
        result = results.run(line.run).result
        assert result
        assert result.status is Status.KILLED
    assert not any(map(alive, family)), "orphans"
