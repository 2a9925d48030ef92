"""MLflow as a view of the files. The only importer of mlflow.

One experiment a task, a parent run a study, a child run for each of its runs. Timestamps come from the files.
"""

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from filelock import FileLock

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before mlflow is imported

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from lstm_bench.errors import BenchError
from lstm_bench.record.disk import file_name
from lstm_bench.record.files import Results
from lstm_bench.record.shipper import Entry
from lstm_bench.result import Reading, RunResult, Status

logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # making a store is no news to a person
logging.getLogger("alembic").setLevel(logging.WARNING)

SEND_EVERY = 2.0  # seconds between two sendings: a call costs 5 to 15 ms of a worker's core
RUN_KEY = "lstm_bench.run_key"  # one MLflow run for each
# The UI opens in another view; this is the way to the runs and their charts.
CHARTS = "/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART"
COMPARE = "/#/compare-runs?runs=[{runs}]&experiments=[{experiments}]"
RUNNING = "RUNNING"
MOST = 1000  # metrics in a call


@dataclass(slots=True)
class _Open:
    """A run that is going on, as MLflow knows it."""

    id: str  # MLflow's
    sent_to: int  # the step up to which MLflow has its readings
    unsent: list[Metric] = field(default_factory=list)  # one call for many takes as long as for one
    params: list[Param] = field(default_factory=list)  # likewise
    sent: float = field(default_factory=time.monotonic)  # when something was last sent
    last: Reading | None = None


class Tracker:
    """Writes one task's runs, and at most one study, to MLflow. Opens the store, which takes 1 s when it is new.

    Args:
        results: the folder whose store it is.
        task: names the experiment.

    Raises:
        BenchError: the store is another MLflow version's.
    """

    def __init__(self, results: Results, task: str) -> None:
        self._results = results
        self._open: dict[str, _Open] = {}  # by key
        self._known: dict[str, str] = {}  # MLflow's ids of the study's runs, and of those that were opened, by key
        self._parent: _Open | None = None
        with opened(results) as self._client:
            self.experiment = self._experiment(task)
            self._close_abandoned()

    def _close_abandoned(self) -> None:
        """Close the single runs whose driver was killed: nobody takes these up again."""
        running = "attributes.status = 'RUNNING' AND tags.kind = 'run'"
        for run in self._client.search_runs([self.experiment], running, max_results=1000):
            if "study" not in run.data.tags and not self._results.run(run.data.tags["run"]).is_alive:
                self._client.set_terminated(run.info.run_id, run_status(Status.KILLED))

    def _experiment(self, task: str) -> str:
        known = self._client.get_experiment_by_name(task)
        if known:
            return str(known.experiment_id)
        place = (self._results.artifacts / file_name(task)).resolve().as_uri()
        return str(self._client.create_experiment(task, artifact_location=place))

    def begin_study(self, name: str, tags: Mapping[str, str]) -> set[str]:
        """Open the study's parent run: the one that it has, or a new one.

        What an earlier start left running there is closed as killed, until its run is taken up again.

        Returns:
            The keys of the runs that MLflow has closed by an end of their own; the killed ones may have gone on.
        """
        parent = study_run(self._client, self.experiment, name)
        if parent:
            self._client.update_run(parent, status=RUNNING)
        else:
            tags = {RUN_KEY: study_key(name), "study": name, "kind": "study", **tags}
            parent = self._client.create_run(self.experiment, run_name=name, tags=tags).info.run_id
        self._parent = _Open(parent, sent_to=0)
        closed = set()
        for run in self._runs_of(name):
            key = run.data.tags[RUN_KEY]
            self._known[key] = run.info.run_id
            if run.info.status == RUNNING:
                self._client.set_terminated(run.info.run_id, run_status(Status.KILLED))
            elif run.data.tags.get("status", Status.KILLED) != Status.KILLED:
                closed.add(key)
        return closed

    def _runs_of(self, study: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment],
                f"tags.study = '{study}' AND tags.kind != 'study'",
                max_results=1000,
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def started(self, entry: Entry) -> None:
        """Open a run: the one that MLflow has of it, or a new one."""
        params = [Param(path, str(value)) for path, value in entry.values.items()]
        known = self._known.get(entry.key)
        if known:
            self._client.update_run(known, status=RUNNING)
            self._open[entry.key] = _Open(known, self._sent_to(known), params=params)
            return
        parent = self._known[entry.parent] if entry.parent else self._parent and self._parent.id
        tags = {RUN_KEY: entry.key, **entry.tags, **({"mlflow.parentRunId": parent} if parent else {})}
        run = self._client.create_run(self.experiment, run_name=entry.name, tags=tags)
        self._known[entry.key] = run.info.run_id
        self._open[entry.key] = _Open(run.info.run_id, sent_to=0, params=params)

    def _sent_to(self, run: str) -> int:
        """The step of the last reading that MLflow has: what comes up to there again is not sent twice."""
        history = self._client.get_metric_history(run, "train/loss")
        return max((metric.step for metric in history), default=0)

    def heard(self, key: str, reading: Reading) -> None:
        """Send a reading's metrics, at its step and time: now, or with the next ones."""
        run = self._open[key]
        run.last = reading
        if reading.step > run.sent_to:
            run.unsent += [Metric(k, v, reading.time_ms, reading.step) for k, v in reading.metrics.items()]
        if time.monotonic() - run.sent >= SEND_EVERY:
            self._send(run)

    def ended(self, key: str, result: RunResult) -> None:
        """Send how a run ended, at its last reading's step and time, and close it under the status that is true."""
        run = self._open.pop(key)
        metrics = {**result.metrics, **{f"floor/{name}": score for name, score in result.floors.items()}}
        step, time_ms = (run.last.step, run.last.time_ms) if run.last else (0, 0)
        run.unsent += [Metric(k, v, time_ms, step) for k, v in metrics.items()]
        self._send(run, {"status": result.status.value} | ({"reason": result.reason} if result.reason else {}))
        self._client.set_terminated(run.id, run_status(result.status))

    def best_so_far(self, trials: int, metrics: Mapping[str, float]) -> None:
        """A point of the study's own curves: its step is the number of trials done. Sent now, or with the next."""
        if self._parent:
            now = time.time_ns() // 10**6
            self._parent.unsent += [Metric(name, value, now, trials) for name, value in metrics.items()]
            if time.monotonic() - self._parent.sent >= SEND_EVERY:
                self._send(self._parent)

    def end_study(self, status: str, note: str, metrics: Mapping[str, float]) -> None:
        """Close the parent run, with the answer as its metrics and its description."""
        if self._parent:
            now = time.time_ns() // 10**6
            self._parent.unsent += [Metric(name, value, now, 0) for name, value in metrics.items()]
            self._send(self._parent, {"mlflow.note.content": note})
            self._client.set_terminated(self._parent.id, status)

    def _send(self, run: _Open, tags: Mapping[str, str] | None = None) -> None:
        for at in range(MOST, len(run.unsent), MOST):
            self._client.log_batch(run.id, metrics=run.unsent[at : at + MOST])
        self._client.log_batch(
            run.id,
            metrics=run.unsent[:MOST],
            params=run.params,
            tags=[RunTag(name, value) for name, value in (tags or {}).items()],
        )
        run.unsent, run.params, run.sent = [], [], time.monotonic()


