"""What MLflow is to show, from files alone: old ones, foreign ones, and those of names that nobody would choose."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made import make_study

from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles
from lstm_bench.result import Status
from lstm_bench.spec import RunSpec
from lstm_bench.tracking.page import answer, best_confirmed, study_end
from lstm_bench.tracking.shown import of_task, run_end, short, single_run, speaking_name
from lstm_bench.tracking.view import StudyView, study_key

FINISHED, PRUNED, CRASHED, KILLED = Status.FINISHED, Status.PRUNED, Status.CRASHED, Status.KILLED


def small(results: Results, name: str = "toys", **asked: Any) -> StudyFiles:
    return make_study(results, name, **{"trials": 3, "readings": 2, "metrics": 5, "ends": [FINISHED], **asked})


def look(results: Results, files: StudyFiles) -> StudyView:
    view = StudyView(results, files)
    view.look()
    return view


def rewrite(path: Path, **values: Any) -> None:
    """Change a JSON file; what becomes None is left out."""
    found = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


def make_old(files: StudyFiles, results: Results) -> None:
    """As the first schema had it: no id, goal, facts, family or seeds; no machine of the study; one run a trial."""
    study = files.path / "study.toml"
    kept = re.sub(r"(?m)^(id|family|seeds|confirm_top) = .*\n", "", study.read_text())
    kept = re.sub(r"\[(goal|facts)\]\n(?:[^\[\n].*\n)*", "", kept)
    study.write_text(kept)
    (files.path / "machine.json").unlink()
    lines = [json.loads(line) for line in (files.path / "trials.jsonl").read_text().splitlines()]
    new = {"trial_status", "measures", "reused", "clock"}
    old = [{key: value for key, value in line.items() if key not in new} for line in lines]
    (files.path / "trials.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    board = json.loads((files.path / "board.json").read_text())
    for key in ("contenders", "front", "advice", "reused", "ended"):
        board.pop(key, None)
    best = board["best"]
    board["best"] = {key: best[key] for key in ("trial", "settings", "score")} | {"run": best["runs"][0], "seed": 0}
    (files.path / "board.json").write_text(json.dumps(board))
    for line in files.lines:
        rewrite(results.run(line.run).path / "machine.json", facts=None, begun_ms=None)


def test_an_old_folder_is_shown_as_far_as_it_says(results: Results) -> None:
    files = small(results, confirm_seeds=1)
    make_old(files, results)
    view = look(results, files)
    assert view.place == "toys"  # as it stands in the stores of that time
    assert study_key(view) == "study/toys"
    shown = view.shown()
    assert shown.data is None
    assert shown.params["train.steps"] == 20
    assert "study.seeds" not in shown.params
    line = next(iter(view.register.lines.values()))
    run = view.shown_run(line, results.run(line.run))
    assert run.key == "toys/search/0/0"
    assert run.parent == "study/toys"
    assert run.data is None
    end = study_end(view, files.ended)
    assert end.status is FINISHED
    assert "test/accuracy_mean" in end.metrics
    assert "**Best setting of toys:**" in end.tags["mlflow.note.content"]
    assert [point.step for point in view.curve] == [1, 2, 3]
    single = single_run(results.run(line.run))
    assert single.begun_ms is None


def test_an_old_study_s_killed_trial_was_not_done(results: Results) -> None:
    files = small(results, ends=[KILLED, FINISHED], trials=2)
    make_old(files, results)
    killed = files.lines[0]
    assert killed.trial_status is KILLED
    files.add(replace(killed, status=FINISHED, trial_status=FINISHED, objective=0.99, score=0.99))
    view = look(results, files)
    assert [(point.step, point.metrics["best/accuracy"] == 0.99) for point in view.curve] == [(1, False), (2, True)]


def test_a_single_run_says_itself_what_its_task_is_and_torch_is_not_imported_for_it(results: Results) -> None:
    files = results.run(small(results).lines[0].run)
    rewrite(files.path / "machine.json", task={"family": "rare", "source": "a mine"})
    watch = (
        "import sys; from pathlib import Path\n"
        "from lstm_bench.record.files import Results\n"
        "from lstm_bench.tracking.shown import single_run\n"
        "one = single_run(Results(Path(sys.argv[1])).run(sys.argv[2]))\n"
        "print(one.tags['family'], one.data.source, 'torch' in sys.modules)"
    )
    asked = [sys.executable, "-c", watch, str(results.root), files.id]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    assert said == "rare a mine False\n"


def test_a_study_of_a_task_that_is_not_installed_here_is_shown(results: Results) -> None:
    files = small(results, seeds=2, confirm_seeds=1)
    for path in [files.path / "study.toml", *results.runs.glob("*/spec.toml")]:
        path.write_text(path.read_text().replace("toy:Toy", "nowhere:Task"))
    view = look(results, files)
    assert of_task("nowhere:Task") == of_task("no-such-task") == {}
    shown = view.shown()
    assert shown.tags["task"] == "nowhere:Task"
    assert shown.tags["family"] == "synthetic"  # the study's own word
    assert shown.data
    assert shown.data.source == "task nowhere:Task"
    for line in view.register.lines.values():
        assert view.shown_run(line, results.run(line.run)).tags["task"] == "nowhere:Task"
    assert study_end(view, "finished").metrics


def test_keys_are_of_one_folder_s_study_alone(results: Results, tmp_path: Path) -> None:
    here, other = Results(tmp_path / "a"), Results(tmp_path / "b")
    one, two = small(here), small(other, seed=1)
    keys = [{view.key(line) for line in view.register.lines.values()} for view in (look(here, one), look(other, two))]
    assert not keys[0] & keys[1]
    shutil.copytree(here.root, results.root, dirs_exist_ok=True)
    assert study_key(look(results, results.study("toys"))) == study_key(look(here, one))  # a copy is the same study


def test_the_curve_is_the_best_so_far_by_the_trials_that_are_done(results: Results) -> None:
    files = small(results, trials=6, seeds=2, ends=[CRASHED, FINISHED, FINISHED, KILLED, PRUNED, FINISHED])
    view = look(results, files)
    scores: list[float] = []
    wanted = []
    for trial in [one for one in files.trials if one.done]:
        scores += [trial.objective] if trial.objective is not None else []
        wanted.append(max(scores, default=None))
    assert [point.step for point in view.curve] == [2, 3, 4, 5]
    assert [point.metrics["best/accuracy"] for point in view.curve] == wanted[1:]


def test_looking_again_takes_in_what_came_since(results: Results) -> None:
    files = small(results)
    whole = (files.path / "trials.jsonl").read_bytes()
    (files.path / "trials.jsonl").write_bytes(b"")
    view = StudyView(results, files)
    for at in range(len(whole)):
        if whole[at : at + 1] == b"\n" or at % 37 == 0:
            with (files.path / "trials.jsonl").open("ab") as file:
                file.write(whole[file.tell() : at])
            view.look()
    with (files.path / "trials.jsonl").open("ab") as file:
        file.write(whole[file.tell() :])
    view.look()
    fresh = look(results, files)
    assert view.register.lines == fresh.register.lines
    assert view.curve == fresh.curve
    assert view.state("finished") == fresh.state("finished")


def test_a_reused_run_does_not_end_before_it_begins(results: Results) -> None:
    files = small(results, trials=1)
    line = files.lines[0]
    files.add(replace(line, number=7, reused=True, time_ms=line.time_ms + 10**9))
    view = look(results, files)
    reused = view.register.lines["search", 7, 0]
    own = results.run(reused.run)
    begun, end = view.shown_run(reused, own).begun_ms, run_end(own, FINISHED, "search")
    assert begun is not None
    assert begun <= end.time_ms


def test_a_study_s_killed_run_has_no_figures_yet_and_a_single_one_has_all_it_will_ever_have(results: Results) -> None:
    files = small(results, ends=[KILLED], trials=1, seeds=2)
    line = files.lines[0]
    own = results.run(files.lines[-1].run)
    assert line.status in (KILLED, FINISHED)
    assert run_end(own, KILLED, "search").metrics == {}
    assert run_end(own, KILLED).metrics["best/accuracy"]
    assert run_end(own, KILLED).status is KILLED
    view = look(results, files)
    assert view.trial_end(view.register.trial(0), KILLED).metrics == {}


def test_files_are_kept_of_what_went_wrong_and_of_what_is_not_one_of_many(results: Results) -> None:
    files = small(results, ends=[FINISHED, CRASHED], trials=2)
    fine, crashed = (results.run(line.run) for line in files.lines)
    assert run_end(fine, FINISHED, "search").files == ()
    kept = run_end(crashed, CRASHED, "search").files
    assert [path.name for path in kept] == ["spec.toml", "machine.json", "result.json"]
    assert len(run_end(fine, FINISHED, "confirm").files) == 3
    assert len(run_end(fine, FINISHED).files) == 3
    assert run_end(crashed, CRASHED, "search").tags == {"status": "crashed", "reason": "RuntimeError: made to break"}


def test_a_run_without_a_result_ended_as_its_line_says(results: Results) -> None:
    files = small(results, trials=1)
    own = results.run(files.lines[0].run)
    (own.path / "result.json").unlink()
    end = run_end(own, CRASHED, "search")
    assert end.status is CRASHED
    assert end.metrics == {}
    assert end.tags == {"status": "crashed"}


def test_a_board_s_answer_is_figures_alone(results: Results) -> None:
    files = small(results, confirm_seeds=1)
    board = files.board
    assert board
    found = answer(board)
    assert found["test/accuracy_mean"] == board["confirmed"]["score"]["mean"]
    assert "test/accuracy_low" not in found  # one seed has no interval
    assert all(isinstance(value, float) for value in found.values())
    assert answer(board | {"confirmed": None}) == {}


def test_the_model_is_the_best_of_the_winner_s_runs_that_kept_their_weights(results: Results) -> None:
    files = small(results, confirm_seeds=3)
    board = files.board
    assert board
    view, runs = look(results, files), board["confirmed"]["runs"]
    assert best_confirmed(view) is None
    by_score: Mapping[str, float] = {run: results.run(run).result.metrics["best/accuracy"] for run in runs}  # type: ignore[union-attr]
    worst, middle, best = sorted(runs, key=lambda run: by_score[run])
    for run, expected in ((worst, worst), (middle, middle), (best, best)):
        results.run(run).weights.touch()
        chosen = best_confirmed(view)
        assert chosen
        assert chosen.id == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0031, "3.1e-3"),
        (0.03, "0.03"),
        (0.25, "0.25"),
        (0.0, "0"),
        (1e-5, "1e-5"),
        (12345.0, "1.2e4"),
        (-1e-3, "-1e-3"),
    ],
)
def test_a_number_is_said_to_two_digits(value: float, said: str) -> None:
    assert short(value) == said


def test_a_run_is_called_what_a_person_would_call_it() -> None:
    spec = RunSpec(task="toy:Toy").with_values({"train.lr": 0.0031, "model.hidden": 64})
    assert speaking_name(spec) == "lstm h64 lr 3.1e-3"
    two = spec.with_values({"model.layers": 2})
    assert speaking_name(two, {"train.lr": 0.0031, "train.clip": 0.123456}).startswith("lstm h64x2 lr 3.1e-3 clip 0.12")


def test_a_confirming_run_s_name_begins_with_its_seed_since_the_page_cuts_it_off(results: Results) -> None:
    files = small(results, trials=1, confirm_seeds=2)
    view = look(results, files)
    fresh = [line for line in view.register.lines.values() if line.purpose == "confirm"]
    names = [view.shown_run(line, results.run(line.run)).name for line in fresh]
    assert [name.split(" lstm ")[0] for name in names] == [f"seed {line.seed} confirms" for line in fresh]


def test_studies_have_colours_of_their_own(results: Results) -> None:
    tags = [look(results, small(results, name)).shown().tags["mlflow.runColor"] for name in ("one", "two", "three")]
    assert len(set(tags)) == 3
    assert all(re.fullmatch("#[0-9a-f]{6}", tag) for tag in tags)
