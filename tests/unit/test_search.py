import contextlib
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from optuna.trial import FrozenTrial, TrialState

from lstm_bench.analysis.answer import best_trial, top_trials
from lstm_bench.analysis.front import front_of
from lstm_bench.errors import BenchError, UsageError
from lstm_bench.pool import Ended, Event, Heard, Job, Started
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import BUDGET, Reading, RunResult, Status
from lstm_bench.suites import StudyTable
from lstm_bench.tuning.asker import Asker
from lstm_bench.tuning.confirm import confirm, still_due
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.journal import open_journal
from lstm_bench.tuning.loop import Search
from lstm_bench.tuning.study import FRESH_SEEDS_FROM, Question, check_name, files_of

FACTS = {"data": "d", "code": "c", "torch": "t"}
RATES = {"train.lr": {"low": 1e-4, "high": 1e-1, "log": True}}
KEPT = ("number", "settings", "status", "score", "objective", "measures")
few = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])


class Dead(BaseException):
    """The driver was killed: whatever it would have done next, it does not."""


@dataclass
class Play:
    """A run that the pool goes through."""

    job: Job
    scores: Sequence[float]
    ending: Status
    at: int = 0  # readings that were told
    word: tuple[Status, str | None] | None = None
    may_go_on: bool = True


def good_at_small_rates(job: Job) -> list[float]:
    return [1 - job.spec.train.lr] * 4


def finished(_: Job) -> Status:
    return Status.FINISHED


class ScriptedPool:
    """Executes nothing, but writes what a run would: its readings are what the script says of its spec.

    Args:
        script: a run's scores.
        ending: how a run ends; one that does not finish does so after two readings.
        workers: runs at once.
        pick: which run goes on next.
        figures: of a run, besides its score.
        cut: after how many events comes an interruption.
        by: what it is: Ctrl-C ends the running ones as killed, Dead nothing.
    """

    data_digest = "toy-1"

    def __init__(
        self,
        script: Callable[[Job], Sequence[float]] = good_at_small_rates,
        ending: Callable[[Job], Status] = finished,
        *,
        workers: int = 1,
        pick: Callable[[list[Play]], Play] = lambda plays: plays[0],
        figures: Callable[[Job], Mapping[str, float]] = lambda _: {},
        cut: int | None = None,
        by: type[BaseException] = KeyboardInterrupt,
    ) -> None:
        self.script, self.ending, self.workers, self.pick, self.figures = script, ending, workers, pick, figures
        self.cut, self.by = cut, by
        self.jobs: list[Job] = []
        self.stopped: dict[str, tuple[Status, int]] = {}  # with what, after how many readings
        self.going: dict[str, Play] = {}

    def run(self, next_job: Callable[[], Job | None]) -> Generator[Event, None, None]:
        for told, event in enumerate(self._happenings(next_job), 1):
            yield event
            if told == self.cut:
                if self.by is KeyboardInterrupt:
                    for play in list(self.going.values()):
                        yield self._end(play, Status.KILLED, None)
                raise self.by

    def _happenings(self, next_job: Callable[[], Job | None]) -> Iterator[Event]:
        while True:
            while len(self.going) < self.workers and (job := next_job()):
                self.jobs.append(job)
                files = Results(job.path.parent.parent).run(job.run_id)
                files.begin(job.spec, {}, job.facts)
                files.reopen()
                ending, scores = self.ending(job), self.script(job)
                whole = ending.complete or ending is Status.PRUNED
                self.going[job.run_id] = Play(job, scores if whole else scores[:2], ending)
                yield Started(job)
            if not self.going:
                return
            yield self._go_on_with(self.pick(list(self.going.values())))

    def _go_on_with(self, play: Play) -> Event:
        assert play.may_go_on or play.word, "a run that waits was given no word"
        if play.word:
            return self._end(play, *play.word)
        if play.at == len(play.scores):
            return self._end(play, play.ending, None)
        files = Results(play.job.path.parent.parent).run(play.job.run_id)
        score, at = play.scores[play.at], play.at + 1
        metrics = {"valid/accuracy": score, BUDGET: 10 * at / play.job.spec.train.steps}
        reading = Reading(10 * at, 160 * at, 640 * at, 0.1 * at, at, metrics)
        if len(files.readings) <= play.at:  # one that was kept is told once more, not written
            files.log(reading)
        play.at, play.may_go_on = at, not play.job.waits
        return Heard(play.job, reading)

    def _end(self, play: Play, status: Status, reason: str | None) -> Ended:
        scores = play.scores[: play.at]
        best = {"best/accuracy": max(scores)} if scores else {}
        result = RunResult(status, {**best, "model/parameters": 100.0, **self.figures(play.job)}, reason)
        Results(play.job.path.parent.parent).run(play.job.run_id).end(result)
        del self.going[play.job.run_id]
        return Ended(play.job, result)

    def stop(self, run_id: str, status: Status, reason: str | None = None) -> None:
        self.going[run_id].word = (status, reason)
        self.stopped[run_id] = (status, self.going[run_id].at)

    def go_on(self, run_id: str) -> None:
        assert self.going[run_id].job.waits
        self.going[run_id].may_go_on = True


def question(
    trials: int | None = 12,
    *,
    workers: int = 1,
    search: Mapping[str, Any] = RATES,
    strategy: Mapping[str, Any] | None = None,
    confirming: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
    **budget: Any,
) -> Question:
    budget |= {} if trials is None else {"trials": trials}
    table = StudyTable({"task": "toy:Toy", **(run or {})}, budget, strategy or {}, search, confirming or {})
    return Question.of(table, {}, workers=workers)


def searching(
    asked: Question,
    pool: ScriptedPool,
    results: Results,
    name: str = "s",
    *,
    force: bool = False,
    now: Callable[[], float] = time.monotonic,
) -> Search:
    files = results.study(name)
    files.begin(asked.to_toml(FACTS))
    return Search(asked, FACTS, pool, results, Ledger(results, files, now=now), force=force)


def run_search(
    asked: Question, pool: ScriptedPool, results: Results, name: str = "s", *, force: bool = False
) -> list[Event]:
    return list(searching(asked, pool, results, name, force=force).events())


def cut_short(search: Search, by: type[BaseException]) -> None:
    """Let a search's pool raise; a killed driver tidies nothing up."""
    if by is Dead:
        search._asker.set_aside = lambda _: None  # type: ignore[method-assign]
    with pytest.raises(by):
        list(search.events())


def perhaps_cut_short(search: Search, by: type[BaseException]) -> None:
    """The same, but the search may come to its end before."""
    with contextlib.suppress(pytest.fail.Exception):
        cut_short(search, by)


def trials_of(results: Results, name: str = "s") -> list[Trial]:
    return results.study(name).trials


def outcome(results: Results, name: str = "s") -> list[dict[str, Any]]:
    """What a study found, without when and under which run ids."""
    return [{key: getattr(trial, key) for key in KEPT} for trial in trials_of(results, name)]