def study_key(name: str) -> str:
    """The run key of a study's parent run."""
    return f"study/{name}"


def study_run(client: MlflowClient, experiment: str, name: str) -> str | None:
    """MLflow's id of a study's parent run, or None where there is none yet."""
    found = client.search_runs([experiment], f"tags.`{RUN_KEY}` = '{study_key(name)}'", max_results=1)
    return str(found[0].info.run_id) if found else None


def compare_path(results: Results, studies: Mapping[str, str]) -> str:
    """The path of the UI that sets studies' parent runs side by side.

    Args:
        results: the folder whose store it is.
        studies: task by study name.
    """
    runs, experiments = [], []
    with opened(results) as client:
        for study, task in studies.items():
            experiment = client.get_experiment_by_name(task)
            run = study_run(client, experiment.experiment_id, study) if experiment else None
            runs += [f'"{run}"'] if run else []
            experiments += [f'"{experiment.experiment_id}"'] if experiment else []
    return COMPARE.format(runs=",".join(runs), experiments=",".join(dict.fromkeys(experiments)))


@contextlib.contextmanager
def opened(results: Results) -> Iterator[MlflowClient]:
    """A client of the results' store. Made under a lock: two makers of one new store would break it.

    Raises:
        BenchError: the store is another MLflow version's.
    """
    results.root.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(results.root / "mlflow.lock"):
            client = MlflowClient(results.mlflow_uri)
            client.search_experiments(max_results=1)  # makes the store
        yield client
    except MlflowException as error:
        if "out-of-date database schema" not in str(error):
            raise
        raise BenchError(
            f"{results.mlflow_uri} was written by another MLflow version: "
            "install the one that constraints.txt names, or move the file away and run again"
        ) from error


def run_status(status: Status) -> str:
    """What MLflow calls a status: FINISHED only what did all it was asked to."""
    if status.complete:
        name = RunStatus.FINISHED
    else:
        name = RunStatus.KILLED if status in (Status.PRUNED, Status.KILLED) else RunStatus.FAILED
    return str(RunStatus.to_string(name))
