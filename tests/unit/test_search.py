import shutil
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState

from lstm_bench.analysis.board import best_trial
from lstm_bench.bench import Question, place
from lstm_bench.errors import UsageError
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.record.files import Results
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.search.loop import confirm, search
from lstm_bench.search.space import distributions
from lstm_bench.search.study import FRESH_SEEDS_FROM, open_study
from lstm_bench.suites import StudyTable

FACTS = {"data": "d", "code": "c", "torch": "t"}


class ScriptedPool:
    """Executes nothing: a run's readings are what the script says of its spec; one run at a time."""

    data_digest = "toy-1"

    def __init__(
        self, script: Callable[[Job], list[float]], status: Callable[[Job], Status] = lambda _: Status.FINISHED
    ):
        self.script, self.status = script, status
        self.stopped: dict[str, tuple[Status, int]] = {}

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        while job := next_job():
            yield Started(job)
            scores: list[float] = []
            ended = self.status(job)
            for at, score in enumerate(self.script(job), 1):
                scores.append(score)
                yield Heard(job, Reading(10 * at, 160 * at, 640 * at, 0.1 * at, at, {"valid/accuracy": score}))
                if job.run_id in self.stopped:
                    ended = self.stopped[job.run_id][0]
                    break
            yield Ended(job, RunResult(ended, {"best/accuracy": max(scores)} if scores else {}))

    def stop(self, run_id: str, status: Status) -> None:
        self.stopped[run_id] = (status, len(self.stopped))


def question(trials: int = 12, **run: object) -> Question:
    table = StudyTable(
        {"task": "toy:Toy", **run}, {"trials": trials}, {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}}
    )
    return Question.of(table, {})


def run_search(asked: Question, pool: ScriptedPool, results: Results, name: str = "s") -> list[Event]:
    files = results.study(name)
    files.begin(asked.spec.to_toml(FACTS))
    study = open_study(results, files, asked.spec, asked.task.goal)
    return list(search(asked.spec, study, asked.space, asked.task.goal, pool, results, files))


def good_at_small_rates(job: Job) -> list[float]:
    return [1 - job.spec.train.lr] * 4


def test_a_suggestion_depends_on_what_was_told(results: Results) -> None:
    small, large = question(), question()
    run_search(small, ScriptedPool(good_at_small_rates), results, "small")
    run_search(large, ScriptedPool(lambda job: [job.spec.train.lr] * 4), results, "large")
    rates = {name: [line.settings["train.lr"] for line in results.study(name).trials] for name in ("small", "large")}
    assert rates["small"][:4] == rates["large"][:4]  # start-up draws know nothing
    assert rates["small"][4:] != rates["large"][4:]
    assert sorted(rates["small"][4:])[4] < sorted(rates["large"][4:])[4]  # and the later ones go where it was good


def test_a_study_has_as_many_trials_as_were_asked_for_over_all_its_starts(results: Results) -> None:
    run_search(question(5), ScriptedPool(good_at_small_rates), results)
    run_search(question(5), ScriptedPool(good_at_small_rates), results)
    assert len(results.study("s").searched) == 5
    run_search(question(9), ScriptedPool(good_at_small_rates), results)
    assert len(results.study("s").searched) == 9


def test_a_study_that_goes_on_does_not_repeat_its_draws(results: Results) -> None:
    run_search(question(2), ScriptedPool(good_at_small_rates), results)
    run_search(question(4), ScriptedPool(good_at_small_rates), results)
    rates = [line.settings["train.lr"] for line in results.study("s").trials]
    assert len(set(rates)) == 4


def test_all_but_killed_trials_count(results: Results) -> None:
    statuses = iter([Status.CRASHED, Status.KILLED, Status.DIVERGED, Status.FINISHED, Status.KILLED, Status.FINISHED])
    run_search(question(4), ScriptedPool(good_at_small_rates, lambda _: next(statuses)), results)
    found = Counter(line.status for line in results.study("s").trials)
    assert found == {Status.CRASHED: 1, Status.DIVERGED: 1, Status.FINISHED: 2, Status.KILLED: 2}


