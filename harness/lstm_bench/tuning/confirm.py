"""The best settings again, on fresh seeds: the figures that tables show."""

from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence

from lstm_bench.pool import Ended, Event, Pool
from lstm_bench.record.files import Results
from lstm_bench.record.ledger import Ledger
from lstm_bench.record.run import new_run_id
from lstm_bench.record.study import Trial
from lstm_bench.result import Status
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.study import Question


def confirm(
    question: Question, facts: Mapping[str, str], top: Sequence[Trial], pool: Pool, results: Results, ledger: Ledger
) -> Generator[Event, None, None]:
    """Run the best settings on the fresh seeds that they have not had, testing each, and yield what happens.

    Paired: each seed gives every setting the same order of data and the same draws of weights. A run that was
    killed is taken up again.
    """
    waiting = deque(still_due(question, top, ledger))

    def next_job() -> TrialJob | None:
        if not waiting:
            return None
        trial, seed = waiting.popleft()
        spec = question.run_spec(trial.settings, seed, "confirm")
        begun = ledger.lines.get(("confirm", trial.number, seed))
        job = TrialJob(
            spec,
            results.run(begun.run if begun else new_run_id(spec.task)).path,
            test=True,
            facts=facts,
            purpose="confirm",
            number=trial.number,
            settings=trial.settings,
            again=begun is not None,
        )
        ledger.write(job.begun())
        return job

    numbers = {trial.number: trial for trial in top}
    for event in pool.run(next_job):
        if isinstance(event, Ended) and isinstance(event.job, TrialJob):
            ledger.write(event.job.ended(event.result, question))
            if event.result.status is Status.KILLED:
                waiting.append((numbers[event.job.number], event.job.spec.seed))
        yield event


def still_due(question: Question, top: Sequence[Trial], ledger: Ledger) -> Iterator[tuple[Trial, int]]:
    """The confirming runs that are not done: each setting on each fresh seed, seed by seed."""
    for seed in question.fresh_seeds:
        for trial in top:
            line = ledger.lines.get(("confirm", trial.number, seed))
            if line is None or line.status is None or not line.status.counts:
                yield trial, seed
