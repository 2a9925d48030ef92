"""What a study can be asked, by the real command."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from shell import call

from lstm_bench.record.files import Results
from lstm_bench.result import Status


def search(folder: Path, *arguments: str, task: str = "toy:Toy"):
    return call(folder, "search", task, "--workers", "2", *arguments)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the tests of this file put their studies, each under its own name."""
    return tmp_path_factory.mktemp("studies")


def test_seeds_are_runs_grouped_under_their_trial(folder: Path) -> None:
    done = search(folder, "--trials", "3", "--seeds", "2", "--name", "seeds")
    assert done.returncode == 0, done.stderr
    results = Results(folder / "results")
    trials = results.study("seeds").searched
    assert [[line.seed for line in trial.runs] for trial in trials] == [[0, 1]] * 3
    client = MlflowClient(results.mlflow_uri)
    experiment = client.get_experiment_by_name("toy:Toy")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], "tags.study = 'seeds'")
    groups = {run.info.run_id: run for run in runs if run.data.tags["kind"] == "trial"}
    assert len(groups) == 3
    searching = [run for run in runs if run.data.tags.get("purpose") == "search" and run.data.tags["kind"] == "run"]
    assert sorted(run.data.tags["mlflow.parentRunId"] for run in searching) == sorted([*groups, *groups])
    assert {run.data.params.get("seed") for run in groups.values()} == {None}
    assert all(run.info.status == "FINISHED" for run in runs)
    for run in groups.values():
        assert run.data.metrics["best/accuracy"] == pytest.approx(trials[int(run.data.tags["trial"])].score)


@pytest.mark.slow
def test_a_search_alone_touches_no_test_and_is_confirmed_later(folder: Path) -> None:
    done = search(folder, "--trials", "2", "--confirm-seeds", "0", "--name", "alone")
    assert done.returncode == 0, done.stderr
    assert "not confirmed" in done.stdout
    study = Results(folder / "results").study("alone")
    assert {line.purpose for line in study.lines} == {"search"}
    assert study.board is not None
    assert study.board["confirmed"] is None
    done = call(folder, "confirm", "alone")
    assert done.returncode == 0, done.stderr
    assert [line.purpose for line in study.lines].count("confirm") == 3


@pytest.mark.slow
def test_a_deterministic_study_is_the_same_again(folder: Path) -> None:
    found = []
    for name in ("one", "two"):
        done = search(folder, "--trials", "8", "--deterministic", "--name", name, "--confirm-seeds", "1")
        assert done.returncode == 0, done.stderr
        trials = Results(folder / "results").study(name).searched
        found.append([(t.number, dict(t.settings), t.status, t.objective, len(t.runs)) for t in trials])
    assert found[0] == found[1]


@pytest.mark.slow
def test_known_runs_are_reused_and_said_to_be_unless_forced(folder: Path) -> None:
    arguments = ["--trials", "2", "--sampler", "random", "--pruner", "none", "--set", "train.batch_size=8"]
    assert search(folder, *arguments, "--name", "known").returncode == 0
    again = search(folder, *arguments, "--name", "again")
    forced = search(folder, *arguments, "--name", "forced", "--force")
    results = Results(folder / "results")
    known = {line.run for trial in results.study("known").trials for line in trial.runs}
    assert {line.run for trial in results.study("again").trials for line in trial.runs} == known
    assert again.stdout.count("reused") >= 2
    assert known.isdisjoint(line.run for trial in results.study("forced").trials for line in trial.runs)
    assert "reused" not in forced.stdout


@pytest.mark.slow
def test_minutes_stop_a_study_after_one_evaluation_and_more_of_them_go_on(folder: Path) -> None:
    slow = ["--set", "options.fault=slow", "--set", "options.at=0", "--set", "train.steps=200", "--name", "minutes"]
    assert search(folder, "--minutes", "0.1", *slow).returncode == 4  # no trial was complete
    study = Results(folder / "results").study("minutes")
    killed = study.lines
    assert killed
    assert {line.status for line in killed} == {Status.KILLED}
    assert all(6 <= line.clock <= 6 + 3 for line in killed)  # an evaluation comes every half second, and is heard
    done = search(folder, "--minutes", "0.3", *slow)
    assert done.returncode == 0, done.stderr
    assert {line.run for line in killed} <= {line.run for line in study.lines}
    assert study.trials[0].status is Status.FINISHED


def test_a_hang_is_timed_out_with_the_place_where_it_hung(folder: Path) -> None:
    hang = ["--set", "options.fault=hang", "--trials", "1", "--run-timeout", "3", "--name", "hung"]
    done = search(folder, *hang)
    assert done.returncode == 4
    (line,) = Results(folder / "results").study("hung").lines
    result = Results(folder / "results").run(line.run).result
    assert result is not None
    assert result.status is Status.TIMED_OUT
    assert "no end after 3 s (--run-timeout)" in (result.reason or "")
    assert "_go_wrong" in (result.traceback or "")