def journal(results: Results, name: str = "s") -> list[FrozenTrial]:
    return optuna.load_study(study_name=name, storage=open_journal(results.journal)).trials


def states(results: Results, name: str = "s") -> list[TrialState]:
    return [trial.state for trial in journal(results, name)]


def known_to_optuna(results: Results, name: str = "s") -> list[tuple[Any, ...]]:
    return [(trial.number, trial.state, trial.values, trial.params) for trial in journal(results, name)]


def in_turn(statuses: Sequence[Status]) -> Callable[[Job], Status]:
    """How runs end, in the order in which they begin; those after them finish."""
    left = list(statuses)
    return lambda _: left.pop(0) if left else Status.FINISHED


def worse_from(number: int) -> Callable[[Job], list[float]]:
    """Trials below a number are good, the others are not."""
    return lambda job: [0.8 if isinstance(job, TrialJob) and job.number < number else 0.7] * 4


# How many, and which


def test_a_suggestion_depends_on_what_was_told(results: Results) -> None:
    run_search(question(), ScriptedPool(good_at_small_rates), results, "small")
    run_search(question(), ScriptedPool(lambda job: [job.spec.train.lr] * 4), results, "large", force=True)
    rates = {name: [trial.settings["train.lr"] for trial in trials_of(results, name)] for name in ("small", "large")}
    assert rates["small"][:4] == rates["large"][:4]  # start-up draws know nothing
    assert rates["small"][4:] != rates["large"][4:]
    assert sorted(rates["small"][4:])[4] < sorted(rates["large"][4:])[4]  # and the later ones go where it was good


def test_a_study_has_as_many_trials_as_were_asked_for_over_all_its_starts(results: Results) -> None:
    for trials, runs in ((5, 5), (5, 0), (9, 4), (3, 0)):
        pool = ScriptedPool()
        run_search(question(trials), pool, results)
        assert len(pool.jobs) == runs
    assert [trial.number for trial in results.study("s").searched] == list(range(9))


def test_a_study_that_goes_on_does_not_repeat_its_draws(results: Results) -> None:
    run_search(question(2), ScriptedPool(), results)
    run_search(question(4), ScriptedPool(), results)
    assert len({trial.settings["train.lr"] for trial in trials_of(results)}) == 4


def test_all_but_killed_trials_count(results: Results) -> None:
    ends = [Status.CRASHED, Status.KILLED, Status.DIVERGED, Status.FINISHED, Status.KILLED, Status.TIMED_OUT]
    run_search(question(5), ScriptedPool(ending=in_turn(ends)), results)
    found = Counter(trial.status for trial in trials_of(results))
    assert found == {Status.CRASHED: 1, Status.DIVERGED: 1, Status.TIMED_OUT: 1, Status.FINISHED: 2}


def test_a_grid_ends_with_its_last_cell(results: Results) -> None:
    asked = question(50, search={"train.lr": [0.1, 0.01], "model.hidden": [4, 8]}, strategy={"sampler": "grid"})
    run_search(asked, ScriptedPool(), results)
    assert len({tuple(trial.settings.values()) for trial in trials_of(results)}) == len(trials_of(results)) == 4


def test_a_conditional_setting_reaches_its_run(results: Results) -> None:
    space = {
        "train.optimizer": ["adamw", "sgd"],
        "train.momentum": {"low": 0.5, "high": 0.95, "when": {"train.optimizer": "sgd"}},
    }
    pool = ScriptedPool(lambda _: [0.5] * 4)
    asked = question(10, search=space, strategy={"sampler": "random"})
    run_search(asked, pool, results)
    specs = {trial.number: results.run(trial.runs[0].run).spec for trial in trials_of(results)}
    kinds = Counter(spec.train.optimizer for spec in specs.values())
    assert kinds.keys() == {"adamw", "sgd"}
    for trial in trials_of(results):
        spec = specs[trial.number]
        assert ("train.momentum" in trial.settings) == (spec.train.optimizer == "sgd")
        assert spec.train.momentum == trial.settings.get("train.momentum", asked.base.train.momentum)
        assert journal(results)[trial.number].params == trial.settings


# Pruning


def test_a_trial_below_the_median_is_stopped_at_that_reading(results: Results) -> None:
    pool = ScriptedPool(worse_from(4))
    events = run_search(question(5), pool, results)
    last = pool.jobs[4].run_id
    assert pool.stopped == {last: (Status.PRUNED, 1)}
    assert len([event for event in events if isinstance(event, Heard) and event.job.run_id == last]) == 1
    assert trials_of(results)[-1].status is Status.PRUNED
    assert states(results) == [TrialState.COMPLETE] * 4 + [TrialState.PRUNED]


def test_nothing_is_pruned_before_its_step(results: Results) -> None:
    pool = ScriptedPool(worse_from(4))
    run_search(question(5, prune_after=30), pool, results)
    assert pool.stopped == {pool.jobs[4].run_id: (Status.PRUNED, 3)}


def test_a_later_start_prunes_by_what_an_earlier_one_found(results: Results) -> None:
    run_search(question(4), ScriptedPool(worse_from(4)), results)
    pool = ScriptedPool(worse_from(4))
    run_search(question(5), pool, results)
    assert pool.stopped == {pool.jobs[0].run_id: (Status.PRUNED, 1)}


# Interruptions


@pytest.mark.parametrize("way", ["to its end", "Ctrl-C", "closed", "out of disk"])
def test_nothing_running_is_left_in_the_journal(results: Results, way: str) -> None:
    cut = None if way in ("to its end", "closed") else 9
    pool = ScriptedPool(workers=2, cut=cut, by=OSError if way == "out of disk" else KeyboardInterrupt)
    search = searching(question(5), pool, results)
    if way == "to its end":
        list(search.events())
    elif way == "closed":
        events = search.events()
        for _ in range(9):
            next(events)
        assert TrialState.RUNNING in states(results)
        events.close()
    else:
        cut_short(search, pool.by)
    assert TrialState.RUNNING not in states(results)
    assert (TrialState.WAITING in states(results)) == (way != "to its end")


def test_a_run_that_was_killed_while_others_go_on_is_taken_up_in_the_same_start(results: Results) -> None:
    pool = ScriptedPool(ending=in_turn([Status.FINISHED, Status.KILLED]), workers=2)
    run_search(question(4), pool, results)
    assert [job.number for job in pool.jobs if isinstance(job, TrialJob)] == [0, 1, 2, 1, 3]
    one, other = [job for job in pool.jobs if isinstance(job, TrialJob) and job.number == 1]
    assert (one.run_id, one.spec, one.settings) == (other.run_id, other.spec, other.settings)
    assert (one.again, other.again) == (False, True)
    assert states(results) == [TrialState.COMPLETE] * 4


