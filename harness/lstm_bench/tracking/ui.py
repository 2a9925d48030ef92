"""The MLflow UI over a results folder, on this machine alone."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.tracking.store import RUN_KEY, connect
from lstm_bench.tracking.view import StudyView, study_key

# The UI opens in another view; this is the way to the runs and their charts.
CHARTS = "/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART"
COMPARE = "/#/compare-runs?runs=[{runs}]&experiments=[{experiments}]"
HOST = "127.0.0.1"
# MLflow's defaults start 16 processes and 3 GB; one worker without job execution serves a person well.
LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
PATIENCE = 60.0  # seconds until the server must listen


def serve(results: Results, port: int) -> int:
    """Serve until Ctrl-C; prints the address that opens the runs' charts. Returns the exit code.

    Raises:
        BenchError: there is nothing to show, the port is taken, or the server did not start.
    """
    if not results.mlflow_db.exists():
        raise BenchError(f"no MLflow store in {results.root} yet: `make bench` makes one")
    refuse_taken(port)
    experiments = [e for e in connect(results).search_experiments() if e.name != "Default"]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a closed terminal ends the server, too
        signal.signal(number, signal.default_int_handler)
    log = results.root / "mlflow-server.log"
    process = start(results, port, log)
    try:
        wait_until_listening(process, port, log)
        for experiment in experiments:
            print(f"{experiment.name}: http://{HOST}:{port}{CHARTS.format(experiment=experiment.experiment_id)}")
        print(f"Serving {results.root} on {HOST} alone; Ctrl-C ends it.", flush=True)
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def refuse_taken(port: int) -> None:
    """Look whether somebody listens there already.

    Raises:
        UsageError: somebody does.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UsageError(f"port {port} of {HOST} is taken: choose another, such as --port {port + 1}") from None


def start(results: Results, port: int, log: Path) -> "subprocess.Popen[bytes]":
    """Start the server in a process group of its own, since its children outlive it when it alone is ended."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", results.mlflow_uri]
    artifacts = ["--artifacts-destination", results.artifacts.resolve().as_uri()]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  # our own arguments
            [*command, *store, *artifacts],
            env=os.environ | LIGHT,
            start_new_session=True,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_until_listening(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Return when the server answers.

    Raises:
        BenchError: it ended, or does not answer in time.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BenchError(f"the MLflow server ended with exit code {process.returncode}: {log} says why")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise BenchError(f"the MLflow server does not listen after {PATIENCE:.0f} s")


def compare_path(results: Results, studies: Sequence[str]) -> str:
    """The path of the UI that sets studies' own runs side by side.

    Args:
        results: the folder whose store it is.
        studies: their names.
    """
    client = connect(results)
    runs, experiments = [], []
    for study in studies:
        view = StudyView(results, results.study(study))
        experiment = client.get_experiment_by_name(view.asked["task"])
        if experiment:
            own = f"tags.`{RUN_KEY}` = '{study_key(view)}'"
            found = client.search_runs([experiment.experiment_id], own, max_results=1)
            runs += [f'"{run.info.run_id}"' for run in found]
            experiments.append(f'"{experiment.experiment_id}"')
    return COMPARE.format(runs=",".join(runs), experiments=",".join(dict.fromkeys(experiments)))
