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
from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import MlflowException

from lstm_bench.errors import BenchError
from lstm_bench.record.files import Results, file_name
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)  # making a store is no news to a person
logging.getLogger("alembic").setLevel(logging.WARNING)

SEND_EVERY = 2.0  # seconds between two sendings of a run's metrics: a call costs the driver 10 ms of a worker's core
RUN_KEY = "lstm_bench.run_key"  # one MLflow run for each
# The UI opens in another view; this is the way to the runs and their charts.
CHARTS = "/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART"
COMPARE = "/#/compare-runs?runs=[{runs}]&experiments=[{experiments}]"


@dataclass(slots=True)
class _Open:
    """A run that is going on, as MLflow knows it."""

    id: str  # MLflow's
    unsent: list[Metric] = field(default_factory=list)  # one call for many takes as long as for one
    sent: float = field(default_factory=time.monotonic)  # when metrics were last sent


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
        self._open: dict[str, _Open] = {}  # by our run id
        self._parent: str | None = None
        with opened(results) as self._client:
            self.experiment = self._experiment(task)

    def _experiment(self, task: str) -> str:
        known = self._client.get_experiment_by_name(task)
        if known:
            return str(known.experiment_id)
        place = (self._results.artifacts / file_name(task)).resolve().as_uri()
        return str(self._client.create_experiment(task, artifact_location=place))

    def begin_study(self, name: str, tags: Mapping[str, str]) -> None:
        """Open the study's parent run: the one that it has, or a new one."""
        self._parent = study_run(self._client, self.experiment, name)
        if self._parent:
            self._client.update_run(self._parent, status="RUNNING")
        else:
            tags = {RUN_KEY: study_key(name), "study": name, "kind": "study", **tags}
            self._parent = self._client.create_run(self.experiment, run_name=name, tags=tags).info.run_id

    def started(self, run_id: str, spec: RunSpec, name: str, tags: Mapping[str, str]) -> None:
        """Open a run: its parameters are the spec's values, by the paths that `--set` takes."""
        parent = {"mlflow.parentRunId": self._parent} if self._parent else {}
        run = self._client.create_run(
            self.experiment,
            run_name=name,
            tags={RUN_KEY: run_id, "kind": "run", "run": run_id, "task": spec.task, **parent, **tags},
        )
        self._open[run_id] = _Open(run.info.run_id)
        params = [Param(path, str(value)) for path, value in spec.flat().items()]
        self._client.log_batch(run.info.run_id, params=params)

    def heard(self, run_id: str, reading: Reading) -> None:
        """Send a reading's metrics, at its step and time: now, or with the next ones."""
        run = self._open[run_id]
        run.unsent += [Metric(k, v, reading.time_ms, reading.step) for k, v in reading.metrics.items()]
        if time.monotonic() - run.sent >= SEND_EVERY:
            self._client.log_batch(run.id, metrics=run.unsent)
            self._open[run_id] = _Open(run.id)

    def ended(self, run_id: str, result: RunResult, at: Reading | None) -> None:
        """Send how a run ended, and close it under the status that is true of it.

        Args:
            run_id: ours.
            result: its figures become metrics at the last reading's step and time.
            at: the last reading, or None.
        """
        metrics = {**result.metrics, **{f"floor/{name}": score for name, score in result.floors.items()}}
        step, time_ms = (at.step, at.time_ms) if at else (0, 0)
        tags = {"status": result.status.value} | ({"reason": result.reason} if result.reason else {})
        run = self._open.pop(run_id)
        self._client.log_batch(
            run.id,
            metrics=run.unsent + [Metric(k, v, time_ms, step) for k, v in metrics.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._client.set_terminated(run.id, run_status(result.status))

    def best_so_far(self, trials: int, metrics: Mapping[str, float]) -> None:
        """A point of the study's own curves: its step is the number of trials done."""
        if self._parent:
            now = time.time_ns() // 10**6
            points = [Metric(name, value, now, trials) for name, value in metrics.items()]
            self._client.log_batch(self._parent, metrics=points)

    def end_study(self, status: str, note: str, metrics: Mapping[str, float]) -> None:
        """Close the parent run, with the answer as its metrics and its description."""
        if self._parent:
            for name, value in metrics.items():
                self._client.log_metric(self._parent, name, value)
            self._client.set_tag(self._parent, "mlflow.note.content", note)
            self._client.set_terminated(self._parent, status)


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