@pytest.mark.parametrize("by", [KeyboardInterrupt, Dead, GeneratorExit])
def test_a_killed_trial_is_taken_up_again_as_the_same_run(results: Results, by: type[BaseException]) -> None:
    first = ScriptedPool(workers=2, cut=11, by=by)
    cut_short(searching(question(4), first, results), by)
    open_ones = [trial for trial in trials_of(results) if not trial.done]
    assert [trial.number for trial in open_ones] == [1, 2] or [trial.number for trial in open_ones] == [2, 3]
    if by is not Dead:
        assert [states(results)[trial.number] for trial in open_ones] == [TrialState.WAITING] * 2
    second = ScriptedPool(workers=2)
    run_search(question(4), second, results)
    begun = {job.number: job for job in first.jobs if isinstance(job, TrialJob)}
    for trial in open_ones:
        job = next(job for job in second.jobs if isinstance(job, TrialJob) and job.number == trial.number)
        former = begun[trial.number]
        assert (job.run_id, job.settings, job.spec) == (former.run_id, former.settings, former.spec)
        assert job.again
    assert [trial.number for trial in results.study("s").searched] == [0, 1, 2, 3]
    assert states(results) == [TrialState.COMPLETE] * 4
    assert all(len(results.run(trial.runs[0].run).readings) == 4 for trial in trials_of(results))


def test_a_trial_that_died_before_its_line_was_written_is_asked_for_again(results: Results) -> None:
    run_search(question(1), ScriptedPool(), results)
    asked, files = question(3), results.study("s")
    number, drawn = Asker(asked, results, Ledger(results, files)).ask()  # and the driver dies
    assert states(results) == [TrialState.COMPLETE, TrialState.RUNNING]
    run_search(asked, ScriptedPool(), results)
    assert trials_of(results)[number].settings == drawn
    assert states(results) == [TrialState.COMPLETE] * 3


def forget_to_tell(search: Search, number: int) -> None:
    """Let the driver die after a trial's end was written, and before Optuna was told."""
    tell = search._asker.tell

    def dying(trial: Trial) -> None:
        if trial.number == number:
            raise Dead
        tell(trial)

    search._asker.tell = dying  # type: ignore[method-assign]


@pytest.mark.parametrize("trials", [3, 6])
def test_a_done_trial_that_optuna_was_not_told_is_told_at_the_next_start(results: Results, trials: int) -> None:
    search = searching(question(3), ScriptedPool(), results)
    forget_to_tell(search, 2)
    cut_short(search, Dead)
    assert trials_of(results)[2].done
    assert states(results)[2] is TrialState.RUNNING
    run_search(question(trials), ScriptedPool(), results)
    assert states(results) == [TrialState.COMPLETE] * trials
    assert journal(results)[2].value == trials_of(results)[2].objective


def test_what_optuna_was_not_told_is_told_before_it_is_asked_again(results: Results) -> None:
    def script(job: Job) -> list[float]:
        assert isinstance(job, TrialJob)
        return [0.9 if job.number == 4 else 0.5 - job.spec.train.lr] * 4  # it is the one to go after

    asked = question(8)
    run_search(asked, ScriptedPool(script), results, "whole")
    search = searching(question(5), ScriptedPool(script), results, "cut", force=True)
    forget_to_tell(search, 4)
    cut_short(search, Dead)
    run_search(asked, ScriptedPool(script), results, "cut", force=True)
    assert outcome(results, "cut") == outcome(results, "whole")


def test_an_untold_trial_below_told_ones_is_told_too(results: Results) -> None:
    """Two runs at once: the lower number's end was not told, and the higher one's start is cut short again."""
    search = searching(question(2), ScriptedPool(workers=2), results)
    forget_to_tell(search, 0)
    cut_short(search, Dead)
    cut_short(searching(question(4), ScriptedPool(workers=2, cut=9), results), KeyboardInterrupt)
    assert TrialState.RUNNING not in states(results)
    run_search(question(4), ScriptedPool(workers=2), results)
    assert states(results) == [TrialState.COMPLETE] * 4


def curved(job: Job) -> list[float]:
    """Some settings are good, some are pruned, and it takes two readings to see."""
    rate = job.spec.train.lr
    return [0.5 + 0.01 * at - rate * at for at in range(1, 5)]


def some_crash(job: Job) -> Status:
    return Status.CRASHED if int(job.spec.train.lr * 1e7) % 4 == 0 else Status.FINISHED


def test_a_journal_that_was_deleted_is_made_again_from_the_files(results: Results) -> None:
    run_search(question(7, max_failures=99), ScriptedPool(worse_from(4), some_crash), results)
    before = known_to_optuna(results)
    results.journal.unlink()
    run_search(question(7, max_failures=99), ScriptedPool(worse_from(4), some_crash), results)
    again = known_to_optuna(results)
    pruned = [trial for trial in before if trial[1] is TrialState.PRUNED]
    assert pruned
    assert [trial for trial in again if trial[1] is not TrialState.PRUNED] == [
        trial for trial in before if trial[1] is not TrialState.PRUNED
    ]
    assert [trial[:2] for trial in again] == [trial[:2] for trial in before]


def test_a_pruned_trial_keeps_its_curve_when_the_journal_is_made_again(results: Results) -> None:
    run_search(question(6), ScriptedPool(worse_from(4)), results)
    before = [(trial.state, trial.values, trial.intermediate_values) for trial in journal(results)]
    assert before[4][0] is TrialState.PRUNED
    results.journal.unlink()
    run_search(question(6), ScriptedPool(worse_from(4)), results)
    again = [(trial.state, trial.values, trial.intermediate_values) for trial in journal(results)]
    assert again[4] == before[4]


def test_a_study_goes_on_to_exactly_as_many_trials_after_its_journal_was_deleted(results: Results) -> None:
    cut_short(searching(question(6), ScriptedPool(workers=2, cut=20), results), KeyboardInterrupt)
    before = outcome(results)
    results.journal.unlink()
    run_search(question(6), ScriptedPool(workers=2), results)
    again = outcome(results)
    assert [trial["settings"] for trial in again[: len(before)]] == [trial["settings"] for trial in before]
    assert [trial["number"] for trial in again] == list(range(6))
    assert states(results) == [TrialState.COMPLETE] * 6
    assert [trial.value for trial in journal(results)] == [trial["objective"] for trial in again]


def test_a_journal_that_lost_its_end_is_completed_from_the_files(results: Results) -> None:
    """A kill while it is made again, or a power cut, leaves fewer trials in it than the files know."""
    run_search(question(2), ScriptedPool(), results)
    shutil.copy(results.journal, results.root / "early")
    run_search(question(5), ScriptedPool(), results)
    before = outcome(results)
    shutil.move(results.root / "early", results.journal)
    run_search(question(6), ScriptedPool(), results)
    assert outcome(results)[:5] == before
    assert [trial.params for trial in journal(results)] == [trial.settings for trial in trials_of(results)]
    assert states(results) == [TrialState.COMPLETE] * 6


def test_a_study_whose_folder_was_deleted_begins_anew(results: Results) -> None:
    run_search(question(3), ScriptedPool(), results)
    shutil.rmtree(results.study("s").path)
    run_search(question(2), ScriptedPool(), results)
    assert [trial.number for trial in journal(results)] == [0, 1]


