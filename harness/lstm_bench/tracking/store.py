"""MLflow's store, in the terms of what is shown there. Only this package imports mlflow."""

import contextlib
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, ParamSpec, TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from lstm_bench.errors import BenchError, in_one_line
from lstm_bench.record.disk import file_name
from lstm_bench.record.files import Results
from lstm_bench.result import Status
from lstm_bench.tracking import retried
from lstm_bench.tracking.shown import Data, Shown

logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # what it tells by exceptions it tells twice
logging.getLogger("alembic").setLevel(logging.WARNING)  # making a store is no news to a person

RUN_KEY = "lstm_bench.run_key"  # one MLflow run for each
STATE = "lstm_bench.state"  # how a study stood when its answer was sent
ANSWER = "lstm_bench.answer"  # a study's row in its experiment's note, as JSON
PARENT = "mlflow.parentRunId"
RUNNING = "RUNNING"
MOST = 900  # metrics in a call, of 1,000 things; those of one call are stored together or not at all
LONGEST_LABEL = 250
LONGEST_NAME, LONGEST_DIGEST = 500, 36  # of a dataset
PAGE = 1000  # runs

P = ParamSpec("P")
R = TypeVar("R")


class Sample(NamedTuple):
    """A figure, and where it stands."""

    name: str
    value: float
    step: int
    time_ms: int


class RefusedError(Exception):
    """What the store will never take, however often it is sent."""


@dataclass(frozen=True, slots=True)
class Known:
    """A run that the store has."""

    id: str
    key: str
    running: bool
    tags: Mapping[str, str]

    @property
    def parent(self) -> str | None:
        """The id of the run that it is shown under, if any."""
        return self.tags.get(PARENT)

    @property
    def status(self) -> Status | None:
        """How it ended, if it was told."""
        found = self.tags.get("status", "")
        return Status(found) if found in set(Status) else None


