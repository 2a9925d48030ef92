"""What an MLflow store must show of a study: what its files say, once, and nothing else."""

from collections import Counter
from itertools import groupby

from mlflow import MlflowClient
from mlflow.entities import Run

from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine
from lstm_bench.result import Status

KEY = "lstm_bench.run_key"
ENDS = {Status.FINISHED: "FINISHED", Status.SOLVED: "FINISHED", Status.PRUNED: "KILLED", Status.KILLED: "KILLED"}
Figures = dict[str, list[tuple[int, int, float]]]  # step, milliseconds, value; by name


def runs_of(client: MlflowClient, results: Results, study: str) -> list[Run]:
    """A study's active runs: this folder's, whoever has another one of that name."""
    asked = results.study(study).asked
    experiment = client.get_experiment_by_name(asked["task"])
    assert experiment, "the experiment is there"
    found = client.search_runs([experiment.experiment_id], f"tags.study = '{study}'", max_results=1000)
    return [run for run in found if asked["id"] in run.data.tags[KEY]]


def assert_agrees(client: MlflowClient, results: Results, study: str, ended: str = "FINISHED") -> None:
    """A study without groups of seeds stands in a store as in its files. `ended` is how its own run has."""
    runs, lines = runs_of(client, results, study), results.study(study).lines
    assert {key: count for key, count in Counter(run.data.tags[KEY] for run in runs).items() if count > 1} == {}
    own = [run for run in runs if run.data.tags["kind"] == "study"]
    assert [run.info.status for run in own] == [ended]
    children = {run.data.tags["run"]: run for run in runs if run.data.tags["kind"] == "run"}
    assert set(children) == {line.run for line in lines}
    assert len(runs) == 1 + len(lines)
    for line in lines:
        _assert_run_agrees(client, results, line, children[line.run], own[0].info.run_id)
    for history in figures(client, own[0]).values():
        assert [step for step, _, _ in history] == sorted({step for step, _, _ in history}), "each step once"


def _assert_run_agrees(client: MlflowClient, results: Results, line: RunLine, run: Run, parent: str) -> None:
    files = results.run(line.run)
    result, readings = files.result, files.readings
    assert result
    assert run.info.status == ENDS.get(result.status, "FAILED"), line
    assert run.data.tags["mlflow.parentRunId"] == parent
    assert run.data.tags["status"] == result.status.value
    assert run.data.params == {path: str(value) for path, value in files.spec.flat().items()}
    once = result.metrics | {f"floor/{name}": floor for name, floor in result.floors.items()}
    last = readings[-1]
    points = {(name, r.step, r.time_ms, value) for r in readings for name, value in r.metrics.items()}
    points |= {(name, last.step, last.time_ms, value) for name, value in once.items()}  # some are the last reading's
    expected = {name: [point[1:] for point in some] for name, some in groupby(sorted(points), lambda point: point[0])}
    found = figures(client, run)
    assert found.keys() == expected.keys(), line
    assert {name: found[name] for name in found if found[name] != expected[name]} == {}, line


def figures(client: MlflowClient, run: Run) -> Figures:
    """Every point of every metric that a run has, in the order of steps."""
    return {
        name: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def artifacts(client: MlflowClient, run: Run, folder: str | None = None) -> set[str]:
    """The paths of the files that are kept beside a run."""
    found = client.list_artifacts(run.info.run_id, folder)
    inside = (artifacts(client, run, entry.path) for entry in found if entry.is_dir)
    return {entry.path for entry in found if not entry.is_dir}.union(*inside)