orders = st.integers(0, 10**6).map(random.Random)  # st.randoms prefers the first of each choice
cuts = st.lists(st.tuples(st.integers(1, 30), st.sampled_from([KeyboardInterrupt, Dead, GeneratorExit])), max_size=3)


@few
@given(cuts=cuts, workers=st.integers(1, 3), order=orders)
def test_a_study_that_is_cut_short_anywhere_ends_as_the_one_that_was_not(
    cuts: list[tuple[int, type[BaseException]]],
    workers: int,
    order: random.Random,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    results = fresh(tmp_path_factory)
    asked = question(6, strategy={"sampler": "random", "pruner": "none"}, max_failures=99)
    whole = ScriptedPool(curved, some_crash)
    run_search(asked, whole, results, "whole")
    for cut, by in cuts:
        pool = ScriptedPool(curved, some_crash, workers=workers, pick=order.choice, cut=cut, by=by)
        perhaps_cut_short(searching(asked, pool, results, "cut", force=True), by)
        if by is not Dead:
            assert TrialState.RUNNING not in states(results, "cut")
    run_search(asked, ScriptedPool(curved, some_crash, workers=workers), results, "cut", force=True)
    assert outcome(results, "cut") == outcome(results, "whole")
    assert known_to_optuna(results, "cut") == known_to_optuna(results, "whole")


def fresh(tmp_path_factory: pytest.TempPathFactory) -> Results:
    results = Results(tmp_path_factory.mktemp("drawn") / "results")
    results.root.mkdir()
    return results


# Seeds


def by_seed(job: Job) -> list[float]:
    return [0.5 + 0.1 * job.spec.seed - job.spec.train.lr] * 4


def test_a_trial_is_judged_by_the_mean_over_its_seeds(results: Results) -> None:
    pool = ScriptedPool(by_seed)
    run_search(question(3, seeds=3), pool, results)
    for trial in trials_of(results):
        assert [line.seed for line in trial.runs] == [0, 1, 2]
        assert [line.trial_status for line in trial.runs] == [None, None, Status.FINISHED]
        assert trial.objective == pytest.approx(0.6 - trial.settings["train.lr"])
        assert journal(results)[trial.number].value == trial.objective
        curve = journal(results)[trial.number].intermediate_values
        assert list(curve) == [40 * seed + step for seed in range(3) for step in (10, 20, 30, 40)]
        assert curve[120] == pytest.approx(trial.objective)
    numbers = [job.number for job in pool.jobs if isinstance(job, TrialJob)]
    assert numbers == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert len({job.run_id for job in pool.jobs}) == 9


def test_a_failed_seed_ends_its_trial_with_its_status(results: Results) -> None:
    run_search(question(3, seeds=2), ScriptedPool(ending=in_turn([Status.FINISHED, Status.OUT_OF_MEMORY])), results)
    first = trials_of(results)[0]
    assert (first.status, first.objective, len(first.runs)) == (Status.OUT_OF_MEMORY, None, 2)
    assert states(results) == [TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]


def test_a_clearly_lost_setting_does_not_get_its_other_seeds(results: Results) -> None:
    def script(job: Job) -> list[float]:
        assert isinstance(job, TrialJob)
        return [(0.9 if job.number < 2 else 0.5) + 0.01 * job.spec.seed] * 4

    run_search(question(3, seeds=3, strategy={"pruner": "none"}), ScriptedPool(script), results)
    good, _, lost = trials_of(results)
    assert [len(trial.runs) for trial in trials_of(results)] == [3, 3, 1]
    assert (good.status, lost.status) == (Status.FINISHED, Status.PRUNED)
    assert (lost.runs[0].status, lost.objective) == (Status.FINISHED, None)
    assert states(results)[2] is TrialState.PRUNED
    assert results.study("s").searched == trials_of(results)  # it counts


def test_a_trial_that_was_killed_between_its_seeds_goes_on_with_the_next_one(results: Results) -> None:
    asked = question(2, seeds=3)
    first = ScriptedPool(by_seed, cut=9)  # the second seed has begun
    cut_short(searching(asked, first, results), KeyboardInterrupt)
    assert [line.status for line in trials_of(results)[0].runs] == [Status.FINISHED, Status.KILLED]
    second = ScriptedPool(by_seed)
    run_search(asked, second, results)
    assert [job.spec.seed for job in second.jobs] == [1, 2, 0, 1, 2]
    assert second.jobs[0].run_id == first.jobs[1].run_id
    whole = ScriptedPool(by_seed)
    run_search(asked, whole, results, "whole", force=True)
    assert outcome(results) == outcome(results, "whole")
    assert [trial.intermediate_values for trial in journal(results)] == [
        trial.intermediate_values for trial in journal(results, "whole")
    ]


def test_the_second_seed_is_judged_on_the_running_mean_at_equal_step(results: Results) -> None:
    def script(job: Job) -> list[float]:
        assert isinstance(job, TrialJob)
        if job.number < 4:
            return [0.5] * 4
        return [0.9] * 4 if job.spec.seed == 0 else [0.3, 0.1, 0.05, 0.0]  # means 0.6, 0.5, 0.475, 0.45

    pool = ScriptedPool(script)
    run_search(question(5, seeds=2, search={"train.lr": [0.1, 0.01]}), pool, results, force=True)
    assert pool.stopped == {}  # its best mean in that seed, 0.6, is what the median pruner compares
    pool = ScriptedPool(lambda job: [0.51, 0.51, 0.51, 0.51] if job.spec.seed == 0 or job.number < 4 else [0.3] * 4)
    run_search(question(5, seeds=2, search={"train.lr": [0.1, 0.01]}), pool, results, "lost", force=True)
    last = trials_of(results, "lost")[4]
    assert [line.status for line in last.runs] == [Status.FINISHED, Status.PRUNED]
    assert pool.stopped == {last.runs[1].run: (Status.PRUNED, 1)}


# Reuse


def test_a_known_setting_is_not_executed_again(results: Results) -> None:
    asked = question(4, strategy={"sampler": "random"})
    run_search(asked, ScriptedPool(), results, "one")
    pool = ScriptedPool()
    events = run_search(asked, pool, results, "two")
    assert pool.jobs == []
    assert outcome(results, "two") == outcome(results, "one")
    lines = {name: results.study(name).lines for name in ("one", "two")}
    assert [line.run for line in lines["two"]] == [line.run for line in lines["one"]]
    assert [line.reused for line in lines["one"] + lines["two"]] == [False] * 4 + [True] * 4
    kinds = [type(event) for event in events]
    assert kinds == [Started, *[Heard] * 4, Ended] * 4
    assert [trial.intermediate_values for trial in journal(results, "two")] == [
        trial.intermediate_values for trial in journal(results, "one")
    ]


def test_what_is_forced_is_executed(results: Results) -> None:
    asked = question(3, strategy={"sampler": "random"})
    run_search(asked, ScriptedPool(), results, "one")
    pool = ScriptedPool()
    run_search(asked, pool, results, "two", force=True)
    assert len(pool.jobs) == 3
    assert not any(line.reused for line in results.study("two").lines)


def test_a_setting_that_comes_twice_in_a_study_is_executed_once_a_seed(results: Results) -> None:
    pool = ScriptedPool()
    run_search(question(8, seeds=2, search={"train.lr": [0.1, 0.01]}, strategy={"pruner": "none"}), pool, results)
    assert len({job.fingerprint for job in pool.jobs}) == 2
    assert len(pool.jobs) <= 4
    assert len(results.study("s").searched) == 8


def test_other_data_are_another_run(results: Results) -> None:
    asked = question(2, strategy={"sampler": "random"})
    run_search(asked, ScriptedPool(), results, "one")
    pool, files = ScriptedPool(), results.study("two")
    files.begin(asked.to_toml(FACTS))
    list(Search(asked, FACTS | {"data": "new"}, pool, results, Ledger(results, files)).events())
    assert len(pool.jobs) == 2


@pytest.mark.parametrize(
    "strategy",
    [{"objectives": ["valid/accuracy", "cost/train_seconds"]}, {"deterministic": True}],
    ids=["timed", "deterministic"],
)
def test_timed_objectives_and_deterministic_studies_run_all_themselves(
    results: Results, strategy: Mapping[str, Any]
) -> None:
    run_search(question(3, strategy={"sampler": "random"}), ScriptedPool(), results, "one")
    pool = ScriptedPool(figures=lambda _: {"cost/train_seconds": 1.0})
    run_search(question(3, strategy={"sampler": "random", **strategy}), pool, results, "two")
    assert len(pool.jobs) == 3


def test_counted_objectives_are_known(results: Results) -> None:
    run_search(question(3, strategy={"sampler": "random"}), ScriptedPool(), results, "one")
    pool = ScriptedPool()
    both = {"sampler": "random", "objectives": ["valid/accuracy", "model/parameters"]}
    run_search(question(3, strategy=both), pool, results, "two")
    assert pool.jobs == []
    assert all(trial.measures[1] == 100.0 for trial in trials_of(results, "two"))


@pytest.mark.parametrize("status", [Status.PRUNED, Status.CRASHED, Status.DIVERGED])
def test_a_run_that_was_not_complete_is_run_again(results: Results, status: Status) -> None:
    asked = question(1, strategy={"sampler": "random"})
    run_search(asked, ScriptedPool(ending=lambda _: status), results, "one")
    pool = ScriptedPool()
    run_search(asked, pool, results, "two")
    assert len(pool.jobs) == 1


def test_a_known_run_whose_folder_was_deleted_is_run_again(results: Results) -> None:
    asked = question(2, strategy={"sampler": "random"})
    run_search(asked, ScriptedPool(), results, "one")
    shutil.rmtree(results.runs)
    pool = ScriptedPool()
    run_search(asked, pool, results, "two")
    assert len(pool.jobs) == 2


def test_hundreds_of_known_runs_are_yielded_a_few_at_a_time(results: Results) -> None:
    asked = question(60, search={"train.lr": [0.1, 0.01]}, strategy={"sampler": "random"})
    pool, held = ScriptedPool(), 0
    search = searching(asked, pool, results)
    for _ in search.events():
        held = max(held, len(search._happened))
    assert len(pool.jobs) == 2
    assert len(results.study("s").searched) == 60
    assert held < 120


# Several objectives

BOTH = ["model/parameters", "valid/accuracy", "speed/timesteps_per_second"]


def costs(job: Job) -> dict[str, float]:
    return {"model/parameters": 1000 * job.spec.train.lr, "speed/timesteps_per_second": 7.0}


def test_several_objectives_are_told_in_their_order(results: Results) -> None:
    asked = question(6, strategy={"objectives": BOTH})
    run_search(asked, ScriptedPool(figures=costs), results)
    study = optuna.load_study(study_name="s", storage=open_journal(results.journal))
    assert [direction.name for direction in study.directions] == ["MINIMIZE", "MAXIMIZE", "MAXIMIZE"]
    for trial, known in zip(trials_of(results), study.trials, strict=True):
        rate = trial.settings["train.lr"]
        assert known.values == list(trial.measures) == pytest.approx([1000 * rate, 1 - rate, 7.0])
    front = front_of(trials_of(results), BOTH, asked.goal)
    assert [found["trial"] for found in front] == [study.best_trials[0].number]  # the smallest rate is best in all
    assert {trial.number for trial in study.best_trials} == {found["trial"] for found in front}


def test_with_several_objectives_quality_alone_is_judged(results: Results) -> None:
    pool = ScriptedPool(worse_from(4), figures=lambda job: {"model/parameters": 1.0 if job.number == 4 else 9.0})
    run_search(question(5, strategy={"objectives": ["valid/accuracy", "model/parameters"]}), pool, results)
    assert pool.stopped == {pool.jobs[4].run_id: (Status.PRUNED, 1)}
    assert states(results)[4] is TrialState.PRUNED


@pytest.mark.parametrize("seeds", [1, 2])
def test_a_missing_figure_is_a_failure(results: Results, seeds: int) -> None:
    """With two seeds, it is the second one's."""
    asked = question(3, seeds=seeds, strategy={"objectives": ["valid/accuracy", "memory/peak_rss_mib"]})

    def figures(job: Job) -> dict[str, float]:
        return {} if job.number == 1 and job.spec.seed == seeds - 1 else {"memory/peak_rss_mib": 5.0}

    run_search(asked, ScriptedPool(figures=figures), results)
    assert states(results) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    assert trials_of(results)[1].objective is None
    assert len(trials_of(results)[1].runs) == seeds
    results.journal.unlink()
    run_search(asked, ScriptedPool(figures=figures), results)
    assert states(results) == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]