class Store:
    """One task's experiment in a store.

    Args:
        results: the folder whose store it is.
        task: names the experiment.

    Raises:
        BenchError: the store cannot be used, by anyone and at any time: another version's, a deleted experiment.
    """

    def __init__(self, results: Results, task: str) -> None:
        self.answers = 0  # calls that came back: whoever waits sees that the store answers
        self.client = connect(results)
        self.experiment = self._experiment(results, task)

    def _ask(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What a call to the store gives.

        Raises:
            RefusedError: it will never be taken.
        """
        try:
            found = call(*args, **kwargs)
        except MlflowException as error:
            if error.error_code not in ("INVALID_PARAMETER_VALUE", "INVALID_STATE"):
                raise
            self.answers += 1
            raise RefusedError(in_one_line(error.message)) from error
        self.answers += 1
        return found

    def _experiment(self, results: Results, task: str) -> str:
        known = self._ask(self.client.get_experiment_by_name, task)
        if known and known.lifecycle_stage != "active":
            raise BenchError(
                f"MLflow's experiment '{task}' was deleted: `mlflow experiments restore -x {known.experiment_id}` with "
                f"MLFLOW_TRACKING_URI={results.mlflow_uri} brings it back"
            )
        place = None if results.tracking_uri else place_of(results, task)
        if known and place and known.artifact_location != place:
            raise BenchError(
                f"{results.mlflow_uri} was made in another folder (its artifacts are to lie in "
                f"{known.artifact_location}): `lstm-bench sync --rebuild` makes it again from the files that are here"
            )
        if known:
            return str(known.experiment_id)
        try:
            return str(self._ask(self.client.create_experiment, task, artifact_location=place))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment(results, task)  # another process has made it since

    def runs(self, condition: str) -> Iterator[Known]:
        """The runs of the experiment that a filter gives, the oldest first."""
        token = None
        while True:
            page, token = self._page(condition, token)
            yield from page
            if not token:
                return

    def _page(self, condition: str, token: str | None) -> tuple[list[Known], str | None]:
        oldest = ["attributes.start_time ASC"]
        page = self._ask(
            self.client.search_runs,
            [self.experiment],
            condition,
            max_results=PAGE,
            order_by=oldest,
            page_token=token,
        )
        return [known(run) for run in page], page.token

    def find(self, key: str) -> Known | None:
        """The run of a key."""
        return next(self.runs(f"tags.`{RUN_KEY}` = '{key}'"), None)

    def create(self, shown: Shown, parent: str | None) -> str:
        """Make a run. Returns its id."""
        tags = {RUN_KEY: shown.key, **shown.tags, **({PARENT: parent} if parent else {})}
        run = self._ask(self.client.create_run, self.experiment, shown.begun_ms, tags, run_name=shown.name)
        return str(run.info.run_id)

    def reopen(self, run: str) -> None:
        """A run that had ended goes on."""
        self._ask(self.client.update_run, run, status=RUNNING)

    def sent_to(self, run: str, metric: str) -> int:
        """The last step at which a run has a metric; 0 where it has none. What is sent together is there together."""
        history = self._ask(self.client.get_metric_history, run, label(metric))
        return max((point.step for point in history), default=0)

    def send(
        self,
        run: str,
        groups: Iterable[Sequence[Sample]] = (),
        *,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Send figures, each group whole or not at all: the parameters with the first, the tags with the last."""
        parts = list(packed(groups)) or [[]]
        told = {label(path): str(value) for path, value in (params or {}).items()}
        for number, part in enumerate(parts, 1):
            self._batch(run, part, told if number == 1 else {}, (tags or {}) if number == len(parts) else {})

    def _batch(self, run: str, part: Sequence[Sample], params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        self._ask(
            self.client.log_batch,
            run,
            metrics=[Metric(label(one.name), one.value, one.time_ms, one.step) for one in part],
            params=[Param(path, value) for path, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )

    def take(self, run: str, data: Data) -> None:
        """Say what a run learnt from."""
        source = json.dumps({"source": data.source})
        dataset = Dataset(data.name[:LONGEST_NAME], data.digest[:LONGEST_DIGEST], "code", source)
        self._ask(self.client.log_inputs, run, [DatasetInput(dataset)])

    def keep(self, run: str, path: Path, folder: str | None = None) -> None:
        """Keep a file as one of a run's artifacts."""
        with retried():
            self._ask(self.client.log_artifact, run, str(path), folder)

    def close(self, run: str, status: str, time_ms: int | None = None) -> None:
        """A run has ended."""
        self._ask(self.client.set_terminated, run, status, time_ms)

    def forget(self, run: str) -> None:
        """Delete a run that is there twice: a call that was taken for failed had made it."""
        self._ask(self.client.delete_run, run)

    def note(self, text: str) -> None:
        """Write what stands above the experiment's runs."""
        self._ask(self.client.set_experiment_tag, self.experiment, "mlflow.note.content", text)


def place_of(results: Results, task: str) -> str:
    """Where the artifacts of a task's runs lie in a results folder; in it whatever the task is called."""
    name = file_name(task)
    return (results.artifacts.resolve() / (name if name.strip(".") else f"task{name}")).as_uri()


def known(run: Run) -> Known:
    """What there is to know of a run."""
    return Known(run.info.run_id, run.data.tags.get(RUN_KEY, ""), run.info.status == RUNNING, run.data.tags)


def packed(groups: Iterable[Sequence[Sample]]) -> Iterator[list[Sample]]:
    """Groups of figures put together into calls, none of them torn."""
    part: list[Sample] = []
    for group in groups:
        if part and len(part) + len(group) > MOST:
            yield part
            part = []
        part += group
    if part:
        yield part


def label(name: str) -> str:
    """A name as MLflow allows it, who takes letters, digits and a few signs, and no path that has a shorter form."""
    parts = re.sub(r"[^\w\-./: ]", "_", name).split("/")
    plain = "/".join("_" if part in ("", ".") else re.sub(r"^\.\.", "__", part) for part in parts)
    return plain[:LONGEST_LABEL].rstrip("/.")


def run_status(status: Status) -> str:
    """What MLflow calls a status: FINISHED only what did all it was asked to."""
    if status.complete:
        name = RunStatus.FINISHED
    else:
        name = RunStatus.KILLED if status in (Status.PRUNED, Status.KILLED) else RunStatus.FAILED
    return str(RunStatus.to_string(name))


def connect(results: Results) -> MlflowClient:
    """A client of the results' store; a file's is made where there is none, under a lock: two makers would break it.

    Raises:
        BenchError: the store is another MLflow version's.
    """
    if results.tracking_uri:
        return MlflowClient(results.tracking_uri)
    results.root.mkdir(parents=True, exist_ok=True)
    with FileLock(results.root / "mlflow.lock"):
        try:
            client = MlflowClient(results.mlflow_uri)
            client.search_experiments(max_results=1)  # makes the store
        except MlflowException as error:
            if "out-of-date database schema" not in str(error):
                raise
            raise BenchError(
                f"{results.mlflow_uri} was written by another MLflow version: install the one that constraints.txt "
                "names, or make the store again from the files: `lstm-bench sync --rebuild`"
            ) from error
        with contextlib.closing(sqlite3.connect(results.mlflow_db)) as store:
            store.execute("PRAGMA journal_mode=WAL")  # several studies may write: with it they wait for less
    return client
