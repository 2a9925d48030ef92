import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lstm_bench import compare, load_results
from lstm_bench.analysis.frames import CORE, FACTS
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.study import Purpose, RunLine
from lstm_bench.report.table import setting
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

MACHINE = {"cpu": "EPYC", "cores": 2, "versions": {"torch": "2.13.0"}, "commit": "584f854"}
REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "quick.json"


def reading(step: int, **metrics: float) -> Reading:
    named = {name.replace("_", "/", 1): value for name, value in metrics.items()}
    return Reading(step, 2 * step, 4 * step, step / 8, 1_700_000_000_000 + step, named)


def add_run(results: Results, name: str, *, score: float | None = 0.9, **values: Any) -> None:
    """A run of a task that is not installed here; without a score, one that goes on."""
    spec = RunSpec(task="nowhere:Task", options={"length": 10}).with_values(values)
    files = results.run(name)
    files.begin(spec, MACHINE, {"data": "toy-1"})
    files.log(reading(10, train_loss=0.5, valid_accuracy=0.7))
    files.log(reading(20, train_loss=0.25, valid_accuracy=0.9))
    if score is not None:
        figures = {"best/step": 20.0, "best/accuracy": score, "memory/peak_rss_mib": 99.5}
        files.end(RunResult(Status.FINISHED, figures, floors={"majority": 0.1}))