# Deterministic studies


def in_order(workers: int, trials: int = 9, seeds: int = 1) -> Question:
    return question(trials, workers=workers, seeds=seeds, strategy={"deterministic": True}, max_failures=99)


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], Results]:
    """Deterministic studies whose runs take turns, by workers and seeds."""
    found = {}
    for workers, seeds in ((1, 1), (2, 1), (3, 1), (2, 2)):
        found[workers, seeds] = fresh(tmp_path_factory)
        pool = ScriptedPool(curved_by_seed, some_crash, workers=workers)
        run_search(in_order(workers, seeds=seeds), pool, found[workers, seeds])
    return found


def curved_by_seed(job: Job) -> list[float]:
    return [score + 1e-3 * job.spec.seed for score in curved(job)]


@few
@given(
    which=st.sampled_from([(1, 1), (2, 1), (3, 1), (2, 2)]),
    order=orders,
    cuts=st.lists(st.tuples(st.integers(1, 45), st.sampled_from([KeyboardInterrupt, Dead, GeneratorExit])), max_size=2),
)
def test_a_deterministic_study_is_the_same_in_every_order_and_after_every_interruption(
    which: tuple[int, int],
    order: random.Random,
    cuts: list[tuple[int, type[BaseException]]],
    references: dict[tuple[int, int], Results],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    (workers, seeds), results = which, fresh(tmp_path_factory)
    for cut, by in [*cuts, (None, Dead)]:
        pool = ScriptedPool(curved_by_seed, some_crash, workers=workers, pick=order.choice, cut=cut, by=by)
        perhaps_cut_short(searching(in_order(workers, seeds=seeds), pool, results), by)
    assert outcome(results) == outcome(references[which])
    assert known_to_optuna(results) == known_to_optuna(references[which])
    told = [trial.datetime_complete for trial in journal(results)]
    assert told == sorted(told, key=lambda at: at or 0)


def test_the_deterministic_reference_has_trials_of_every_kind(references: dict[tuple[int, int], Results]) -> None:
    """Else the property above would prove little."""
    for results in references.values():
        assert Status.PRUNED in {trial.status for trial in trials_of(results)}
    assert outcome(references[2, 1]) != outcome(references[3, 1])  # the workers are part of the question


def test_a_deterministic_study_with_a_done_trial_above_a_killed_one_goes_on(results: Results) -> None:
    def last(plays: list[Play]) -> Play:
        return plays[-1]

    pool = ScriptedPool(workers=2, pick=last, cut=7)  # trial 1 is done, trial 0 has begun
    cut_short(searching(in_order(2, 4), pool, results), KeyboardInterrupt)
    assert [trial.done for trial in trials_of(results)] == [False, True]
    run_search(in_order(2, 4), ScriptedPool(workers=2), results)
    run_search(in_order(2, 4), ScriptedPool(workers=2), results, "whole")
    assert outcome(results) == outcome(results, "whole")
    assert states(results) == [TrialState.COMPLETE] * 4


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "grid", "nsga-ii,population_size=4", "cma-es"])
@pytest.mark.parametrize("by", [KeyboardInterrupt, Dead])
def test_whatever_the_sampler_a_deterministic_study_goes_on_as_if_it_had_not_been_cut_short(
    results: Results, sampler: str, by: type[BaseException]
) -> None:
    space = {
        "train.lr": {"low": 0.01, "high": 0.1, "step": 0.01},
        "train.weight_decay": {"low": 0, "high": 1, "step": 1},
    }
    strategy = {"deterministic": True, "sampler": sampler, "pruner": "asha"}
    asked = question(10, workers=2, search=space, strategy=strategy, seeds=2, max_failures=99)
    run_search(asked, ScriptedPool(curved_by_seed, workers=2), results, "whole")
    for cut in (12, 15, None):
        order = random.Random(cut)
        pool = ScriptedPool(curved_by_seed, workers=2, pick=order.choice, cut=cut, by=by)
        perhaps_cut_short(searching(asked, pool, results), by)
    assert outcome(results) == outcome(results, "whole")


