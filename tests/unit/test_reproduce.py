"""The rows of a published table: as data, as studies, and what their runs say."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from replicated import replication as replicated

from lstm_bench import interpreter, learners
from lstm_bench.analysis.replication import Replication, keep, kept
from lstm_bench.cli import main
from lstm_bench.errors import BenchError, RecordError, UsageError
from lstm_bench.flops import count
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine
from lstm_bench.reproduce import making
from lstm_bench.reproduce.__main__ import main as into_the_readme
from lstm_bench.reproduce.making import Job, jobs, replication
from lstm_bench.reproduce.rows import Row, Table, merged, read_table, table_names
from lstm_bench.result import Reading, RunResult, Status
from lstm_bench.task import load_task
from lstm_bench.tuning.study import FRESH_SEEDS_FROM, Question

PAPER = read_table("hochreiter1997")
TINY = """
[faithful]
trials = 1
model.cell = "lstm"
train = { steps = 0, sequences = 16, batch_size = 16 }

[modern]
trials = 2
confirm_seeds = 4
train.steps = 0
search."train.lr" = { low = 1e-3, high = 1e-1 }

[net.four]
model.hidden = 4

[[row]]
id = "3a-t8"
label = "two-sequence, T=8"
task = "h97-two-sequence"
options = { length = 8 }
net = "four"
weights = 117
lr = 0.05
trials = 3
paper = { sequences = 100 }
"""
ANOTHER = TINY[TINY.index("[[row]]") :].replace("3a-t8", "3b-t8")


def tiny(folder: Path, text: str = TINY) -> Table:
    path = folder / "tiny.toml"
    path.write_text(text)
    return read_table(str(path))


def test_every_row_of_the_paper_is_there() -> None:
    counts = {"1": 5, "2a": 1, "2b": 1, "2c": 9, "3a": 7, "3b": 7, "3c": 2, "4": 4, "5": 2, "6a": 1, "6b": 1}
    found = {name: sum(row.is_called(name) for row in PAPER.rows) for name in counts}
    assert found == counts
    assert len(PAPER.rows) == sum(counts.values())
    assert len({row.id for row in PAPER.rows}) == len(PAPER.rows)
    assert table_names() == ["hochreiter1997"]


def test_the_figures_are_those_that_the_tasks_tell_of_the_paper() -> None:
    ours = Counter(row.paper.sequences for row in PAPER.rows if not row.control and not row.instead)
    tasks: list[Any] = [load_task(name) for name in {row.task for row in PAPER.rows}]
    assert Counter(figure for task in tasks for figure in task.sequences.values()) == ours


@pytest.mark.parametrize("row", PAPER.rows, ids=lambda row: row.id)
def test_a_faithful_study_is_the_papers_network_and_ends_at_the_cap(row: Row) -> None:
    question = Question.of(PAPER.study(row, "faithful"), {})
    spec = question.run_spec({"train.lr": row.lr}, FRESH_SEEDS_FROM, "confirm")
    assert count(question.task.signature, spec.model, spec.cell)["params"] == row.weights
    assert (spec.train.lr, spec.train.sequences, spec.train.steps) == (row.lr, 5 * row.paper.sequences, 0)
    assert question.strategy.enqueue == [{"train.lr": row.lr}]
    assert len(question.fresh_seeds) == row.trials
    assert question.task.goal.ends_run


ASKED_APART = [row for row in PAPER.rows if row.task in ("h97-reber", "h97-lag", "h97-two-sequence")]


@pytest.mark.parametrize("row", ASKED_APART, ids=lambda row: row.id)
def test_a_criterion_of_sequences_apart_is_asked_about_a_hundred_times(row: Row) -> None:
    train = Question.of(PAPER.study(row, "faithful"), {}).base.train
    assert 25 <= row.paper.sequences / (train.batch_size * train.eval_every) <= 150


def test_a_file_may_say_itself_how_often(tmp_path: Path) -> None:
    for text, every in ((TINY, 1), (TINY.replace("batch_size = 16", "batch_size = 16, eval_every = 10"), 10)):
        table = tiny(tmp_path, text)
        assert Question.of(table.study(table.rows[0], "faithful"), {}).base.train.eval_every == every


@pytest.mark.parametrize("row", [row for row in PAPER.rows if row.modern], ids=lambda row: row.id)
def test_a_modern_study_has_the_same_task_and_cap_and_searches_up_to_the_papers_figure(row: Row) -> None:
    question = Question.of(PAPER.study(row, "modern"), {})
    assert question.base.train.sequences == row.paper.sequences
    assert question.confirm == {"train.sequences": row.cap}
    assert question.base.options.items() >= row.options.items()
    assert len(question.fresh_seeds) == 10
    assert question.base.model.chrono == getattr(question.task, "length", None)


def test_the_columns_and_the_quick_rows_are_what_was_promised() -> None:
    assert {row.id for row in PAPER.rows if row.modern} == {"4-t100", "4-t500", "4-t1000", "5-n140", "5-n13", "6b"}
    quick = {row.id.partition("-")[0] for row in PAPER.chosen([], quick=True)}
    assert quick == {"1", "2a", "4", "6a"}
    assert {row.options.get("length", 100) for row in PAPER.chosen(["t100"], quick=False)} == {100}


def test_rows_are_chosen_by_id_or_experiment_quick_ones_first_long_ones_last() -> None:
    found = [row.id for row in PAPER.chosen(["4", "6b", "2a"], quick=False)]
    assert found == ["2a", "4-t100", "4-t100-linear", "6b", "4-t500", "4-t1000"]
    assert [row.id for row in PAPER.chosen(["4"], quick=True)] == ["4-t100"]
    with pytest.raises(UsageError, match=r"unknown row '4-t10'. Did you mean '4-t100'\?"):
        PAPER.chosen(["4-t10"], quick=False)
    with pytest.raises(UsageError, match="--rows 6b with --quick: expected one of those that are quick"):
        PAPER.chosen(["6b"], quick=True)


def test_tables_are_laid_over_each_other_key_by_key() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}}, {"d": 5}) == {"a": {"b": 1, "c": 4}, "d": 5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("lr = 0.05", 'lr = "fast"'), "row 3a-t8: lr = 'fast': expected a valid number"),
        (("lr = 0.05", "speed = 1"), "row 3a-t8: speed"),
        (('net = "four"', 'net = "for"'), "net of row 3a-t8 in .*'for'. Did you mean 'four'"),
        (("sequences = 100", "sequence = 100"), "row 3a-t8: paper.sequence'"),
        (("[[row]]", "[row]"), r"expected \[\[row\]\] tables"),
        (("[faithful]", "[faithfull]"), "unknown key in .*: 'faithfull'. Did you mean 'faithful'"),
        (("[net.four]\nmodel.hidden", "[[net]]\nhidden"), r"net = .*, expected a table"),
        (("paper = { sequences = 100 }", "paper = 100"), "row 3a-t8: expected paper = { sequences"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        tiny(tmp_path, TINY.replace(*change))
    assert "\n" not in str(refused.value)


def test_a_key_that_no_study_has_is_refused(tmp_path: Path) -> None:
    table = tiny(tmp_path, TINY.replace("train = {", "trian = {"))
    with pytest.raises(UsageError, match=r"unknown key in .*tiny\.toml: 'trian'\. Did you mean 'train'"):
        jobs(table, table.rows, ["faithful"], quick=False)


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown table 'hochreiter'\. Did you mean 'hochreiter1997'"):
        read_table("hochreiter")


def test_without_numba_the_extra_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learners, "find_spec", lambda _: None)
    rows = PAPER.chosen(["4-t100"], quick=False)
    with pytest.raises(UsageError, match=r"needs numba: pip install 'lstm-bench\[paper\]'"):
        jobs(PAPER, rows, ["faithful"], quick=False)
    assert len(jobs(PAPER, rows, ["modern"], quick=False)) == 1


def test_a_column_that_none_of_the_rows_has_is_refused(tmp_path: Path) -> None:
    table = tiny(tmp_path)
    with pytest.raises(UsageError, match="none of these rows has the column modern"):
        jobs(table, table.rows, ["modern"], quick=False)


def test_the_first_column_is_made_whole_before_the_next_and_a_quick_row_has_three_trials(tmp_path: Path) -> None:
    table = tiny(tmp_path, TINY.replace("trials = 3", "trials = 9") + "modern = {}\n" + ANOTHER)
    found = jobs(table, table.rows, ["faithful", "modern"], quick=True)
    assert [job.name for job in found] == ["tiny-3a-t8-faithful", "tiny-3b-t8-faithful", "tiny-3a-t8-modern"]
    assert [len(job.question.fresh_seeds) for job in found] == [3, 3, 3]


# What the confirming runs say, on files that nobody's run wrote.


def ended(job: Job, results: Results, ends: Mapping[int, RunResult]) -> dict[str, Any]:
    """The study of a job whose confirming runs ended so, by seed; its board as far as a row reads it."""
    files = results.study(job.name)
    files.begin(job.question.to_toml({"data": "made"}))
    for seed, result in ends.items():
        run = results.run(f"run-{seed}")
        run.path.mkdir(parents=True)
        (run.path / "machine.json").write_text(
            json.dumps({"cpu": "A", "host": "h", "versions": {"torch": "2", "x": "1"}})
        )
        run.end(result)
        files.add(RunLine(run=f"run-{seed}", purpose="confirm", number=0, seed=seed, settings={}, status=result.status))
    return {"study": files.name, "confirmed": None, "best": {"trial": 0, "settings": {"train.lr": 0.05}}}


def run(status: Status, **metrics: float) -> RunResult:
    known = {"cost/train_seconds": 2.0, "model/parameters": 117.0, "test/wrong": 1 / 128, "test/error": 0.1}
    return RunResult(status, known | {name.replace("__", "/"): value for name, value in metrics.items()})


def test_trials_are_hits_or_failures_at_the_cap_and_errors_are_of_those_that_succeeded(
    tmp_path: Path, results: Results
) -> None:
    table = tiny(tmp_path)
    (job,) = jobs(table, table.rows, ["faithful"], quick=False)
    ends = {
        1000: run(Status.SOLVED, target__sequences=80.0, test__error=0.3),
        1001: run(Status.DIVERGED),
        1002: run(Status.SOLVED, target__sequences=60.0),
        1003: run(Status.SOLVED, target__sequences=1.0),  # more than were asked for
    }
    found = replication(job, ended(job, results, ends), results)
    assert [(time.value, time.hit) for time in found.times] == [(80, True), (500, False), (60, True)]
    assert (found.wrong, found.tested) == (4, 512)
    assert found.error == pytest.approx(0.2)
    assert found.mse is None
    assert (found.weights, found.settings, sum(found.train_seconds)) == (117, {"train.lr": 0.05}, 6)
    assert found.machine == {"cpu": "A", "versions": {"torch": "2"}}


@pytest.mark.parametrize("status", making.FAILED)
def test_a_trial_that_broke_is_none_and_the_row_says_so(tmp_path: Path, results: Results, status: Status) -> None:
    table = tiny(tmp_path)
    (job,) = jobs(table, table.rows, ["faithful"], quick=False)
    ends = {1000: run(Status.SOLVED, target__sequences=80.0), 1001: RunResult(status), 1002: run(Status.FINISHED)}
    with pytest.raises(BenchError, match=r"1 of 3 trials failed; .*trials\.jsonl says how"):
        replication(job, ended(job, results, ends), results)


WITHIN = TINY.replace("length = 8", 'length = 8, stop = "ST2"') + ANOTHER.replace(
    "length = 8", 'length = 8, stop = "ST1"'
).replace("100 }", '10 }\nwithin = "3a-t8"')


def test_a_row_within_another_is_read_from_its_runs_and_a_run_that_went_on_past_its_cap_has_failed(
    tmp_path: Path, results: Results
) -> None:
    table = tiny(tmp_path, WITHIN)
    stronger, weaker = jobs(table, table.rows, ["faithful"], quick=False)
    assert (weaker.name, weaker.question) == (stronger.name, stronger.question)
    board = ended(weaker, results, {seed: run(Status.SOLVED, target__sequences=90.0) for seed in (1000, 1001, 1002)})
    for seed, held_at in ((1000, 32), (1001, 48), (1002, 64)):  # ST1 of 3a is that of 256 sequences none is wrong
        for sequences in range(16, 81, 16):
            metrics = {"valid/wrong": 0.0 if sequences >= held_at else 1 / 256, "valid/error": 0.5}
            results.run(f"run-{seed}").log(Reading(1, sequences, 1, sequences / 10, 0, metrics))
    found = replication(weaker, board, results)
    assert [(time.value, time.hit) for time in found.times] == [(32, True), (48, True), (50, False)]
    assert found.train_seconds == [3.2, 4.8, 4.8]
    assert (found.wrong, found.tested, found.error, found.weights) == (0, 0, None, 117)
    assert [time.value for time in replication(stronger, board, results).times] == [90, 90, 90]


def test_a_run_that_diverged_before_its_first_reading_has_failed_for_both_rows(
    tmp_path: Path, results: Results
) -> None:
    table = tiny(tmp_path, WITHIN)
    both = jobs(table, table.rows, ["faithful"], quick=False)
    board = ended(both[0], results, {seed: run(Status.DIVERGED) for seed in (1000, 1001, 1002)})
    assert [replication(job, board, results).successes for job in both] == [0, 0]


def test_the_row_that_another_is_within_has_runs_of_its_own(tmp_path: Path) -> None:
    for name in ("3c-t8", "3b-t8"):
        with pytest.raises(UsageError, match=rf"row that row 3b-t8 in .*tiny\.toml is within: '{name}'"):
            tiny(tmp_path, WITHIN.replace('within = "3a-t8"', f'within = "{name}"'))


def test_nets_of_the_two_criteria_are_the_same() -> None:
    pairs = [(row, PAPER.source(row)) for row in PAPER.rows if row.within]
    assert len(pairs) == 6
    for row, source in pairs:
        assert (row.options, source.options) == (source.options | {"stop": "ST1"}, row.options | {"stop": "ST2"})
        assert (row.net, row.lr, row.trials, row.faithful) == (source.net, source.lr, source.trials, source.faithful)
        assert row.cap < source.cap  # so that all of it is seen


# The command, on rows that nobody runs.


def code(folder: Path, monkeypatch: pytest.MonkeyPatch, ends: list[Replication | BaseException]) -> int | str | None:
    """What the command ends with where its two rows end so."""
    remaining = iter(ends)

    def made(*_: object, **__: object) -> Replication:
        end = next(remaining)
        if isinstance(end, BaseException):
            raise end
        return end

    (folder / "tiny.toml").write_text(TINY + ANOTHER)
    monkeypatch.setattr(making.Job, "made", made)
    monkeypatch.setattr(interpreter, "SOCKETS", {})  # no process is begun for nothing
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(folder / "results"), "reproduce", str(folder / "tiny.toml")])
    return ended.value.code


@pytest.mark.parametrize(
    ("ends", "expected", "told"),
    [
        ([replicated([1000] * 10), replicated([900] * 10)], 0, "Kept in "),
        ([replicated([1000] * 10), replicated([9] * 10)], 1, "0.009 times the paper's sequences"),
        # The other rows are made all the same; but for a full disk, and where somebody has had enough.
        ([BenchError("1 of 3 trials failed"), replicated([1000] * 10)], 4, "tiny-3a-t8-faithful: 1 of 3 trials failed"),
        ([RecordError("the disk is full")], 4, ""),
        ([replicated([1000] * 10), KeyboardInterrupt()], 130, "10/10 trials, median 1,000 sequences, replicates"),
    ],
)
def test_the_exit_code_is_the_verdict(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    ends: list[Replication | BaseException],
    expected: int,
    told: str,
) -> None:
    assert code(tmp_path, monkeypatch, ends) == expected
    assert told in capsys.readouterr().out


def test_rows_are_written_in_the_tables_order_whatever_order_they_are_made_in(tmp_path: Path, results: Results) -> None:
    table = tiny(tmp_path, TINY + ANOTHER)
    for row, column in (("3b-t8", "modern"), ("3b-t8", "faithful"), ("gone", "faithful"), ("3a-t8", "faithful")):
        making._add(replicated([1, 2], row=row, column=column), table, results)
    making._add(replicated([3], row="3b-t8"), table, results)  # in the place of what was there
    rows = kept(results, "tiny")
    assert [(row.row, row.column) for row in rows] == [
        ("3a-t8", "faithful"),
        ("3b-t8", "faithful"),
        ("3b-t8", "modern"),
        ("gone", "faithful"),
    ]
    assert len(rows[1].times) == 1
    assert results.reference("tiny").with_suffix(".csv").read_text().count("\n") == 5


def test_the_readme_gets_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    keep(Results(Path("results")), "hochreiter1997", [replicated([1000] * 10)])
    Path("README.md").write_text("<!-- hochreiter1997 -->\nold\n<!-- /hochreiter1997 -->\nafter\n")
    into_the_readme("hochreiter1997")
    readme = Path("README.md").read_text()
    assert "4-t100" in readme
    assert "\nold\n" not in readme
    assert readme.endswith("<!-- /hochreiter1997 -->\nafter\n")
