"""Ask, run, tell: a study's trials, from wherever it stands to as many as were asked for."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from optuna.trial import TrialState

from lstm_bench.errors import BenchError, RecordError
from lstm_bench.pool import Ended, Event, Heard, Pool, Started
from lstm_bench.record.files import Results
from lstm_bench.record.index import Index
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.run import new_run_id
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.spec import fingerprint
from lstm_bench.tuning import measures
from lstm_bench.tuning.asker import Asker, optuna_state
from lstm_bench.tuning.database import Storage
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.referee import Referee
from lstm_bench.tuning.study import Question

MANY = 100  # events


@dataclass(slots=True)
class _Going:
    """A trial that goes on: one run at a time, seed after seed."""

    settings: Mapping[str, Any]
    objectives: list[float] = field(default_factory=list)  # of its seeds that are done


class Search:
    """A study's search: `events` runs it, the rest answers what happens. Diagram: CONTRIBUTING.md.

    Args:
        question: what is asked.
        facts: beneath every run of the study, see `execute.facts`.
        pool: where runs execute.
        results: where their files lie.
        ledger: the study's runs so far.
        force: run settings again that are known already.
        storage: of Optuna's, in the journal's place.
    """

    def __init__(
        self,
        question: Question,
        facts: Mapping[str, str],
        pool: Pool,
        results: Results,
        ledger: Ledger,
        *,
        force: bool = False,
        storage: Storage | None = None,
    ) -> None:
        self._question, self._facts, self._pool, self._results, self._ledger = question, facts, pool, results, ledger
        self._asker = Asker(question, results, ledger, storage)
        self._referee = Referee(question, ledger.files.name, results)
        # A timing is measured again; a deterministic study must not depend on what other studies have left.
        again = force or question.workers is not None or measures.are_timed(question.objectives)
        self._index = None if again else Index(results)
        self._trials = question.trials
        self._going: dict[int, _Going] = {}
        self._next_seeds: deque[TrialJob] = deque()
        self._untold = set(self._asker.untold)
        self._told = 0  # every trial below this number is told, in a deterministic study
        self._failures = 0  # in a row
        self._closing: str | None = None  # why no more runs are wanted
        self._failed: BenchError | None = None
        self._happened: deque[Event] = deque()  # what is to be yielded of runs that nobody executes
        for trial in ledger.trials:
            if trial.done:
                self._referee.recall(trial)
                if trial.number not in self._untold:
                    self._referee.learn(trial)
                    self._told = trial.number + 1
        if question.workers is None:
            for number in sorted(self._untold):
                self._tell(number)

    def events(self) -> Generator[Event, None, None]:
        """Run trials until the study has what was asked for, and yield what happens.

        Raises:
            BenchError: too many trials failed in a row; those that went on then wait to be taken up again.
            RecordError: a file cannot be written; likewise.
        """
        try:
            with self._ledger.searching():
                yield from self._run()
            self._tell_up_to(max(self._untold, default=0))
        finally:  # whatever happened, nothing is left running in the journal
            with suppress(RecordError):  # the next start does it, too
                for number in [*self._going, *self._untold]:
                    self._asker.set_aside(number)
        if self._failed:
            raise self._failed

    def _run(self) -> Iterator[Event]:
        while True:
            for event in self._pool.run(self._next_job):
                match event:
                    case Heard(TrialJob() as job, reading):
                        self._heard(job, reading)
                    case Ended(TrialJob() as job, result):
                        self._ended(job, result)
                yield event
                yield from self._known_runs()
            if not self._happened:
                return
            yield from self._known_runs()

    def _known_runs(self) -> Iterator[Event]:
        while self._happened:
            yield self._happened.popleft()

    def _next_job(self) -> TrialJob | None:
        """What to start in a free slot: a trial's next seed, a trial to take up again, a new one, or nothing now."""
        while len(self._happened) < MANY:  # else let the caller see them first
            if self._next_seeds:
                job = self._next_seeds.popleft()
            elif self._may_ask():
                job = self._begin(*self._asker.ask())
            else:
                return None
            if not job.reused:
                return job
            self._take_known(job)
        return None

    def _may_ask(self) -> bool:
        self._look_at_the_clock()
        if self._closing or self._ledger.done + len(self._going) >= self._trials:
            return False
        workers = self._question.workers
        return workers is None or self._tell_up_to(self._asker.next_number - workers)

    def _look_at_the_clock(self) -> None:
        minutes = self._question.budget.minutes
        if minutes is not None and self._ledger.clock >= 60 * minutes:
            self._closing = "the study's minutes are used"

    def _begin(self, number: int, settings: Mapping[str, Any]) -> TrialJob:
        """The first run of a trial, or the one that it had come to when it was killed."""
        runs = self._ledger.trial(number).runs if number in self._ledger else ()
        done = [line for line in runs if line.objective is not None]
        self._referee.begin(number, done)
        self._going[number] = _Going(settings, [line.objective for line in done if line.objective is not None])
        return self._job(number)

    def _job(self, number: int) -> TrialJob:
        """The run of a trial's next seed; a known one where there is one."""
        going = self._going[number]
        spec = self._question.run_spec(going.settings, self._question.seeds[len(going.objectives)])
        mark = fingerprint(spec, self._facts)
        begun = self._ledger.lines.get(("search", number, spec.seed))
        if begun and begun.reused and not self._results.run(begun.run).result:
            begun = None  # somebody deleted the run that was to be reused
        known = self._index.find(mark, spec.seed) if self._index and not begun else None
        run = begun.run if begun else known or new_run_id(spec.task)
        job = TrialJob(
            spec,
            self._results.run(run).path,
            waits=self._question.workers is not None,
            facts=self._facts,
            number=number,
            settings=going.settings,
            again=begun is not None,
            reused=begun.reused if begun else known is not None,
        )
        self._ledger.write(job.begun())
        return job

    def _take_known(self, job: TrialJob) -> None:
        """Let a known run happen again, without executing it."""
        files = self._results.run(job.run_id)
        readings, result = files.readings, files.result
        assert result is not None, "the index gives complete runs alone"
        for reading in readings:
            self._point(job, reading)
        self._ended(job, result)
        self._happened += [Started(job), *(Heard(job, reading) for reading in readings), Ended(job, result)]

    def _heard(self, job: TrialJob, reading: Reading) -> None:
        """Judge a reading. The verdict reaches its run during the next window, or is waited for."""
        lost = self._point(job, reading)
        self._look_at_the_clock()
        if self._closing:
            self._pool.stop(job.run_id, Status.KILLED, self._closing)
        elif lost and self._question.budget.prune_after <= reading.step and not reading.is_last:
            self._pool.stop(job.run_id, Status.PRUNED)
        elif job.waits:
            self._pool.go_on(job.run_id)

    def _point(self, job: TrialJob, reading: Reading) -> bool:
        """Show Optuna and the referee a reading. Returns whether the trial has lost."""
        point = self._referee.point(job.number, job.spec.seed, reading)
        if point is None:
            return False
        self._asker.report(job.number, *point)
        return self._referee.has_lost(job.number, point)

    def _ended(self, job: TrialJob, result: RunResult) -> None:
        """Put down how a run ended; go on with the trial's next seed, or end the trial."""
        line, going = job.ended(result, self._question), self._going[job.number]
        if line.objective is not None:
            going.objectives.append(line.objective)
            if self._index and not job.reused:
                self._index.add(job.fingerprint, job.spec.seed, job.run_id)
        trial_status = self._trial_status(line, going.objectives)
        self._look_at_the_clock()
        self._ledger.write(replace(line, trial_status=trial_status))
        if trial_status:
            self._end_trial(job.number, result)
        elif result.status is Status.KILLED or self._closing:
            del self._going[job.number]
            self._referee.put_back(job.number)
            self._asker.put_back(job.number)
        else:
            self._next_seeds.append(self._job(job.number))

    def _trial_status(self, line: RunLine, objectives: Sequence[float]) -> Status | None:
        """How a trial stands after a run of it: None where its next seed is due, or the run is to be taken up."""
        if line.status is Status.KILLED:
            return None
        if line.objective is None or len(objectives) == self._question.budget.seeds:
            return line.status
        return Status.PRUNED if self._referee.is_beaten(line.number, objectives) else None

    def _end_trial(self, number: int, result: RunResult) -> None:
        trial = self._ledger.trial(number)
        del self._going[number]
        self._referee.end(trial)
        self._untold.add(number)
        if self._question.workers is None:
            self._tell(number)
        self._count_failures(trial, result)

    def _tell(self, number: int) -> None:
        trial = self._ledger.trial(number)
        self._untold.discard(number)
        self._asker.tell(trial)
        self._referee.learn(trial)

    def _tell_up_to(self, last: int) -> bool:
        """Tell, in order, the trials up to the one numbered `last`; False where one of them has not ended."""
        while self._told <= last:
            if self._told in self._ledger and not self._ledger.trial(self._told).done:
                return False
            if self._told in self._untold:
                self._tell(self._told)
            self._told += 1
        return True

    def _count_failures(self, trial: Trial, result: RunResult) -> None:
        self._failures = self._failures + 1 if optuna_state(trial) is TrialState.FAIL else 0
        most = self._question.budget.max_failures
        if self._failures > most and not self._failed:
            why = f"{trial.status}" + (f" ({result.reason})" if result.reason else "")
            self._closing = "too many trials failed in a row"
            self._failed = BenchError(
                f"study {self._ledger.files.name}: {self._failures} trials in a row failed, the last one {why}; "
                f"that is more than --max-failures {most}. What is done is kept"
            )