def test_a_deterministic_study_that_is_extended_is_the_same_again(results: Results) -> None:
    for name, seed in (("s", 0), ("whole", 1)):
        order = random.Random(seed)
        for trials in (7, 12):
            run_search(in_order(3, trials), ScriptedPool(curved, workers=3, pick=order.choice), results, name)
    assert outcome(results) == outcome(results, "whole")


def test_a_run_of_a_deterministic_study_waits_for_its_word(results: Results) -> None:
    pool = ScriptedPool(workers=2)
    run_search(in_order(2, 3), pool, results)
    assert all(job.waits for job in pool.jobs)
    free = ScriptedPool()
    run_search(question(2), free, results, "free")
    assert not any(job.waits for job in free.jobs)


def test_a_pruner_that_does_not_fit_the_longest_run_is_refused_before_anything_is_written() -> None:
    strategy = {"pruner": {"name": "hyperband", "min_resource": 30}}
    Question.of(StudyTable({"task": "toy:Toy"}, {}, strategy, {"train.steps": [10, 60]}), {})
    with pytest.raises(UsageError, match="min_resource = 30, max_resource = 20"):
        Question.of(StudyTable({"task": "toy:Toy"}, {}, strategy, {"train.steps": [10, 20]}), {})


# Budgets that are not in steps, and what is settled for each run


def test_runs_whose_budget_is_not_in_steps_have_seeds_one_after_another_and_no_hyperband() -> None:
    run = {"task": "toy:Toy", "train": {"sequences": 640}}
    asked = Question.of(StudyTable(run, {"seeds": 3}, {}, None), {})
    assert (asked.base.train.steps, asked.steps) == (0, 0)
    assert asked.span > 10**6
    with pytest.raises(UsageError, match=r"pruner 'hyperband' divides train\.steps, which is 0: expected it"):
        Question.of(StudyTable(run, {}, {"pruner": "hyperband"}, None), {})


@pytest.mark.parametrize("space", [None, {"train.seconds": {"low": 1.0, "high": 2.0}}])
def test_a_deterministic_study_has_no_budget_in_seconds(space: dict[str, Any] | None) -> None:
    run = {"task": "toy:Toy", "train": {} if space else {"seconds": 2}}
    with pytest.raises(UsageError, match=r"--deterministic with train\.seconds: .* use train\.steps"):
        Question.of(StudyTable(run, {}, {"deterministic": True}, space), {})


def test_the_precision_is_settled_for_each_run_by_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_bench.device.has_native_bfloat16", lambda _: True)
    run = {"task": "toy:Toy", "train": {"precision": "auto"}}
    asked = Question.of(StudyTable(run, {}, {}, {"model.hidden": [8, 128]}), {})
    assert asked.asked(FACTS)["train"]["precision"] == "auto"
    assert [asked.run_spec({"model.hidden": hidden}, 0).train.precision for hidden in (8, 128)] == [
        "float32",
        "bfloat16",
    ]


# Minutes and failures


class Clock:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def ticking(self, job: Job) -> Status:
        """Each run's beginning takes 10 s."""
        self.seconds += 10
        return finished(job)


def test_after_the_minutes_nothing_begins_and_what_runs_waits_for_more(results: Results) -> None:
    clock, pool = Clock(), ScriptedPool(workers=2)
    pool.ending = clock.ticking
    list(searching(question(None, minutes=0.5), pool, results, now=clock).events())  # at the third, time is up
    assert len(pool.jobs) == 3
    killed = [trial for trial in trials_of(results) if not trial.done]
    assert set(pool.stopped.values()) == {(Status.KILLED, at) for _, at in pool.stopped.values()}
    assert [trial.runs[0].run for trial in killed] == list(pool.stopped)
    assert [trial.runs[0].status for trial in killed] == [Status.KILLED] * len(killed)
    assert killed
    assert TrialState.RUNNING not in states(results)
    assert [states(results)[trial.number] for trial in killed] == [TrialState.WAITING] * len(killed)
    idle = ScriptedPool(workers=2)
    list(searching(question(None, minutes=0.5), idle, results, now=clock).events())
    assert idle.jobs == []
    more = ScriptedPool(workers=2)
    more.ending = clock.ticking
    list(searching(question(None, minutes=1.2), more, results, now=clock).events())
    assert [job.run_id for job in more.jobs[: len(killed)]] == [trial.runs[0].run for trial in killed]
    assert all(trial.done for trial in trials_of(results)[:3])
    assert len(trials_of(results)) == 6