def test_a_trial_below_the_median_is_stopped_at_that_reading(results: Results) -> None:
    jobs: list[str] = []

    def script(job: Job) -> list[float]:
        jobs.append(job.run_id)
        return [0.8] * 4 if len(jobs) < 5 else [0.7] * 4

    pool = ScriptedPool(script)
    events = run_search(question(5), pool, results)
    assert list(pool.stopped) == [jobs[4]]
    heard = [event for event in events if isinstance(event, Heard) and event.job.run_id == jobs[4]]
    assert len(heard) == 1
    assert results.study("s").trials[-1].status is Status.PRUNED
    study = open_study(results, results.study("s"), question(5).spec, question(5).task.goal)
    assert study.trials[4].state is TrialState.PRUNED


def test_nothing_is_pruned_before_its_step(results: Results) -> None:
    jobs: list[str] = []

    def script(job: Job) -> list[float]:
        jobs.append(job.run_id)
        return [0.8] * 4 if len(jobs) < 5 else [0.7] * 4

    table = StudyTable({"task": "toy:Toy"}, {"trials": 5, "prune_after": 30}, {"train.lr": [0.1, 0.01]})
    events = run_search(Question.of(table, {}), ScriptedPool(script), results)
    heard = [event.reading.step for event in events if isinstance(event, Heard) and event.job.run_id == jobs[4]]
    assert heard == [10, 20, 30]


def test_confirm_runs_the_best_setting_on_fresh_seeds_and_alone_touches_test(results: Results) -> None:
    asked = question(6)
    searching = run_search(asked, ScriptedPool(good_at_small_rates), results)
    files = results.study("s")
    best = best_trial(files.searched, asked.task.goal)
    assert best is not None
    assert best.settings["train.lr"] == min(line.settings["train.lr"] for line in files.searched)
    confirming = list(confirm(asked.spec, best, asked.task.goal, ScriptedPool(good_at_small_rates), results, files))
    jobs = {kind: [event.job for event in events if isinstance(event, Ended)] for kind, events in
            (("search", searching), ("confirm", confirming))}  # fmt: skip
    assert not any(job.test for job in jobs["search"])
    assert all(job.test for job in jobs["confirm"])
    assert [job.spec.train.lr for job in jobs["confirm"]] == [best.settings["train.lr"]] * 3
    assert [job.spec.seed for job in jobs["confirm"]] == [FRESH_SEEDS_FROM + k for k in range(3)]
    assert {job.spec.seed for job in jobs["search"]}.isdisjoint(asked.spec.fresh_seeds)
    again = list(confirm(asked.spec, best, asked.task.goal, ScriptedPool(good_at_small_rates), results, files))
    assert again == []