def add_line(
    results: Results,
    study: str,
    run: str,
    number: int,
    seed: int,
    status: Status | None = Status.FINISHED,
    *,
    purpose: Purpose = "search",
    trial_status: Status | None = None,
    reused: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> None:
    files = results.study(study)
    if not files.exists:
        files.begin('task = "nowhere:Task"\n')
    score = 0.9 if status else None
    line = RunLine(
        run=run, purpose=purpose, number=number, seed=seed, settings=settings or {}, status=status,
        trial_status=trial_status, score=score, objective=score, reused=reused,
    )  # fmt: skip
    files.add(line)


@pytest.fixture
def two_studies(results: Results) -> Results:
    """`first` has a trial of two seeds, a run that goes on, and a confirming run; `again` knew its first run."""
    for name, seed, score in (("a", 0, 0.9), ("b", 1, 0.8), ("c", 0, None), ("d", 1000, 0.7), ("alone", 7, 0.6)):
        add_run(results, name, seed=seed, score=score)
    add_line(results, "first", "a", 0, 0)
    add_line(results, "first", "b", 0, 1, trial_status=Status.FINISHED)
    add_line(results, "first", "c", 1, 0, None)
    add_line(results, "first", "d", 0, 1000, purpose="confirm")
    add_line(results, "again", "a", 0, 0, trial_status=Status.FINISHED, reused=True)
    return results


def test_each_run_has_a_row_in_each_of_its_studies_and_a_single_run_has_one(two_studies: Results) -> None:
    runs = load_results(two_studies.root).runs
    assert runs["run"].tolist() == ["a", "a", "b", "c", "d", "alone"]
    assert runs["study"].astype(object).where(runs["study"].notna(), None).tolist() == [
        "again", "first", "first", "first", "first", None,
    ]  # fmt: skip
    assert runs["reused"].tolist() == [True, False, False, False, False, False]
    assert runs["seed"].tolist() == [0, 0, 1, 0, 1000, 7]
    assert runs["task"].tolist() == ["nowhere:Task"] * 6
    assert runs["purpose"].tolist()[:5] == ["search"] * 4 + ["confirm"]


def test_what_is_not_known_is_missing_and_the_trials_end_is_told_of_each_of_its_runs(two_studies: Results) -> None:
    runs = load_results(two_studies.root).runs.set_index("run")
    assert runs.loc["b", "trial_status"] == "finished"
    assert runs[runs["study"] == "first"].loc["a", "trial_status"] == "finished"  # though b's line alone says it
    assert runs.loc[["c", "d", "alone"], "trial_status"].isna().all()
    assert runs.loc["c", ["status", "score", "objective", "best/accuracy"]].isna().all()
    assert runs.loc["alone", ["study", "purpose", "trial", "objective"]].isna().all()
    assert runs.loc["alone", "status"] == "finished"
    assert runs.loc["alone", "score"] == 0.6  # by the run's own file: no study says it


def test_spec_figures_floors_and_machine_stand_beside_each_run(two_studies: Results) -> None:
    row = load_results(two_studies.root).runs.set_index("run").loc["alone"]
    assert (row["options.length"], row["model.cell"], row["train.lr"], row["device"]) == (10, "lstm", 3e-3, "cpu")
    assert (row["best/accuracy"], row["memory/peak_rss_mib"], row["floor/majority"]) == (0.6, 99.5, 0.1)
    assert (row["cpu"], row["cores"], row["torch"], row["commit"]) == ("EPYC", 2, "2.13.0", "584f854")
    assert row["host"] == two_studies.run("alone").machine["host"]
    assert row["fingerprint"] == two_studies.run("alone").machine["fingerprint"]


def test_a_reading_is_one_row_though_two_studies_have_its_run(two_studies: Results) -> None:
    readings = load_results(two_studies.root).readings
    assert readings.columns.tolist() == [
        "run", "step", "sequences", "timesteps", "seconds", "time", "train/loss", "valid/accuracy",
    ]  # fmt: skip
    assert readings["run"].tolist() == [run for run in ("a", "alone", "b", "c", "d") for _ in range(2)]
    assert readings.iloc[1].tolist() == [
        "a", 20, 40, 80, 2.5, pd.Timestamp(1_700_000_000_020, unit="ms", tz="UTC"), 0.25, 0.9,
    ]  # fmt: skip


def test_runs_and_readings_meet_by_the_run(two_studies: Results) -> None:
    runs, readings = load_results(two_studies.root)
    whole = readings.merge(runs[runs["study"] == "first"], on="run")
    assert whole["run"].unique().tolist() == ["a", "b", "c", "d"]


def test_numbers_stay_numbers_where_some_are_missing(two_studies: Results) -> None:
    (two_studies.run("b").path / "spec.toml").unlink()
    runs, readings = load_results(two_studies.root)
    kinds = {name: str(kind) for name, kind in runs.dtypes.items()}
    assert {name: kinds[name] for name in CORE} == CORE
    assert {name: kinds[name] for name in FACTS} == FACTS
    assert kinds["options.length"] == kinds["train.steps"] == "Int64"
    assert kinds["train.lr"] == kinds["best/accuracy"] == kinds["floor/majority"] == "float64"
    assert kinds["model.cell"] == "str"
    assert [str(kind) for kind in readings.dtypes[:5]] == ["str", "int64", "int64", "int64", "float64"]
    assert isinstance(readings["time"].dtype, pd.DatetimeTZDtype)


@pytest.mark.parametrize(
    ("values", "kind"),
    [((1, 2), "Int64"), ((1, 2.5), "float64"), ((True, False), "boolean"), (("a", "b"), "str"), ((1, "b"), "object")],
)
def test_an_option_has_the_narrowest_dtype_that_holds_it(values: tuple[Any, Any], kind: str, results: Results) -> None:
    for name, value in zip("ab", values, strict=True):
        add_run(results, name, **{"options.own": value})
    add_run(results, "c")  # an older version of the task, which has no such option
    column = load_results(results.root).runs["options.own"]
    assert column.dtype == kind
    assert column.tolist()[:2] == list(values)
    assert column.isna().tolist() == [False, False, True]


def test_columns_stand_in_an_order_that_does_not_depend_on_what_came_first(two_studies: Results) -> None:
    before = load_results(two_studies.root).runs
    os.utime(two_studies.study("first").path / "study.toml", (1, 1))  # a copy may have other times
    after = load_results(two_studies.root).runs
    pd.testing.assert_frame_equal(before, after)
    names = before.columns.tolist()
    assert names[: len(CORE)] == list(CORE)
    assert names[-len(FACTS) :] == list(FACTS)
    between = names[len(CORE) : -len(FACTS)]
    figures = ["best/accuracy", "best/step", "memory/peak_rss_mib", "floor/majority"]
    assert between == sorted(set(between) - set(figures)) + figures
    assert {"task", "seed"}.isdisjoint(between)


def test_an_empty_folder_gives_empty_frames_with_the_columns_that_are_always_there(results: Results) -> None:
    runs, readings = load_results(results.root)
    assert runs.columns.tolist() == [*CORE, *FACTS]
    assert readings.columns.tolist() == ["run", "step", "sequences", "timesteps", "seconds", "time"]
    assert (len(runs), len(readings)) == (0, 0)
    assert readings["time"].dt.tz is not None


def test_what_is_no_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, found in (("reslts", "nothing there"), ("file", "a file")):
        with pytest.raises(UsageError, match=found) as refused:
            load_results(tmp_path / name)
        assert name in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("torn", ["spec.toml", "machine.json", "result.json", "readings.jsonl"])
@pytest.mark.parametrize("kept", [0, 1, 25])
def test_a_copy_in_which_a_file_is_torn_has_the_rest(torn: str, kept: int, two_studies: Results) -> None:
    path = two_studies.run("a").path / torn
    path.write_bytes(path.read_bytes()[:kept] + b"\xc3")  # half a letter
    runs, readings = load_results(two_studies.root)
    assert runs["run"].tolist() == ["a", "a", "b", "c", "d", "alone"]
    row = runs.iloc[0]
    assert (row["study"], row["status"], row["score"], row["seed"]) == ("again", "finished", 0.9, 0)
    assert pd.isna(row["options.length"]) == (torn == "spec.toml")
    assert pd.isna(row["cpu"]) == (torn == "machine.json")
    assert pd.isna(row["best/accuracy"]) == (torn == "result.json")
    assert len(readings) == (8 if torn == "readings.jsonl" else 10)


def test_a_run_whose_folder_was_not_copied_has_what_its_study_says(results: Results) -> None:
    add_line(results, "first", "gone", 4, 0, settings={"train.lr": 0.02})
    runs, readings = load_results(results.root)
    row = runs.iloc[0]
    assert (row["run"], row["task"], row["trial"], row["train.lr"]) == ("gone", "nowhere:Task", 4, 0.02)
    assert len(readings) == 0


def test_a_study_whose_question_is_torn_keeps_its_runs(two_studies: Results) -> None:
    (two_studies.study("first").path / "study.toml").write_text('task = "nowh')
    runs = load_results(two_studies.root).runs
    assert runs["task"].tolist() == ["nowhere:Task"] * 6


@pytest.fixture
def reference(results: Results) -> Results:
    """The committed answers of suite `quick`, as studies: boards of the first schema."""
    for board in json.loads(REFERENCE.read_text())["boards"]:
        files = results.study(board["study"])
        files.begin(f'task = "{board["task"]}"\n')
        files.write_board(board)
    return results


def test_studies_are_compared_by_what_their_boards_say(reference: Results) -> None:
    frame = compare("quick-digits", "quick-adding", results=reference.root)
    assert frame["study"].tolist() == ["quick-digits", "quick-adding"]
    assert frame["task"].tolist() == ["digits", "adding"]
    assert frame["metric"].tolist() == ["accuracy", "mse"]
    assert str(frame["parameters"].dtype) == "Int64"
    for (_, row), name in zip(frame.iterrows(), frame["study"], strict=True):
        board = reference.study(name).board
        assert board
        confirmed = board["confirmed"]
        assert row["settings"] == setting(board["best"]["settings"])
        assert row["search_score"] == board["best"]["score"]
        assert row[["test", "low", "high", "n"]].tolist() == list(confirmed["score"].values())
        assert row["hits"] == len(confirmed["seeds"])
        for figure in ("train_seconds", "timesteps_per_second", "parameters"):
            assert row[figure] == confirmed[figure]
        for figure, value in confirmed["memory"].items():
            assert row[figure] == value
        floors = row.filter(like="floor/").dropna().to_dict()
        assert floors == {f"floor/{name}": floor["score"] for name, floor in confirmed["floors"].items()}


def test_a_study_that_is_not_confirmed_is_compared_by_what_it_has(reference: Results) -> None:
    files = reference.study("quick-digits")
    board = files.board
    assert board
    files.write_board(board | {"confirmed": None, "goal": board["goal"] | {"target": None}})
    frame = compare("quick-digits", "quick-adding", results=reference.root)
    assert frame.loc[0, ["test", "low", "high", "n", "hits", "parameters"]].isna().all()
    assert frame.loc[0, "search_score"] == board["best"]["score"]
    files.write_board(board | {"confirmed": None, "best": None})
    frame = compare("quick-digits", "quick-adding", results=reference.root)
    assert frame.loc[0, ["settings", "search_score"]].isna().all()


def test_a_target_that_some_seeds_missed_is_counted_by_those_that_reached_it(reference: Results) -> None:
    files = reference.study("quick-digits")
    board = files.board
    assert board
    board["confirmed"]["target_seconds"] = [0.7, None, 0.8]
    files.write_board(board)
    assert compare("quick-digits", results=reference.root).loc[0, "hits"] == 2


def test_a_study_that_cannot_be_compared_is_named_in_one_line(reference: Results) -> None:
    reference.study("young").begin('task = "digits"\n')
    for names, words in (
        (("quick-digts",), ["'quick-digts'", "Did you mean 'quick-digits'"]),
        (("quick-digits", "young"), ["'young'", "no answer yet"]),
        ((), ["names of studies"]),
    ):
        with pytest.raises(UsageError) as refused:
            compare(*names, results=reference.root)
        assert all(word in str(refused.value) for word in words)
        assert "\n" not in str(refused.value)