def test_trials_and_minutes_end_a_study_whichever_comes_first(results: Results) -> None:
    clock, pool = Clock(), ScriptedPool()
    pool.ending = clock.ticking
    list(searching(question(2, minutes=5), pool, results, now=clock).events())
    assert [trial.done for trial in trials_of(results)] == [True, True]


def test_too_many_failures_in_a_row_stop_a_study(results: Results) -> None:
    pool = ScriptedPool(ending=lambda job: Status.CRASHED if job.number else Status.FINISHED, workers=2)
    pool.pick = lambda plays: plays[-1]  # trial 0 goes on while the others fail
    with pytest.raises(BenchError, match=r"study s: 3 trials in a row failed, the last one crashed; .*max-failures 2"):
        run_search(question(9, max_failures=2), pool, results)
    assert [trial.status for trial in trials_of(results)] == [None, *[Status.CRASHED] * 3]
    assert trials_of(results)[0].runs[0].status is Status.KILLED
    assert states(results) == [TrialState.WAITING, *[TrialState.FAIL] * 3]
    second = ScriptedPool(ending=lambda job: Status.CRASHED if job.number < 6 else Status.FINISHED)
    run_search(question(7, max_failures=3), second, results)  # counted per start: 0, 4 and 5 fail
    assert [job.number for job in second.jobs if isinstance(job, TrialJob)] == [0, 4, 5, 6]


def test_failures_that_are_not_in_a_row_are_borne(results: Results) -> None:
    ends = [Status.CRASHED, Status.FINISHED, Status.DIVERGED, Status.PRUNED, Status.TIMED_OUT]
    run_search(question(5, max_failures=1), ScriptedPool(ending=in_turn(ends)), results)
    assert [trial.status for trial in trials_of(results)] == ends


# Warm starts

FIRST = [{"train.lr": 0.05}, {"train.lr": 0.002}]


def rates(results: Results) -> list[float]:
    return [trial.settings["train.lr"] for trial in trials_of(results)]


def test_settings_to_start_from_come_first_and_once(results: Results) -> None:
    for trials in (1, 3, 6):
        run_search(question(trials, strategy={"enqueue": FIRST}), ScriptedPool(), results)
        assert rates(results)[:2] == [0.05, 0.002][:trials]
    assert len(set(rates(results))) == 6


@pytest.mark.parametrize("events", [0, 1, 4])
def test_settings_to_start_from_come_once_when_the_first_start_is_killed(results: Results, events: int) -> None:
    asked = question(4, strategy={"enqueue": FIRST})
    search = searching(asked, ScriptedPool(cut=events or None, by=Dead), results)
    if events:
        cut_short(search, Dead)
    run_search(asked, ScriptedPool(), results)
    assert rates(results)[:2] == [0.05, 0.002]
    assert len(set(rates(results))) == 4
    assert states(results) == [TrialState.COMPLETE] * 4


def test_settings_to_start_from_come_too_when_the_journal_is_made_again(results: Results) -> None:
    asked = question(4, strategy={"enqueue": FIRST})
    run_search(question(1, strategy={"enqueue": FIRST}), ScriptedPool(), results)
    results.journal.unlink()
    run_search(asked, ScriptedPool(), results)
    assert rates(results)[:2] == [0.05, 0.002]


def test_what_settings_to_start_from_leave_out_is_drawn(results: Results) -> None:
    space = {**RATES, "model.hidden": {"low": 2, "high": 64}}
    run_search(question(2, search=space, strategy={"enqueue": FIRST}), ScriptedPool(), results)
    assert rates(results) == [0.05, 0.002]
    assert all(2 <= trial.settings["model.hidden"] <= 64 for trial in trials_of(results))


# Confirming


def confirming(asked: Question, pool: ScriptedPool, results: Results) -> list[Event]:
    ledger = Ledger(results, results.study("s"))
    top = top_trials(ledger.trials, asked.goal, asked.budget.confirm_top)
    return list(confirm(asked, FACTS, top, pool, results, ledger))


def test_confirm_runs_the_best_settings_on_fresh_seeds_and_alone_touches_test(results: Results) -> None:
    asked, searched, confirmed = question(6, confirm_top=2), ScriptedPool(), ScriptedPool()
    run_search(asked, searched, results)
    best = best_trial(trials_of(results), asked.goal)
    assert best is not None
    assert best.settings["train.lr"] == min(rates(results))
    confirming(asked, confirmed, results)
    assert not any(job.test for job in searched.jobs)
    assert all(job.test for job in confirmed.jobs)
    two = sorted(rates(results))[:2]
    assert [(job.spec.seed, job.spec.train.lr) for job in confirmed.jobs] == [
        (FRESH_SEEDS_FROM + k, rate) for k in range(3) for rate in two
    ]  # seed by seed
    assert {job.spec.seed for job in searched.jobs}.isdisjoint(asked.fresh_seeds)
    again = ScriptedPool()
    assert confirming(asked, again, results) == []
    assert [line.seed for line in results.study("s").confirmed(best.number)] == asked.fresh_seeds


def test_a_confirming_run_that_was_killed_is_taken_up_again(results: Results) -> None:
    asked = question(3)
    run_search(asked, ScriptedPool(), results)
    same = ScriptedPool(ending=in_turn([Status.KILLED]), cut=8)  # the first is killed, the second is cut short
    with pytest.raises(KeyboardInterrupt):
        confirming(asked, same, results)
    left = ScriptedPool()
    confirming(asked, left, results)
    assert {job.run_id for job in same.jobs} <= {job.run_id for job in left.jobs}
    assert sorted(job.spec.seed for job in left.jobs) == asked.fresh_seeds
    ledger = Ledger(results, results.study("s"))
    assert list(still_due(asked, ledger.trials, ledger)) != []  # of the others
    best = best_trial(trials_of(results), asked.goal)
    assert best is not None
    assert list(still_due(asked, [best], ledger)) == []


def test_confirm_may_have_a_larger_budget_than_the_search(results: Results) -> None:
    asked, searched, confirmed = question(2, confirming={"train.steps": 70}), ScriptedPool(), ScriptedPool()
    run_search(asked, searched, results)
    confirming(asked, confirmed, results)
    assert {job.spec.train.steps for job in searched.jobs} == {40}
    assert {job.spec.train.steps for job in confirmed.jobs} == {70}


# Questions, names


