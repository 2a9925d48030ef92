import json
import multiprocessing
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.errors import UsageError
from lstm_bench.record.disk import append_line
from lstm_bench.record.files import Results
from lstm_bench.record.index import Index
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import Purpose, RunLine, StudyFiles, Trial, trials_of
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import RunSpec

SPEC = RunSpec(task="adding", options={"length": 10})
FINISHED, KILLED = Status.FINISHED, Status.KILLED


def line(number: int = 0, seed: int = 0, purpose: Purpose = "search", **values: Any) -> RunLine:
    run = f"{purpose}-{number}-{seed}"
    return replace(
        RunLine(run=run, purpose=purpose, number=number, seed=seed, settings={"train.lr": 0.01 * number}), **values
    )


def whole(number: int, objective: float = 0.5, seed: int = 0, trial_status: Status | None = FINISHED) -> RunLine:
    return line(number, seed, status=FINISHED, trial_status=trial_status, score=objective, objective=objective)


def begun(results: Results, name: str = "s") -> StudyFiles:
    files = results.study(name)
    files.begin("")
    return files


def run_that_ended(results: Results, run: str, status: Status, mark: str = "f", seed: int = 0) -> None:
    files = results.run(run)
    files.begin(SPEC.with_values({"seed": seed}), {"fingerprint": mark} if mark else {})
    files.end(RunResult(status))


# Lines and trials

statuses = st.sampled_from([*Status, None])
figures = st.none() | st.floats(allow_nan=False, allow_infinity=False)
lines = st.builds(
    RunLine,
    run=st.text(max_size=5),
    purpose=st.sampled_from(["search", "confirm"]),
    number=st.integers(0, 5),
    seed=st.integers(0, 3),
    settings=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.booleans(), max_size=2),
    status=statuses,
    trial_status=statuses,
    score=figures,
    objective=figures,
    measures=st.lists(st.floats(allow_nan=False), max_size=3).map(tuple),
    reused=st.booleans(),
    clock=st.floats(0, 1e6),
    time_ms=st.integers(0, 2**45),
)


@settings(deadline=None)
@given(each=lines)
def test_a_line_comes_back_from_json(each: RunLine) -> None:
    assert RunLine.from_dict(json.loads(json.dumps(each.to_dict()))) == each


def test_a_line_of_the_first_schema_is_a_whole_trial() -> None:
    old = {
        "run": "r", "purpose": "search", "number": 3, "seed": 0, "status": "pruned",
        "settings": {"train.lr": 0.1}, "score": 0.5, "objective": None,
    }  # fmt: skip
    found = RunLine.from_dict(old)
    assert (found.status, found.trial_status, found.measures, found.reused) == (
        Status.PRUNED,
        Status.PRUNED,
        (),
        False,
    )
    assert Trial((found,)).done
    assert RunLine.from_dict(old | {"purpose": "confirm"}).trial_status is None
    assert not Trial((RunLine.from_dict(old | {"status": "killed"}),)).done


def test_a_trial_is_its_runs_by_seed() -> None:
    runs = [whole(2, 0.9, seed=1), whole(0), whole(2, 0.5, seed=0, trial_status=None), line(0, 1000, "confirm")]
    none, two = trials_of(runs)
    assert (none.number, len(none.runs)) == (0, 1)
    assert [each.seed for each in two.runs] == [0, 1]
    assert (two.number, two.settings, two.status, two.done) == (2, {"train.lr": 0.02}, FINISHED, True)
    assert (two.objective, two.score) == (0.7, 0.7)


@pytest.mark.parametrize(
    ("runs", "status", "objective"),
    [
        ([line()], None, None),
        ([line(status=KILLED)], None, None),
        ([whole(0, trial_status=None)], None, None),
        ([whole(0, trial_status=None), line(seed=1)], None, None),
        ([whole(0, trial_status=Status.PRUNED)], Status.PRUNED, None),  # clearly lost, its other seeds are not run
        ([whole(0, trial_status=None), line(seed=1, status=Status.CRASHED, trial_status=Status.CRASHED)],
         Status.CRASHED, None),
        ([line(status=FINISHED, trial_status=FINISHED, score=0.5)], FINISHED, None),  # a figure is missing
        ([whole(0, trial_status=None), line(seed=1, status=FINISHED, trial_status=FINISHED, score=1)], FINISHED, None),
        ([whole(0, 0.25, trial_status=None), whole(0, 0.75, seed=1)], FINISHED, 0.5),
    ],
)  # fmt: skip
def test_a_trial_has_an_objective_when_it_is_complete(
    runs: Sequence[RunLine], status: Status | None, objective: float | None
) -> None:
    trial = Trial(tuple(runs))
    assert (trial.status, trial.done, trial.objective) == (status, status is not None, objective)
    assert trial.measures == ()