def test_too_many_failures_in_a_row_stop_the_study(folder: Path) -> None:
    done = search(folder, "--trials", "20", "--max-failures", "2", "--set", "options.fault=raise", "--name", "bad")
    assert done.returncode == 4
    assert "3 trials in a row failed, the last one crashed (RuntimeError: the toy broke)" in done.stderr
    assert done.stderr.count("\n") == 1
    assert 3 <= len(Results(folder / "results").study("bad").searched) <= 4


def test_an_ablation_gives_each_value_an_equal_study_and_ends_in_a_comparison(folder: Path) -> None:
    done = search(folder, "--trials", "3", "--vary", "model.layers=1,2", "--match", "params", "--name", "layers",
                  "--set", "model.hidden=100")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Toy: layers-layers-2 against layers-layers-1" in done.stdout
    assert "both had the 3 seeds (test score" in done.stdout
    results = Results(folder / "results")
    one, two = (results.study(f"layers-layers-{n}") for n in (1, 2))
    assert [dict(t.settings) for t in one.trials] == [dict(t.settings) for t in two.trials]  # all drawn at the start
    assert one.board and two.board  # noqa: PT018
    sizes = [board["confirmed"]["parameters"] for board in (one.board, two.board)]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_several_objectives_have_a_front(folder: Path) -> None:
    done = search(folder, "--trials", "4", "--objective", "valid/accuracy", "--objective", "model/parameters",
                  "--top", "2", "--name", "front")  # fmt: skip
    assert done.returncode == 0, done.stderr
    board = Results(folder / "results").study("front").board
    assert board
    assert board["front"]
    assert all(set(point["values"]) == {"valid/accuracy", "model/parameters"} for point in board["front"])
    assert len(board["contenders"]) == 2
    seeds = [contender["fresh"]["seeds"] for contender in board["contenders"]]
    assert seeds[0] == seeds[1]


@pytest.mark.slow
def test_confirm_adds_seeds_and_contenders_to_a_study_that_is_done(folder: Path) -> None:
    assert search(folder, "--trials", "3", "--confirm-seeds", "1", "--name", "more").returncode == 0
    before = Results(folder / "results").study("more").lines
    done = call(folder, "confirm", "more", "--top", "2", "--seeds", "2")
    assert done.returncode == 0, done.stderr
    lines = Results(folder / "results").study("more").lines
    assert len(lines) == len(before) + 3
    assert len([line for line in lines if line.purpose == "search"]) == 3


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(tmp_path: Path) -> None:
    done = search(tmp_path, "--trials", "6", "--dry-run")
    assert done.returncode == 0, done.stderr
    for words in ("train.lr: 0.001 to 0.03, log", "trial 0: ", "about ", "6 trials on 2 workers", "would begin"):
        assert words in done.stdout, words
    assert not (tmp_path / "results" / "runs").exists()
    assert not (tmp_path / "results" / "studies").exists()


def test_a_study_is_shown(folder: Path) -> None:
    assert search(folder, "--trials", "2", "--name", "shown").returncode == 0
    done = call(folder, "studies", "show", "shown")
    assert done.returncode == 0, done.stderr
    for words in ("task toy:Toy", "train.lr", "finished", "best setting"):
        assert words in done.stdout, words
    assert "Did you mean 'shown'" in call(folder, "studies", "show", "shwn").stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--sampler", "grid"], "sampler 'grid' cannot try every value of train.lr"),
        (["--sampler", "tpee"], "Did you mean 'tpe'"),
        (["--pruner", "median,percentil=3"], "unknown option of pruner median"),
        (["--objective", "speed/sequences_per_second"], "expected valid/accuracy among them"),
        (["--objective", "valid/acuracy"], "Did you mean 'valid/accuracy'"),
        (["--sampler", "cma-es", "--objective", "valid/accuracy", "--objective", "model/parameters"], "it takes one"),
        (["--deterministic", "--minutes", "1"], "--deterministic with --minutes"),
        (["--vary", "model.layers=1"], "expected two values or more"),
        (["--vary", "model.layer=1,2"], "Did you mean 'model.layers'"),
        (["--match", "params"], "add --vary"),
        (["--vary", "model.layers=1,2", "--match", "size"], "unknown size to match"),
        (["--enqueue", "train.lr=9"], "train.lr = 9"),
        (["--enqueue", "train.rl=0.01"], "Did you mean 'train.lr'"),
        (["--name", "../out"], "--name '../out'"),
        (["--seeds", "2000"], "expected below 1000"),
        (["--minutes", "0"], "--minutes"),
    ],
)
def test_what_cannot_be_is_one_line_and_touches_nothing(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = search(tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "results").exists()
