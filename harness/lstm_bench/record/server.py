"""The MLflow UI over a results folder, on this machine alone."""

import os
import signal
import socket
import subprocess
import sys
import time

from lstm_bench.errors import BenchError, UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.mlflow import CHARTS, opened

HOST = "127.0.0.1"
# MLflow's defaults start 16 processes and 3 GB; one worker without job execution serves a person well.
LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
PATIENCE = 60.0  # seconds until the server must listen


def serve(results: Results, port: int) -> int:
    """Serve until Ctrl-C; prints the address that opens the runs' charts. Returns the exit code.

    Raises:
        BenchError: there is nothing to show, the port is taken, or the server did not start.
    """
    if not (results.root / "mlflow.db").exists():
        raise BenchError(f"no MLflow store in {results.root} yet: `make bench` makes one")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise UsageError(f"port {port} of {HOST} is taken: choose another, such as --port {port + 1}") from None
    with opened(results) as client:
        experiments = [e for e in client.search_experiments() if e.name != "Default"]
    process = subprocess.Popen(  # noqa: S603  # our own arguments
        [
            sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1",
            "--backend-store-uri", results.mlflow_uri,
            "--artifacts-destination", results.artifacts.resolve().as_uri(),
        ],
        env=os.environ | LIGHT,
        start_new_session=True,  # its children live on when it alone is ended: they end as a group
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        wait_until_listening(process, port)
        for experiment in experiments:
            print(f"{experiment.name}: http://{HOST}:{port}{CHARTS.format(experiment=experiment.experiment_id)}")
        print(f"Serving {results.root} on {HOST} alone; Ctrl-C ends it.", flush=True)
        return process.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    """Return when the server answers.

    Raises:
        BenchError: it ended, or does not answer in time.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            raise BenchError(f"the MLflow server ended with exit code {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.1)
    raise BenchError(f"the MLflow server does not listen after {PATIENCE:.0f} s")
