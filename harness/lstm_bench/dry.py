"""What a study would do, and about what it would cost: `search --dry-run`. Nothing is kept."""

import itertools
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from lstm_bench.errors import BenchError
from lstm_bench.execute import facts
from lstm_bench.pool import Ended, Heard, Job
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.index import Index
from lstm_bench.record.study import StudyFiles
from lstm_bench.report.listing import asked_lines
from lstm_bench.report.table import setting
from lstm_bench.schedule import used
from lstm_bench.spec import BUDGETS, RunSpec, fingerprint
from lstm_bench.tuning.methods import make_sampler
from lstm_bench.tuning.study import Question, files_of

SHOWN = 4  # settings, and as many are timed
SEEN = ("sequences", "epochs")
STEPS = 10  # of a timed window; the one before it is the warm-up


@dataclass(frozen=True, slots=True)
class Cost:
    """What was measured of a setting: seconds of a training step and of an evaluation, and what a step sees."""

    step: float
    evaluation: float
    sequences: float
    epochs: float

    def of(self, spec: RunSpec) -> float:
        """Seconds of a whole run that nobody stops."""
        share = used(spec.train, steps=1, sequences=self.sequences, epochs=self.epochs, seconds=self.step)
        steps = math.ceil(1 / share)
        return self.step * steps + self.evaluation * math.ceil(steps / spec.train.eval_every)


def dry_run(question: Question, *, name: str | None, stem: str, results: Results, workers: int) -> Iterator[str]:
    """Lines that say what is asked, the first settings with their cost, what is known already, and the whole cost.

    Raises:
        BenchError: the data cannot be read, or a timed run fails.
    """
    with LocalPool(question.base, 1) as pool, tempfile.TemporaryDirectory() as folder:
        beneath = facts(question.base, pool.data_digest)
        asked = question.asked(beneath)
        yield from asked_lines(asked)
        files, index = files_of(results, name, stem, asked), Index(results)
        yield ""
        first = first_settings(question)
        costs = [timed(pool, question.run_spec(settings, question.base.seed), Path(folder)) for settings in first]
        for number, (settings, cost) in enumerate(zip(first, costs, strict=True)):
            spec = question.run_spec(settings, question.base.seed)
            known = index.find(fingerprint(spec, beneath), spec.seed)
            yield f"trial {number}: {setting(settings)}: about {cost.of(spec):.1f} s" + (
                f", known already ({known})" if known else ""
            )
        yield ""
        yield _known(question, files)
        yield _whole(question, first, costs, workers)


def first_settings(question: Question) -> list[dict[str, Any]]:
    """The settings that the search begins with: those that it draws before it has learnt anything."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["minimize"] * len(question.objectives))
    for settings in question.strategy.enqueue:
        study.enqueue_trial(settings)
    found = []
    for number in range(int(min(SHOWN, question.trials))):
        study.sampler = make_sampler(question.sampler, question.space, seed=question.base.seed, number=number)
        found.append(question.space.suggest(study.ask()))
    return found


def timed(pool: LocalPool, spec: RunSpec, folder: Path) -> Cost:
    """What a setting costs, measured in a run of its own.

    Raises:
        BenchError: the run failed.
    """
    instead = {f"train.{kind}": 0 for kind in BUDGETS}
    short = spec.with_values({**instead, "train.steps": 2 * STEPS, "train.eval_every": STEPS})
    jobs = [Job(short, folder / str(len(list(folder.iterdir()))))]
    seconds, seen = [0.0], {}
    for event in pool.run(lambda: jobs.pop() if jobs else None):
        match event:
            case Heard(_, reading):
                seconds.append(reading.seconds)
                seen = {name: reading.metrics.get(f"progress/{name}", 0.0) / reading.step for name in SEEN}
            case Ended(_, result):
                windows = [after - before for before, after in itertools.pairwise(seconds)]
                if not windows:
                    raise BenchError(
                        f"a run of {2 * STEPS} steps to time them ended as {result.status}: {result.reason}"
                    )
                evaluations = len(windows)
                evaluation = result.metrics.get("cost/eval_seconds", 0.0) / evaluations
                return Cost(windows[-1] / STEPS, evaluation, **seen)
    raise AssertionError("a run ends")


def _known(question: Question, files: StudyFiles) -> str:
    if not files.exists:
        return f"study {files.name} would begin"
    return f"study {files.name} is there: {len(files.searched)} of {_number(question)} trials are done"


def _whole(question: Question, first: list[dict[str, Any]], costs: list[Cost], workers: int) -> str:
    """The cost of all of it, if what is timed is like the rest and nothing is pruned."""
    searching = [cost.of(question.run_spec(settings, 0)) for settings, cost in zip(first, costs, strict=True)]
    longer = [cost.of(question.run_spec(settings, 0, "confirm")) for settings, cost in zip(first, costs, strict=True)]
    budget = question.budget
    confirming = sum(longer) / len(longer) * budget.confirm_seeds * budget.confirm_top / workers
    if math.isinf(question.trials):
        return f"{budget.minutes:g} min of searching, then confirming: about {minutes(confirming)}"
    search = sum(searching) / len(searching) * question.trials * budget.seeds / workers
    return (
        f"{_number(question)} trials on {workers} workers: about {minutes(search)} if nothing is pruned; "
        f"then confirming: about {minutes(confirming)}"
    )


def _number(question: Question) -> str:
    return "any number of" if math.isinf(question.trials) else f"{question.trials:.0f}"


def minutes(seconds: float) -> str:
    """A time as a person says it: 95 s as 95 s, 600 s as 10 min."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