def test_a_name_is_one_question(results: Results) -> None:
    asked = question(3)
    files = files_of(results, "mine", "toy", asked.asked(FACTS))
    files.begin(asked.to_toml(FACTS))
    more = question(7, minutes=3, confirm_seeds=9, confirm_top=2, run_timeout=5, max_failures=1)
    assert files_of(results, "mine", "toy", more.asked(FACTS)) == files  # more trials are the same question
    other = question(3, run={"train": {"steps": 50}})
    with pytest.raises(UsageError, match=r"'mine' asked something else \(train.steps differ"):
        files_of(results, "mine", "toy", other.asked(FACTS))
    with pytest.raises(UsageError, match=r"facts.data differ"):
        files_of(results, "mine", "toy", asked.asked(FACTS | {"data": "new"}))


@pytest.mark.parametrize(
    ("other", "path"),
    [
        ({"seeds": 2}, "seeds"),
        ({"prune_after": 9}, "prune_after"),
        ({"strategy": {"sampler": "random"}}, "sampler"),
        ({"strategy": {"deterministic": True}}, "deterministic, workers"),
        ({"strategy": {"enqueue": FIRST}}, "enqueue"),
        ({"search": {"train.lr": [0.1, 0.01]}}, "search.train.lr"),
        ({"confirming": {"train.steps": 70}}, "confirm.train.steps"),
        ({"run": {"seed": 5}}, "seed"),
    ],
)
def test_what_makes_another_question_is_named(results: Results, other: dict[str, Any], path: str) -> None:
    results.study("mine").begin(question(3).to_toml(FACTS))
    with pytest.raises(UsageError) as error:
        files_of(results, "mine", "toy", question(3, **other).asked(FACTS))
    assert f"({path} differ)" in str(error.value)


def test_without_a_name_another_question_gets_the_next_number(results: Results) -> None:
    asked, other = question(3), question(3, run={"train": {"steps": 50}})
    files_of(results, None, "toy", asked.asked(FACTS)).begin(asked.to_toml(FACTS))
    second = files_of(results, None, "toy", other.asked(FACTS))
    assert second.name == "toy-2"
    second.begin(other.to_toml(FACTS))
    assert files_of(results, None, "toy", asked.asked(FACTS)).name == "toy"
    assert files_of(results, None, "toy", other.asked(FACTS)).name == "toy-2"


@pytest.mark.parametrize("name", ["../out", "a/b", "", "-x", "a b", "a" * 101, "..", "x\n"])
def test_a_study_name_that_is_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--name"):
        check_name(name)


@pytest.mark.parametrize("name", ["first", "a.b_c-9", "a" * 100])
def test_a_study_name_is_what_was_given(name: str) -> None:
    assert check_name(name) == name


TWO = ["valid/accuracy", "model/parameters"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"run": {"task": "toi:Toy"}}, "toi:Toy"),
        ({"run": {"train": {"stepz": 9}}}, "Did you mean 'train.steps'"),
        ({"run": {"seed": FRESH_SEEDS_FROM}}, "seed = 1000 with 1 of them: expected below 1000"),
        ({"run": {"seed": 998}, "seeds": 3}, "seed = 998 with 3 of them"),
        ({"confirming": {"train.stepz": 9}}, "Did you mean 'train.steps'"),
        ({"confirming": {"train.steps": 0}}, "train: steps, epochs"),
        ({"confirming": {"seed": 1}}, "seed in confirm"),
        ({"trials": 0}, "trials = 0"),
        ({"trials": "many"}, "trials = 'many'"),
        ({"minutes": 0}, "minutes = 0"),
        ({"seeds": 0}, "seeds = 0"),
        ({"seeds": True}, "seeds = True"),
        ({"confirm_seeds": -1}, "confirm_seeds = -1"),
        ({"confirm_top": 1.5}, "confirm_top = 1.5"),
        ({"prune_after": -1}, "prune_after = -1"),
        ({"run_timeout": -2}, "run_timeout = -2"),
        ({"max_failures": -1}, "max_failures = -1"),
        ({"strategy": {"sampler": "tpee"}}, "Did you mean 'tpe'"),
        ({"strategy": {"sampler": 3}}, "sampler = 3"),
        ({"strategy": {"sampler": "tpe,n_startup=3"}}, "Did you mean 'n_startup_trials'"),
        ({"strategy": {"sampler": {"name": "tpe", "n_startup_trials": -1}}}, "n_startup_trials = -1"),
        ({"strategy": {"sampler": "grid"}}, "sampler 'grid' cannot try every value of train.lr"),
        ({"strategy": {"sampler": "cma-es", "objectives": TWO}}, "'cma-es' with 2 objectives"),
        ({"strategy": {"pruner": "medean"}}, "Did you mean 'median'"),
        ({"strategy": {"pruner": "percentile,percentile=101"}}, "percentile = 101"),
        ({"strategy": {"pruner": "hyperband,max_resource=1"}}, "expected min_resource to be no larger"),
        ({"strategy": {"objectives": ["model/parameters"]}}, "expected valid/accuracy among them"),
        ({"strategy": {"objectives": ["valid/acuracy"]}}, "Did you mean 'valid/accuracy'"),
        ({"strategy": {"objectives": ["valid/accuracy"] * 2}}, "expected each of them once"),
        ({"strategy": {"objectives": [*TWO, "memory/peak_allocated_mib"]}}, "memory/peak_allocated_mib"),
        ({"strategy": {"objectives": "valid/accuracy"}}, "objectives = 'valid/accuracy'"),
        ({"strategy": {"deterministic": "yes"}}, "deterministic = 'yes'"),
        ({"strategy": {"deterministic": True}, "minutes": 3}, "--deterministic with --minutes"),
        ({"strategy": {"enqueue": [{"train.rl": 0.1}]}}, "Did you mean 'train.lr'"),
        ({"strategy": {"enqueue": [{"train.lr": 9.0}]}}, "train.lr = 9.0"),
        ({"strategy": {"enqueue": {"train.lr": 0.1}}}, "enqueue = "),
        ({"strategy": {"enqueue": [3]}}, "enqueue"),
    ],
    ids=str,
)
def test_a_question_that_cannot_be_is_one_line(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as error:
        question(**asked)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_study_that_is_given_neither_number_nor_minutes_has_twelve_trials() -> None:
    assert question(None).trials == 12
    assert question(None, minutes=1).trials == float("inf")
    assert question(5, minutes=1).trials == 5


def test_the_journal_lies_in_the_results(results: Results) -> None:
    run_search(question(1), ScriptedPool(), results)
    assert results.journal == results.root / "studies.journal"
    assert results.journal.exists()


def test_a_line_says_what_the_run_found(results: Results) -> None:
    run_search(question(1), ScriptedPool(), results)
    (line,) = results.study("s").lines
    assert line == RunLine(
        run=line.run,
        purpose="search",
        number=0,
        seed=0,
        settings=line.settings,
        status=Status.FINISHED,
        trial_status=Status.FINISHED,
        score=1 - line.settings["train.lr"],
        objective=1 - line.settings["train.lr"],
        clock=line.clock,
        time_ms=line.time_ms,
    )
