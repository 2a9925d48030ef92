"""What goes wrong between us and MLflow: in a few words, whether it lasts, and how long it is waited for."""

import os
import re
from http import HTTPStatus

from lstm_bench.errors import in_one_line

# Seconds without an answer after which, at the end, the rest is left unsent; the environment may say otherwise.
PATIENCE = float(os.environ.get("LSTM_BENCH_TRACKING_SECONDS", "15"))
LONGEST = 160  # characters of a reason
# The status that a server answered: MLflow tells it in two ways.
ANSWERED = re.compile(r"failed with error code (\d{3}) != 200|too many (\d{3}) error responses")
PHRASES = {status.value: f" {status.phrase}" for status in HTTPStatus} | {
    401: " Unauthorized: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD log in",
    404: " Not Found: no MLflow server is there",
}
LASTING = ("UNAUTHENTICATED", "PERMISSION_DENIED", "ENDPOINT_NOT_FOUND")  # codes of errors that no waiting mends


def why(error: BaseException) -> str:
    """What went wrong, in a few words: a failed call's own reason, without the calls that it came through."""
    root = error
    while root.__cause__ or root.__context__:
        root = root.__cause__ or root.__context__ or root
    if answered := ANSWERED.search(f"{error} {root}"):
        status = int(answered[1] or answered[2])
        return f"HTTP {status}{PHRASES.get(status, '')}"
    if isinstance(root, OSError) or "failed with exception" in str(error):  # a request that came to nothing
        return in_one_line(root.args[-1] if root.args else error)[:LONGEST]
    return in_one_line(error)[:LONGEST]


def is_lasting(error: BaseException) -> bool:
    """Whether it stays so: a login that the server refuses, an address where there is none."""
    return getattr(error, "error_code", "") in LASTING
