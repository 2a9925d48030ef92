"""Ask, run, tell; then confirm. Both yield what happens, so that tracking and screens are the caller's loop."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from lstm_bench.pool import Ended, Event, Heard, Job, Pool
from lstm_bench.record.files import Results, StudyFiles, TrialLine, new_run_id
from lstm_bench.result import RunResult, Status
from lstm_bench.search.study import StudySpec
from lstm_bench.task import Goal


@dataclass(frozen=True, slots=True)
class TrialJob(Job):
    """A run of a study.

    Attributes:
        purpose: `search` or `confirm`.
        number: the trial's number in the journal.
        settings: the values that the search chose, by path.
    """

    purpose: str = "search"
    number: int = 0
    settings: tuple[tuple[str, Any], ...] = ()


def search(
    spec: StudySpec,
    study: optuna.Study,
    distributions: dict[str, BaseDistribution],
    goal: Goal,
    pool: Pool,
    results: Results,
    files: StudyFiles,
) -> Generator[Event, None, None]:
    """Run trials until the study has as many as were asked for, and yield what happens.

    The verdict on a reading reaches its run during the next window, so a pruned run ends within one evaluation.
    """
    trials: dict[str, optuna.Trial] = {}
    done = len(files.searched)

    def next_job() -> TrialJob | None:
        if done + len(trials) >= spec.budget.trials:
            return None
        trial = study.ask(distributions)
        path = results.run(new_run_id(spec.base.task)).path
        trials[path.name] = trial
        settings = tuple(trial.params.items())
        run = spec.base.with_values(trial.params)
        return TrialJob(run, path, number=trial.number, settings=settings)

    for event in pool.run(next_job):
        match event:
            case Heard(job, reading):
                score = reading.metrics[f"valid/{goal.metric}"]
                trial = trials[job.run_id]
                if math.isfinite(score):
                    trial.report(goal.objective(score), reading.step)
                    if trial.should_prune():
                        pool.stop(job.run_id, Status.PRUNED)
            case Ended(job, result):
                trial = trials.pop(job.run_id)
                line = _line(job, result, goal)
                files.add_trial(line)
                study.tell(trial, line.objective, state=_state(result.status))
                done += result.status.counts
        yield event


def confirm(
    spec: StudySpec, best: TrialLine, goal: Goal, pool: Pool, results: Results, files: StudyFiles
) -> Generator[Event, None, None]:
    """Run the best setting on the fresh seeds that it has not had, testing each, and yield what happens."""
    had = {line.seed for line in files.confirmed(best.number)}
    seeds = [seed for seed in spec.fresh_seeds if seed not in had]
    setting = spec.base.with_values({**best.settings, **spec.confirm})

    def next_job() -> TrialJob | None:
        if not seeds:
            return None
        run = setting.with_values({"seed": seeds.pop(0)})
        path = results.run(new_run_id(spec.base.task)).path
        return TrialJob(
            run, path, test=True, purpose="confirm", number=best.number, settings=tuple(best.settings.items())
        )

    for event in pool.run(next_job):
        if isinstance(event, Ended):
            files.add_trial(_line(event.job, event.result, goal))
        yield event


def _line(job: Job, result: RunResult, goal: Goal) -> TrialLine:
    assert isinstance(job, TrialJob), "the pool gives back the jobs it was given"
    score = result.metrics.get(f"best/{goal.metric}")
    sequences = result.metrics.get("target/sequences") if result.status is Status.SOLVED else None
    complete = result.status.complete and score is not None
    return TrialLine(
        run=job.run_id,
        purpose=job.purpose,
        number=job.number,
        seed=job.spec.seed,
        status=result.status,
        settings=dict(job.settings),
        score=score,
        objective=goal.objective(score, sequences) if complete and score is not None else None,
    )


def _state(status: Status) -> TrialState:
    """What Optuna calls it."""
    if status.complete:
        return TrialState.COMPLETE
    return TrialState.PRUNED if status is Status.PRUNED else TrialState.FAIL
