"""Results folders of studies that nobody ran, written by the classes that write real ones. Optuna's journal is not."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from lstm_bench.analysis.answer import top_trials
from lstm_bench.analysis.board import make_board
from lstm_bench.outcome import figures
from lstm_bench.record.disk import as_json, file_name
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import Purpose, RunLine, StudyFiles, trials_of
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.suites import study_table
from lstm_bench.task import Goal
from lstm_bench.tuning.job import TrialJob
from lstm_bench.tuning.study import Question

# How the runs of the search end, one after another: 7 of 10 are complete.
ENDS = [Status.FINISHED] * 3 + [Status.PRUNED] + [Status.FINISHED] * 2 + [Status.CRASHED]
ENDS += [Status.FINISHED] * 2 + [Status.KILLED]
EVERY = 10  # steps from one reading to the next
BATCH = 16  # sequences a step
BEGUN_MS = 1_795_000_000_000  # when the first one began
READING_MS = 50  # from one reading to the next
REASONS = {Status.PRUNED: "at step {}", Status.CRASHED: "RuntimeError: made to break", Status.KILLED: None}
TRACE = "Traceback (most recent call last):\n  ...\nRuntimeError: made to break\n"
FACTS = {"data": "made", "code": "0123456789abcdef", "torch": "2.13.0"}
MACHINE = {
    "cpu": "A made-up processor",
    "cores": 2,
    "system": "Linux-6.1-x86_64",
    "python": "3.11.2",
    "versions": {"lstm-bench": "0.1.0", "torch": "2.13.0"},
    "commit": "0123abc",
    "command": "lstm-bench search toy:Toy",
}


def make_study(
    results: Results,
    name: str,
    task: str = "toy:Toy",
    *,
    trials: int = 10,
    readings: int = 10,
    metrics: int = 7,
    seeds: int = 1,
    confirm_seeds: int = 0,
    confirm_top: int = 1,
    ends: Sequence[Status] = ENDS,
    seed: int = 0,
) -> StudyFiles:
    """Write a study that has ended: its question, its runs, its lines and its board; equal for equal arguments.

    Args:
        results: the folder; it may hold other studies.
        name: the study's.
        task: whose goal the scores are for.
        trials: of the search.
        readings: of each run that was not cut short.
        metrics: of each reading, from 5.
        seeds: on which each setting is run; one that ends otherwise than complete gets no further ones.
        confirm_seeds: fresh seeds of the best settings; 0: it was not confirmed.
        confirm_top: how many of the best settings are.
        ends: how the search's trials end in turn, at their last run.
        seed: of all that is drawn.
    """
    steps = readings * EVERY
    asked = {
        "task": task,
        "train": {"steps": steps, "eval_every": EVERY, "batch_size": BATCH, "warmup": 0},
        "search": {"train.lr": {"low": 1e-3, "high": 1e-1, "log": True}, "model.hidden": [8, 16, 32]},
        "sampler": "random",
        "trials": trials,
        "seeds": seeds,
        "confirm_seeds": confirm_seeds or 1,
        "confirm_top": confirm_top,
    }
    question = Question.of(study_table(asked), {})
    files = results.study(name)
    files.path.mkdir(parents=True)
    chance = random.Random(f"{name} {seed}")
    (files.path / "study.toml").write_text(f'id = "{chance.getrandbits(32):08x}"\n')  # which `begin` keeps
    files.begin(question.to_toml(FACTS), MACHINE)
    maker = _Maker(results, question, files, readings, metrics, chance)
    with patch("os.fsync"):  # 3 ms a file, for a power cut that these need not outlive
        for number, end in zip(range(trials), itertools.cycle(ends), strict=False):
            maker.search(number, end)
        if confirm_seeds:
            maker.confirm()
    board = make_board(results, files, question.goal, maker.lines)
    files.write_board({**board, "ended": "finished"})
    return files


@dataclass
class _Maker:
    """Makes a study's runs, one after another."""

    results: Results
    question: Question
    files: StudyFiles
    readings: int
    metrics: int
    chance: random.Random

    def __post_init__(self) -> None:
        self.now_ms = BEGUN_MS
        self.lines: list[RunLine] = []

    def search(self, number: int, end: Status) -> None:
        """The runs of a trial, the last of which ends so."""
        settings = {"train.lr": 10 ** self.chance.uniform(-3, -1), "model.hidden": self.chance.choice([8, 16, 32])}
        last = self.question.seeds[-1] if end.complete else self.chance.choice(self.question.seeds)
        for seed in range(self.question.seeds[0], last + 1):
            status = end if seed == last else Status.FINISHED
            self.run("search", number, settings, seed, status)

    def confirm(self) -> None:
        """The best settings on fresh seeds."""
        budget = self.question.budget
        top = top_trials(trials_of(self.lines), self.question.goal, budget.confirm_top)
        for seed, trial in itertools.product(self.question.fresh_seeds, top):
            self.run("confirm", trial.number, trial.settings, seed, Status.FINISHED)

    def run(self, purpose: Purpose, number: int, settings: Mapping[str, Any], seed: int, status: Status) -> None:
        """One run: its line, its files, and its line again."""
        spec, question = self.question.run_spec(settings, seed, purpose), self.question
        run_id = f"20261125-000000-{file_name(spec.task)}-{self.chance.getrandbits(32):08x}"
        job = TrialJob(
            spec,
            self.results.run(run_id).path,
            test=purpose == "confirm",
            facts=FACTS,
            purpose=purpose,
            number=number,
            settings=settings,
        )
        self.put_down(job.begun())
        result = make_run(job, question.goal, self.readings, self.metrics, status, self.now_ms, self.chance)
        self.now_ms += self.readings * READING_MS
        goes_on = status is Status.KILLED or (status.complete and seed != question.seeds[-1])
        line = job.ended(result, question)
        if purpose == "search":
            line = replace(line, trial_status=None if goes_on else status)
        self.lines.append(self.put_down(line))

    def put_down(self, line: RunLine) -> RunLine:
        """Add a line, as it would have been written then."""
        line = replace(line, clock=(self.now_ms - BEGUN_MS) / 1000, time_ms=self.now_ms)
        self.files.add(line)
        return line