def test_confirm_may_have_a_larger_budget_than_the_search(results: Results) -> None:
    table = StudyTable({"task": "toy:Toy"}, {"trials": 2}, {"train.lr": [0.1, 0.01]}, {"train.steps": 70})
    asked = Question.of(table, {})
    searching = run_search(asked, ScriptedPool(good_at_small_rates), results)
    files = results.study("s")
    pool, best = ScriptedPool(good_at_small_rates), best_trial(files.searched, asked.task.goal)
    assert best is not None
    confirming = list(confirm(asked.spec, best, asked.task.goal, pool, results, files))
    assert {event.job.spec.train.steps for event in searching} == {40}
    assert {event.job.spec.train.steps for event in confirming} == {70}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"train.stepz": 9}, "Did you mean 'train.steps'"),
        ({"train.steps": 0}, "train.steps = 0"),
        ({"seed": 1}, "seed"),
    ],
)
def test_a_confirmation_that_cannot_be_is_one_line(values: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Question.of(StudyTable({"task": "toy:Toy"}, {}, {}, values), {})


def test_nothing_running_is_left_in_the_journal(results: Results) -> None:
    asked = question(3)
    run_search(question(1), ScriptedPool(good_at_small_rates), results)
    files = results.study("s")
    study = open_study(results, files, asked.spec, asked.task.goal)
    study.ask(asked.space)  # and the driver dies
    reopened = open_study(results, files, asked.spec, asked.task.goal)
    assert [trial.state for trial in reopened.trials] == [TrialState.COMPLETE, TrialState.FAIL]


def test_a_study_whose_folder_was_deleted_begins_anew(results: Results) -> None:
    run_search(question(3), ScriptedPool(good_at_small_rates), results)
    shutil.rmtree(results.study("s").path)
    run_search(question(2), ScriptedPool(good_at_small_rates), results)
    study = open_study(results, results.study("s"), question(2).spec, question(2).task.goal)
    assert [trial.number for trial in study.trials] == [0, 1]


def test_a_name_is_one_question(results: Results) -> None:
    asked = question(3)
    files = place(results, "mine", "toy", asked.spec, FACTS)
    files.begin(asked.spec.to_toml(FACTS))
    assert place(results, "mine", "toy", question(7).spec, FACTS) == files  # more trials are the same question
    other = question(3, train={"steps": 50})
    with pytest.raises(UsageError, match=r"'mine' asked something else \(train.steps differ"):
        place(results, "mine", "toy", other.spec, FACTS)
    with pytest.raises(UsageError, match=r"facts.data differ"):
        place(results, "mine", "toy", asked.spec, FACTS | {"data": "new"})


def test_without_a_name_another_question_gets_the_next_number(results: Results) -> None:
    asked, other = question(3), question(3, train={"steps": 50})
    place(results, None, "toy", asked.spec, FACTS).begin(asked.spec.to_toml(FACTS))
    second = place(results, None, "toy", other.spec, FACTS)
    assert second.name == "toy-2"
    second.begin(other.spec.to_toml(FACTS))
    assert place(results, None, "toy", asked.spec, FACTS).name == "toy"
    assert place(results, None, "toy", other.spec, FACTS).name == "toy-2"


@pytest.mark.parametrize("name", ["../out", "a/b", "", "-x", "a b", "a" * 101])
def test_a_study_name_that_is_a_path_is_refused(results: Results, name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        place(results, name, "toy", question().spec, FACTS)


@pytest.mark.parametrize(
    ("path", "given", "words"),
    [
        ("train.lr", {"low": 1.0, "high": 0.1}, "expected low < high"),
        ("train.lr", {"low": 0.0, "high": 0.1, "log": True}, "expected 0 < low < high"),
        ("train.lr", {"low": -1.0, "high": 0.1}, "train.lr = -1.0: expected greater than 0"),
        ("train.lr", {"low": 0.1}, "expected two or more choices"),
        ("train.lr", [0.1], "expected two or more choices"),
        ("train.lr", {"low": float("nan"), "high": 0.1}, "expected low < high"),
        ("train.lr", {"low": 0.1, "high": 0.2, "lag": True}, "expected two or more choices"),
        ("train.lr", "wide", "expected two or more choices"),
        ("train.rl", [0.1, 0.2], "Did you mean 'train.lr'"),
        ("model.hidden", [8, "many"], "model.hidden = 'many'"),
        ("model.hidden", {"low": 0, "high": 8}, "model.hidden = 0"),
        ("options.lenght", [8, 9], "unknown key"),
        ("seed", [1, 2], "unknown key"),
        ("model.cell", ["lstm", "lstn"], "Did you mean 'lstm'"),
    ],
)
def test_a_space_that_cannot_be_is_one_line(path: str, given: object, words: str) -> None:
    base = question().spec.base
    with pytest.raises(UsageError) as caught:
        distributions({path: given}, base)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_range_is_of_the_kind_of_its_value() -> None:
    base = question().spec.base
    found = distributions({"train.weight_decay": {"low": 0, "high": 1}, "model.hidden": {"low": 2, "high": 8}}, base)
    assert isinstance(found["train.weight_decay"], FloatDistribution)
    assert isinstance(found["model.hidden"], IntDistribution)


def test_a_seed_among_the_fresh_ones_is_refused() -> None:
    with pytest.raises(UsageError, match="seed = 1000: expected below 1000"):
        question(seed=FRESH_SEEDS_FROM)


def test_the_journal_lies_in_the_results(results: Results, tmp_path: Path) -> None:
    run_search(question(1), ScriptedPool(good_at_small_rates), results)
    assert results.journal == tmp_path / "results" / "studies.journal"
    assert results.journal.exists()