def test_a_trials_measures_are_means_over_its_seeds() -> None:
    runs = [
        replace(whole(0, trial_status=None), measures=(0.25, 10.0)),
        replace(whole(0, seed=1), measures=(0.75, 30.0)),
    ]
    assert Trial(tuple(runs)).measures == (0.5, 20.0)


def test_the_last_line_of_a_run_holds_and_the_first_says_when_it_began(results: Results) -> None:
    files = begun(results)
    for each in (line(1), line(0), whole(1), line(1, 1000, "confirm")):
        files.add(each)
    assert files.lines == [whole(1), line(0), line(1, 1000, "confirm")]


# The ledger


class Clock:
    def __init__(self, seconds: float = 50.0) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds


def test_a_line_is_in_the_file_before_anyone_knows_it(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(results, begun(results))
    ledger.write(whole(0))
    assert ledger.files.lines == list(ledger.lines.values()) == [ledger.trial(0).runs[0]]
    monkeypatch.setattr(StudyFiles, "add", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        ledger.write(whole(1))
    assert (1 in ledger, ledger.done, len(ledger.lines)) == (False, 1, 1)


steps = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), statuses, statuses, st.sampled_from(["search", "confirm"])),
    max_size=12,
)


@settings(deadline=None, max_examples=50)
@given(steps=steps)
def test_a_ledger_that_is_kept_up_is_the_one_that_is_read_anew(
    steps: list[tuple[int, int, Status | None, Status | None, Purpose]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    results = Results(tmp_path_factory.mktemp("ledger"))
    kept = Ledger(results, begun(results))
    over: set[int] = set()
    for number, seed, status, trial_status, purpose in steps:
        if purpose == "search" and number in over:
            continue  # a trial that is done has no further runs
        ends = purpose == "search" and trial_status is not None and trial_status.counts
        over |= {number} if ends else set()
        kept.write(line(number, 3 if ends else seed, purpose, status=status, trial_status=trial_status))
    read = Ledger(results, kept.files)
    assert read.lines == kept.lines
    assert read.trials == kept.trials == kept.files.trials
    assert read.done == kept.done == len(over) == len(kept.files.searched)
    for number in range(4):
        assert (number in read) == (number in kept) == any(trial.number == number for trial in kept.trials)
        assert read.confirmed(number) == kept.confirmed(number) == kept.files.confirmed(number)


def test_the_clock_goes_on_where_the_last_start_ended(results: Results) -> None:
    clock = Clock()
    ledger = Ledger(results, begun(results), now=clock)
    clock.seconds += 100  # the store is opened, say
    assert ledger.clock == 0
    with ledger.searching():
        clock.seconds += 12.5
        assert ledger.write(whole(0)).clock == 12.5
    clock.seconds += 100  # confirming
    assert ledger.clock == 12.5
    later = Clock(9000)
    again = Ledger(results, results.study("s"), now=later)
    assert again.clock == 12.5
    with again.searching():
        later.seconds += 3
        assert again.write(line(1)).clock == again.clock == 15.5


def test_what_a_run_did_before_its_driver_died_is_on_the_clock(results: Results) -> None:
    ledger = Ledger(results, begun(results), now=Clock())
    written = ledger.write(line(0, run="r"))
    files = results.run("r")
    files.begin(SPEC, {})
    for seconds in (2, 7):
        files.log(Reading(seconds, 1, 1, seconds, written.time_ms + 1000 * seconds, {}))
    assert Ledger(results, ledger.files, now=Clock()).clock == pytest.approx(7)
    ledger.write(line(0, run="r", status=KILLED))
    assert Ledger(results, ledger.files, now=Clock()).clock == 0  # its line says when it ended


def test_a_known_run_of_long_ago_does_not_turn_the_clock_back(results: Results) -> None:
    clock = Clock()
    ledger = Ledger(results, begun(results), now=clock)
    files = results.run("old")
    files.begin(SPEC, {})
    files.log(Reading(1, 1, 1, 1.0, 1000, {}))
    with ledger.searching():
        clock.seconds += 5
        ledger.write(line(0, run="old", reused=True))
    assert Ledger(results, ledger.files, now=Clock()).clock == 5


# The index of known runs


def test_a_complete_run_is_found_by_fingerprint_and_seed(results: Results) -> None:
    index = Index(results)
    assert index.find("f", 0) is None
    run_that_ended(results, "one", FINISHED)
    index.add("f", 0, "one")
    assert (index.find("f", 0), index.find("f", 1), index.find("g", 0)) == ("one", None, None)
    assert Index(results).find("f", 0) == "one"


def test_the_first_of_equal_runs_stays(results: Results) -> None:
    index = Index(results)
    for run in ("one", "two"):
        run_that_ended(results, run, FINISHED)
        index.add("f", 0, run)
    assert Index(results).find("f", 0) == index.find("f", 0) == "one"
    assert len((results.root / "index.jsonl").read_text().splitlines()) == 1


def test_an_index_that_is_not_there_is_made_again_from_the_runs(results: Results) -> None:
    for number, status in enumerate(Status):
        run_that_ended(results, f"run-{status}", status, seed=number)
    run_that_ended(results, "unmarked", FINISHED, mark="", seed=99)
    results.run("going-on").begin(SPEC.with_values({"seed": 77}), {"fingerprint": "f"})
    index = Index(results)
    found = {seed: run for seed in range(100) if (run := index.find("f", seed))}
    assert set(found.values()) == {f"run-{status}" for status in Status if status.complete}
    assert [Index(results).find("f", seed) for seed in found] == list(found.values())


def test_a_known_run_whose_folder_is_gone_is_not_known(results: Results) -> None:
    run_that_ended(results, "one", FINISHED)
    index = Index(results)
    (results.run("one").path / "result.json").unlink()
    assert index.find("f", 0) is None


def test_a_torn_line_of_the_index_is_passed_over(results: Results) -> None:
    run_that_ended(results, "one", FINISHED)
    Index(results)
    with (results.root / "index.jsonl").open("a") as file:
        file.write('{"fingerprint": "g", "se')
    index = Index(results)
    assert index.find("f", 0) == "one"
    run_that_ended(results, "two", FINISHED, mark="h")
    index.add("h", 0, "two")
    assert Index(results).find("h", 0) == "two"


# One driver a study


def test_a_study_is_held_by_one_driver(results: Results) -> None:
    files = begun(results)
    with files.held():
        with pytest.raises(UsageError) as error, results.study("s").held():
            raise AssertionError
        said = str(error.value)
        assert f"process {os.getpid()} on {platform.node()} since 2" in said
        assert "'s' is being worked at" in said
        assert "\n" not in said
        with results.study("another").held():
            pass
    assert not (files.path / "holder.json").exists()
    with files.held():
        pass


def test_a_driver_that_failed_lets_go(results: Results) -> None:
    files = begun(results)
    with pytest.raises(RuntimeError), files.held():
        raise RuntimeError
    with files.held():
        pass


def _hold_and_die(files: StudyFiles) -> None:
    files.held().__enter__()
    os._exit(9)


def test_a_driver_that_died_lets_go(results: Results) -> None:
    files = begun(results)
    dying = multiprocessing.get_context("fork").Process(target=_hold_and_die, args=(files,))
    dying.start()
    dying.join()
    assert dying.exitcode == 9
    assert (files.path / "holder.json").exists()
    with files.held():
        assert json.loads((files.path / "holder.json").read_text())["pid"] == os.getpid()


def test_a_holder_who_has_not_said_who_it_is_is_still_one(results: Results) -> None:
    files = begun(results)
    with files.held():
        (files.path / "holder.json").rename(files.path / "kept")
        with pytest.raises(UsageError, match=r"process \? on \? since \?"), results.study("s").held():
            raise AssertionError
        (files.path / "kept").rename(files.path / "holder.json")


def test_lines_of_a_study_survive_a_torn_one(results: Results) -> None:
    files = begun(results)
    files.add(whole(0))
    with (files.path / "trials.jsonl").open("a") as file:
        file.write('{"run": "torn')
    append_line(files.path / "trials.jsonl", whole(1).to_dict())
    assert [trial.number for trial in Ledger(results, files).trials] == [0, 1]