def make_run(
    job: TrialJob, goal: Goal, readings: int, metrics: int, status: Status, begun_ms: int, chance: random.Random
) -> RunResult:
    """Write the files of one run that has ended so. What is not complete was cut short."""
    files = RunFiles(job.path)
    files.begin(job.spec, MACHINE, job.facts)
    here = files.path / "machine.json"
    here.write_text(as_json(files.machine | {"pid": 1, "begun_ms": begun_ms}))
    made = list(itertools.islice(curve(goal, readings, metrics, begun_ms, chance), _kept(readings, status, chance)))
    log_all(files, made)
    if status is Status.KILLED:
        files.checkpoint.write_bytes(b"made")
    found = figures(made, goal) | {
        "cost/train_seconds": made[-1].seconds,
        "cost/eval_seconds": made[-1].seconds / 8,
        "cost/harness_share": 0.02,
        "memory/peak_rss_mib": 180 + 10 * chance.random(),
        "memory/peak_private_mib": 15 + chance.random(),
        "model/parameters": 4.0 * job.spec.model.hidden * (job.spec.model.hidden + 4),
    }
    if job.test:
        found[f"test/{goal.metric}"] = found[f"best/{goal.metric}"] + 0.01 * chance.gauss(0, 1)
    reason = REASONS.get(status)
    result = RunResult(
        status,
        found,
        reason.format(made[-1].step) if reason else None,
        TRACE if status is Status.CRASHED else None,
        {"trivial": 0.5} if job.test else {},
    )
    files.end(result)
    path = files.path / "result.json"
    path.write_text(as_json({**json.loads(path.read_text()), "ended_ms": made[-1].time_ms + READING_MS}))
    return result


def log_all(files: RunFiles, readings: Sequence[Reading]) -> None:
    """What `RunFiles.log` writes of these readings, in one go and a tenth of the time."""
    plain = ({name: getattr(reading, name) for name in Reading.__dataclass_fields__} for reading in readings)
    (files.path / "readings.jsonl").write_text("".join(json.dumps(values) + "\n" for values in plain))


def curve(goal: Goal, readings: int, metrics: int, begun_ms: int, chance: random.Random) -> Iterator[Reading]:
    """The readings of a run that learns, some better than others.

    Raises:
        ValueError: fewer metrics than a reading has at least.
    """
    if metrics < 5:
        raise ValueError(f"{metrics} metrics: expected 5 at least")
    skill, extra = chance.uniform(0.5, 1), range(metrics - 5)
    for k in range(1, readings + 1):
        learnt = skill * (1 - math.exp(-4 * k / readings)) + 0.01 * chance.gauss(0, 1)
        speed = 50_000 + 1000 * chance.gauss(0, 1)
        seconds = k * EVERY * BATCH * 4 / 50_000
        named = {
            "train/loss": 0.7 * (1 - learnt) + 0.01 * chance.random(),
            "train/gradient_norm": 0.5 + chance.random(),
            "train/gradient_norm_max": 1.5 + chance.random(),
            f"valid/{goal.metric}": learnt if goal.maximize else 1 - learnt,
            "speed/window_timesteps_per_second": speed,
            **{f"valid/other_{n}": chance.random() for n in extra},
        }
        sequences = k * EVERY * BATCH
        yield Reading(k * EVERY, sequences, 4 * sequences, seconds, begun_ms + k * READING_MS, named)


def _kept(readings: int, status: Status, chance: random.Random) -> int:
    return readings if status.complete else chance.randint(1, max(1, readings - 1))
