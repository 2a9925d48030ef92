"""MLflow as a view of the files: what it is to show, how that gets there, and the UI over it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
# MLflow reads these when it is imported, which this package alone does; what the user has set holds.
SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    RETRIES: "0",  # its own tries may make a run twice; ours look first
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",  # tries that it makes all the same wait a second, not half a minute
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # a model would take in the files of a project that we happen to stand in
}
for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)


@contextmanager
def retried() -> Iterator[None]:
    """While entered, MLflow makes a call that fails again by itself, some times: for what may well be done twice."""
    own = os.environ[RETRIES]
    os.environ[RETRIES] = str(max(int(own), 4))
    try:
        yield
    finally:
        os.environ[RETRIES] = own
