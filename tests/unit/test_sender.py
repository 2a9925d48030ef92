"""MLflow's store comes up to the files, wherever the sender is stopped and whatever fails."""

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made import BEGUN_MS, EVERY, READING_MS, make_study
from mlflow.exceptions import MlflowException
from pictured import differences, picture, twice

from lstm_bench.record.disk import read_lines
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Register
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import RunLine, StudyFiles
from lstm_bench.result import Status
from lstm_bench.tracking import sender as sender_module
from lstm_bench.tracking.sender import Sender
from lstm_bench.tracking.shown import Shown
from lstm_bench.tracking.store import RUN_KEY, Store
from lstm_bench.tracking.view import StudyView

TASK = "toy:Toy"
FINISHED, PRUNED, CRASHED, KILLED = Status.FINISHED, Status.PRUNED, Status.CRASHED, Status.KILLED


class Killed(BaseException):
    """Stands in for kill -9: nothing of ours catches it."""


def well(_number: int, _name: str) -> None:
    """Nothing goes wrong."""


class Faulty(Store):
    """A store, something of whose calls goes wrong: `before` and `after` are told of each, by its number."""

    def __init__(self, results: Results, task: str = TASK) -> None:
        self.before: Callable[[int, str], None] = well
        self.after: Callable[[int, str], None] = well
        super().__init__(results, task)
        self.calls = 0

    def _ask(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls = number = getattr(self, "calls", 0) + 1
        self.before(number, call.__name__)
        found = super()._ask(call, *args, **kwargs)
        self.after(number, call.__name__)
        return found


@pytest.fixture(autouse=True)
def _in_a_store(empty: Path, results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(empty, results.mlflow_db)
    monkeypatch.setattr(sender_module, "publish", lambda *_: None)  # drawings and models are tested elsewhere


def study(results: Results, name: str = "toys", **asked: Any) -> StudyFiles:
    """Small, with every kind of end in it; its last trial is its first one again, reused where that was complete."""
    ends = asked.pop("ends", [FINISHED, PRUNED, CRASHED, KILLED])
    files = make_study(results, name, **{"trials": 4, "readings": 2, "metrics": 5, "ends": ends, **asked})
    first = [line for line in files.lines if line.number == 0 and line.purpose == "search"]
    if all(line.status is FINISHED for line in first):
        for line in first:
            for values in (replace(line, status=None, trial_status=None), line):
                files.add(replace(values, number=9, reused=True))
    return files


def send(results: Results, files: StudyFiles, ended: str | None = "finished", store: Store | None = None) -> Sender:
    store = store or Store(results, TASK)
    view, sender = StudyView(results, files), Sender(results, store)
    view.look()
    sender.know_study(view)
    sender.study(view, ended)
    return sender


def shown(results: Results) -> dict[str, Any]:
    return picture(results.mlflow_db)[TASK]


def statuses(results: Results) -> dict[str, str]:
    return {key: run["status"] for key, run in shown(results)["runs"].items()}


def test_a_store_shows_all_that_the_files_say(results: Results) -> None:
    files = study(results, seeds=2, confirm_seeds=1)
    sender, found = send(results, files), shown(results)
    runs, place = found["runs"], f"toys/{files.asked['id']}"
    assert not sender.refused
    assert f"study/{place}" in runs
    assert "toys" in found["tags"]["mlflow.note.content"]
    wanted = {line.key: line for line in files.lines}
    assert len(runs) == 1 + 5 + len(wanted)  # the study, its trials of two seeds, and all runs
    for key, line in wanted.items():
        run, own = runs["/".join([place, *map(str, key)])], results.run(line.run)
        under = f"study/{place}" if line.purpose == "confirm" else f"{place}/trial/{line.number}"
        assert run["parent"] == under
        assert run["params"] == {path: str(value) for path, value in own.spec.flat().items()}
        assert run["ended"] == own.ended_ms
        assert run["ended"] >= run["begun"]
        assert run["history"]["train/loss"] == [(r.step, r.time_ms, r.metrics["train/loss"]) for r in own.readings]
        assert twice(run["history"]) == []
        assert run["data"] == [("toy:Toy: at 15", "made", "task toy:Toy")]
        assert run["tags"]["status"] == line.status
        if line.status is not KILLED:
            assert own.result
            last = own.readings[-1]
            assert run["history"]["best/accuracy"] == [(last.step, last.time_ms, own.result.metrics["best/accuracy"])]
    assert {runs[f"{place}/trial/{n}"]["status"] for n in (0, 9)} == {"FINISHED"}
    assert [runs[f"{place}/trial/{n}"]["status"] for n in (1, 2, 3)] == ["KILLED", "FAILED", "KILLED"]
    assert runs[f"{place}/search/9/0"]["tags"]["reused_from"] == wanted["search", 0, 0].run
    crashed = next(line for line in wanted.values() if line.status is CRASHED)
    kept = runs["/".join([place, *map(str, crashed.key)])]["artifacts"]
    assert set(kept) == {"spec.toml", "machine.json", "result.json"}
    assert not any(runs[f"{place}/search/0/{seed}"]["artifacts"] for seed in (0, 1))


class Snapshots:
    """The states that a store goes through; each can be gone back to, under the client that has it open."""

    def __init__(self, results: Results) -> None:
        self.results = results
        self.states: list[tuple[sqlite3.Connection, set[Path]]] = []

    def take(self) -> None:
        kept = sqlite3.connect(":memory:")
        with contextlib.closing(sqlite3.connect(self.results.mlflow_db)) as now:
            now.backup(kept)
        self.states.append((kept, self._artifacts()))

    def go_back(self, state: int) -> None:
        kept, artifacts = self.states[state]
        with contextlib.closing(sqlite3.connect(self.results.mlflow_db)) as now:
            kept.backup(now)
        for path in self._artifacts() - artifacts:
            path.unlink()

    def _artifacts(self) -> set[Path]:
        return {path for path in self.results.artifacts.rglob("*") if path.is_file()}


def test_killed_between_any_two_calls_another_sender_makes_the_same_store(results: Results) -> None:
    files = study(results, seeds=2, confirm_seeds=1, ends=[FINISHED, CRASHED], trials=2)
    store, past = Faulty(results), Snapshots(results)
    store.before = lambda *_: past.take()  # killed before a call, or after the one before it: the store is the same
    send(results, files, store=store)
    wanted = shown(results)
    store.before = well
    assert "RUNNING" not in statuses(results).values()
    assert len(past.states) > 30
    for state in range(len(past.states)):
        past.go_back(state)
        send(results, files, store=store)
        assert differences(shown(results), wanted) == [], f"killed before call {state}"


def test_killed_within_a_batch_another_sender_makes_the_same_store(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow stores its parameters, its figures and its tags in three transactions, in this order."""
    files = study(results, ends=[FINISHED, CRASHED], trials=2)
    store, past = Faulty(results), Snapshots(results)
    batch = store.client.log_batch

    def log_batch(run: str, **parts: Any) -> None:
        for done in ({"params": parts["params"]}, {"metrics": parts["metrics"]}, {"tags": parts["tags"]}):
            past.take()
            batch(run, **done)

    monkeypatch.setattr(store.client, "log_batch", log_batch)
    send(results, files, store=store)
    wanted = shown(results)
    monkeypatch.undo()
    monkeypatch.setattr(sender_module, "publish", lambda *_: None)
    for state in range(len(past.states)):
        past.go_back(state)
        send(results, files, store=store)
        assert differences(shown(results), wanted) == [], f"killed before part {state}"


class Growing:
    """Plays a study of another folder into this one, a little more of it at each step, torn lines and all."""

    def __init__(self, source: Results, made: StudyFiles, results: Results, chance: random.Random) -> None:
        self._source, self._results, self._chance = source, results, chance
        self.files = results.study(made.name)
        shutil.copytree(made.path, self.files.path, ignore=shutil.ignore_patterns("trials.jsonl", "board.json"))
        self.resumed: set[str] = set()
        self._made = made

    def steps(self) -> Iterator[None]:
        for values in read_lines(self._made.path / "trials.jsonl"):
            line = RunLine.from_dict(values)
            if line.status is None:
                yield from self._put_down(line)
                if not line.reused:
                    yield from self._run(self._source.run(line.run), self._results.run(line.run))
            elif line.status is KILLED:
                yield from self._put_down(line)
                yield from self._taken_up(line)
            else:
                yield from self._put_down(line)
        shutil.copy(self._made.path / "board.json", self.files.path)

    def _put_down(self, line: RunLine) -> Iterator[None]:
        self.files.add(line)
        yield

    def _run(self, made: RunFiles, files: RunFiles) -> Iterator[None]:
        files.path.mkdir(parents=True)
        yield
        for name in ("spec.toml", "machine.json"):
            shutil.copy2(made.path / name, files.path)
            yield
        with (files.path / "readings.jsonl").open("ab", buffering=0) as log:
            for text in (made.path / "readings.jsonl").read_bytes().splitlines(keepends=True):
                at = self._chance.randrange(len(text))
                log.write(text[:at])
                yield
                log.write(text[at:])
                yield
        shutil.copy2(made.path / "result.json", files.path)

    def _taken_up(self, line: RunLine) -> Iterator[None]:
        """From its first reading on: the others come again, at other times."""
        files = self._results.run(line.run)
        before = files.readings
        self.resumed.add("/".join(map(str, line.key)))
        files.reopen()
        yield from self._put_down(replace(line, status=None, time_ms=line.time_ms + 1))
        files.cut(before[:1])
        yield
        for step in range(before[0].step + EVERY, before[0].step + 5 * EVERY, EVERY):
            files.log(replace(before[0], step=step, time_ms=before[0].time_ms + 10**6 + READING_MS * step))
            yield
        result = files.result or RunFiles(self._source.run(line.run).path).result
        assert result
        files.end(replace(result, status=FINISHED))
        yield
        done = replace(line, status=FINISHED, trial_status=FINISHED, objective=line.score, time_ms=line.time_ms + 10**6)
        yield from self._put_down(done)


@pytest.mark.parametrize("seed", range(4))
def test_followed_while_it_grows_and_killed_in_between_it_is_shown_as_it_ended(
    seed: int, tmp_path: Path, empty: Path, results: Results
) -> None:
    chance, source = random.Random(seed), Results(tmp_path / "source")
    made = study(source, ends=[KILLED, FINISHED, PRUNED, CRASHED], seeds=1 + seed % 2, confirm_seeds=1, readings=4)
    growing = Growing(source, made, results, chance)
    view, store = StudyView(results, growing.files), Faulty(results)
    sender, deadline = Sender(results, store), 0

    def kill(number: int, _: str) -> None:
        if number == deadline:
            raise Killed

    for _ in growing.steps():
        if chance.random() < 0.6:
            continue
        deadline = store.calls + chance.randrange(1, 15)
        store.before, store.after = (kill, well) if chance.random() < 0.5 else (well, kill)
        view.look()
        try:
            sender.study(view)
        except Killed:
            view, sender = StudyView(results, growing.files), Sender(results, store)
            store.before = store.after = well
            sender.know_study(view)
        if growing.resumed and view.register.lines:
            alive = {key for key, line in view.register.lines.items() if line.status is None}
            assert {key for key, run in _runs_of(results, view).items() if run["status"] == "RUNNING"} <= alive
    store.before = store.after = well
    view.look()
    sender.study(view, "finished")
    live = shown(results)
    assert {run["status"] for run in live["runs"].values()} == {"FINISHED", "KILLED", "FAILED"}
    assert not sender.refused
    anew = Results(tmp_path / "anew")
    shutil.copytree(results.root, anew.root, ignore=shutil.ignore_patterns("mlflow.db*", "artifacts"))
    shutil.copy(empty, anew.mlflow_db)
    send(anew, anew.study(made.name))
    rebuilt = shown(anew)
    for key, run in live["runs"].items():
        assert twice(run["history"]) == [], key
        if any(key.endswith(resumed) for resumed in growing.resumed):  # what came again keeps its first time
            for one in (run, rebuilt["runs"][key]):
                one["history"] = {name: [(step, v) for step, _, v in points] for name, points in one["history"].items()}
                assert [step for step, _ in one["history"]["train/loss"]] == [10, 20, 30, 40, 50]
                assert one["status"] == "FINISHED"
                del one["latest"], one["history"]
    assert differences(live, rebuilt) == []


def _runs_of(results: Results, view: StudyView) -> dict[Any, dict[str, Any]]:
    found = shown(results)["runs"]
    return {key: found[view.key(line)] for key, line in view.register.lines.items() if view.key(line) in found}


def test_a_run_that_is_taken_up_again_is_running_until_it_has_ended(results: Results) -> None:
    files = study(results, ends=[KILLED, FINISHED], trials=2)
    line = files.lines[0]
    sender = send(results, files, "killed")
    view = StudyView(results, files)
    key = view.key(line)
    assert statuses(results)[key] == "KILLED"
    results.run(line.run).reopen()
    files.add(replace(line, status=None))
    view.look()
    sender.study(view)
    assert statuses(results)[key] == "RUNNING"
    assert statuses(results)[f"study/{view.place}"] == "RUNNING"
    files.add(replace(line, status=FINISHED, trial_status=FINISHED))
    view.look()
    sender.study(view, "finished")
    assert set(statuses(results).values()) == {"FINISHED"}


def test_a_run_killed_twice_between_two_looks_shows_what_it_did_in_between(results: Results) -> None:
    files = study(results, ends=[KILLED], trials=1)
    line, own = files.lines[0], results.run(files.lines[0].run)
    sender, view = send(results, files, None), StudyView(results, files)
    more = replace(own.readings[-1], step=990, time_ms=BEGUN_MS + 10**6)
    own.log(more)
    files.add(replace(line, status=None))
    files.add(line)
    view.look()
    sender.study(view)
    assert shown(results)["runs"][view.key(line)]["history"]["train/loss"][-1][0] == 990


@pytest.mark.parametrize("seed", range(3))
def test_calls_that_fail_at_random_are_made_again_by_later_passes(
    seed: int, results: Results, tmp_path: Path, empty: Path
) -> None:
    chance, files = random.Random(seed), study(results, seeds=2, ends=[FINISHED, CRASHED], trials=2)
    store = Faulty(results)

    def fail(_number: int, _name: str) -> None:
        if chance.random() < 0.15:
            raise MlflowException("the server is away")

    view = StudyView(results, files)
    view.look()
    sender, failed = Sender(results, store), 0
    for _ in range(200):
        store.before, store.after = (fail, well) if chance.random() < 0.5 else (well, fail)
        try:
            sender.study(view, "finished")
            break
        except MlflowException:
            failed += 1
    assert failed > 2
    clean = Results(tmp_path / "clean")
    shutil.copytree(results.root, clean.root, ignore=shutil.ignore_patterns("mlflow.db*", "artifacts"))
    shutil.copy(empty, clean.mlflow_db)
    send(clean, clean.study("toys"))
    assert differences(shown(results), shown(clean)) == []


def test_a_run_that_was_made_though_the_call_failed_is_found(results: Results) -> None:
    files, store = study(results, ends=[FINISHED], trials=1), Faulty(results)
    made = 0

    def fail(_number: int, name: str) -> None:
        nonlocal made
        if name == "create_run":
            made += 1
            if made in (1, 3):
                raise MlflowException("no answer")

    store.after = fail
    view = StudyView(results, files)
    view.look()
    sender = Sender(results, store)
    for _ in range(2):
        with pytest.raises(MlflowException):
            sender.study(view, "finished")
    sender.study(view, "finished")
    assert made == len(shown(results)["runs"])  # and the picture would have found one that is there twice


@pytest.mark.parametrize("used", [0, 1])
def test_of_a_study_that_is_there_twice_the_one_stays_that_its_runs_stand_under(results: Results, used: int) -> None:
    files, store = study(results, ends=[FINISHED], trials=1), Store(results, TASK)
    view = StudyView(results, files)
    view.look()
    pair = sorted(store.create(view.shown(), None) for _ in range(2))
    line = files.lines[0]
    store.create(view.shown_run(line, results.run(line.run)), pair[used])
    send(results, files)
    runs = shown(results)["runs"]
    assert {run["parent"] for key, run in runs.items() if key != f"study/{view.place}"} == {f"study/{view.place}"}


def test_of_a_run_that_is_there_twice_the_older_stays(results: Results) -> None:
    store = Store(results, TASK)
    one, other = (store.create(Shown("key", "name", {}, {}, begun_ms=ms), None) for ms in (1, 2))
    sender = Sender(results, store)
    sender.know(store.runs(""))
    assert sender.id_of("key") == one
    assert [known.id for known in store.runs("")] == [one] != [other]


def test_a_run_that_the_store_refuses_stops_no_other_and_is_said(results: Results) -> None:
    files = study(results, ends=[FINISHED], trials=3)
    bad = files.lines[1]
    own = results.run(bad.run)
    own.log(replace(own.readings[-1], step=999, metrics={"train/loss": "much"}))  # type: ignore[dict-item]
    sender = send(results, files)
    key = f"toys/{files.asked['id']}/search/1/0"
    assert list(sender.refused) == [key]
    (said,) = sender.refusals
    assert said.startswith(f"MLflow refused {key}: ")
    found = statuses(results)
    assert found.pop(key) == "FAILED"  # it does not go on
    assert set(found.values()) == {"FINISHED"}
    assert len(found) == 4


def test_where_the_store_refuses_the_study_itself_each_reason_is_said_once(results: Results) -> None:
    files, store = study(results, ends=[FINISHED], trials=6), Store(results, TASK)
    store.client.delete_experiment(store.experiment)  # meanwhile, by somebody
    view, sender = StudyView(results, files), Sender(results, store)
    view.look()
    sender.study(view)
    sender.study(view, "finished")
    said = list(sender.refusals)
    assert len(said) == 2
    assert "and 6 more" in said[1]


def test_a_note_that_is_longer_than_mlflow_takes_leaves_the_oldest_studies_out(results: Results) -> None:
    store = Store(results, TASK)
    row = '{"study": "s%d", "best setting": "%s", "made by": ""}'
    for n in range(60):
        answered = {"kind": "study", "lstm_bench.answer": row % (n, "x" * 800)}
        store.create(Shown(f"other/{n}", "s", answered, {}, begun_ms=n + 1), None)
    sender = send(results, study(results, ends=[FINISHED], trials=1))
    assert not sender.refused
    note = shown(results)["tags"]["mlflow.note.content"]
    assert "| toys |" in note
    assert "| s59 |" in note
    assert "| s0 |" not in note
    assert "oldest are left out" in note


def test_a_study_that_is_given_more_trials_later_is_shown_whole(results: Results) -> None:
    files = study(results, ends=[FINISHED], trials=1)
    send(results, files)
    asked = files.path / "study.toml"
    asked.write_text(asked.read_text().replace("trials = 1\n", "trials = 7\n"))
    files.add(replace(files.lines[0], number=1))
    sender = send(results, files)
    assert not sender.refused
    own = shown(results)["runs"][f"study/toys/{files.asked['id']}"]
    assert own["tags"]["study.trials"] == "7"
    assert [step for step, _, _ in own["history"]["best/accuracy"]] == [1, 2, 3]
    assert own["status"] == "FINISHED"


def test_what_never_began_is_not_shown_and_stops_nothing(results: Results) -> None:
    files = study(results, ends=[FINISHED, KILLED], trials=2, seeds=2)
    lost = files.lines[0]
    (results.run(lost.run).path / "machine.json").unlink()
    nothing = replace(lost, run="never-begun", number=5, status=None, trial_status=None, score=None, objective=None)
    files.add(nothing)
    sender = send(results, files, "killed")
    found = statuses(results)
    assert not any("/5" in key for key in found)
    assert "RUNNING" not in found.values()
    assert f"toys/{files.asked['id']}/trial/0" in found  # by its other seed
    view = StudyView(results, files)
    view.look()
    assert sender.lacking(view) == 0


def test_single_runs_are_closed_where_their_driver_was_killed_and_others_are_left_alone(results: Results) -> None:
    files = study(results, ends=[KILLED], trials=1)
    single = results.run(files.lines[0].run)
    store = Store(results, TASK)
    sender = Sender(results, store)
    sender.single(single, over=False)
    (single.path / "result.json").unlink()
    store.create(Shown("elsewhere", "n", {"kind": "run", "run": "elsewhere"}, {}), None)
    with single.lock():
        Sender(results, store).close_abandoned()
        assert statuses(results) == {single.id: "KILLED", "elsewhere": "RUNNING"}  # it had a result when it was sent
    store.reopen(store.find(single.id).id)  # type: ignore[union-attr]
    with single.lock():
        Sender(results, store).close_abandoned()
        assert statuses(results)[single.id] == "RUNNING"
    Sender(results, store).close_abandoned()
    assert statuses(results) == {single.id: "KILLED", "elsewhere": "RUNNING"}
    assert shown(results)["runs"][single.id]["tags"][RUN_KEY] == single.id


def test_a_register_of_nothing_lacks_nothing(results: Results) -> None:
    files = study(results, ends=[FINISHED], trials=1)
    view = StudyView(results, files)
    assert view.register.lines == Register().lines
    assert Sender(results, Store(results, TASK)).lacking(view) == 0
    view.look()
    assert Sender(results, Store(results, TASK)).lacking(view) == 2
