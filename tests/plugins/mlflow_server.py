"""A real MLflow server over a folder of its own, as on another machine: it can go, and come back where it was."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

HOST = "127.0.0.1"
# Two processes instead of sixteen.
LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
PATIENCE = 60.0  # seconds until it must answer, or have ended


class MlflowServer:
    """A server, not started yet; the same port and the same store each time that it is.

    Args:
        folder: of its store `mlflow.db`, its `artifacts` and its `server.log`.
        store: a database's address, in place of that store.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self._store = store or f"sqlite:///{folder.resolve()}/mlflow.db"
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Where clients find it, as `MLFLOW_TRACKING_URI` says it."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Let it run; it answers when this returns."""
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(self.port), "--workers", "1"]
        store = ["--backend-store-uri", self._store]
        artifacts = ["--artifacts-destination", (self.folder / "artifacts").resolve().as_uri()]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *store, *artifacts],
                env=os.environ | LIGHT,
                start_new_session=True,  # its children outlive it when it alone is ended
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"no MLflow server at {self.address}:\n{(self.folder / 'server.log').read_text()}")
            time.sleep(0.05)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it and its children, and return when nobody listens there any more; nothing where it does not run."""
        if self._process is None:
            return
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(PATIENCE)
        finally:
            with contextlib.suppress(ProcessLookupError):  # what did not heed it, and children that it left
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it and its children a signal: SIGSTOP lets it stand still, with all that it is asked waiting."""
        if self._process is not None:
            os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.address}/health", timeout=5) as answer:
                return answer.status == 200
        except (URLError, OSError):
            return False


@contextlib.contextmanager
def mlflow_server(folder: Path, store: str | None = None) -> Iterator[MlflowServer]:
    """A server that answers; ended when the context is left. `stop` and `start` may be called meanwhile."""
    server = MlflowServer(folder, store)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
