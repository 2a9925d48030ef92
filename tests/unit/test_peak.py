"""What a machine can at most: measured apart, kept in the results folder, and what a run makes of it."""

import json
from pathlib import Path

import pytest
import torch
from shell import call

from lstm_bench.allocator import CHOICE, KEEP_MEMORY
from lstm_bench.cli.options import console
from lstm_bench.cli.studies import _know_the_peaks
from lstm_bench.errors import BenchError
from lstm_bench.execute import spec_of
from lstm_bench.meter import peak
from lstm_bench.pool import Job
from lstm_bench.pool.apart import apart, ensure_peak
from lstm_bench.pool.child import _peak
from lstm_bench.record.files import Results
from lstm_bench.record.peaks import keep_peak, known_peak
from lstm_bench.record.run import RunFiles, new_run_id
from lstm_bench.suites import StudyTable
from lstm_bench.tuning.study import Question

HERE = peak.place("cpu", 1, "float32")


def test_a_path_takes_the_operations_that_it_says() -> None:
    """By torch's counter, with each path's own tensors where nothing is fused."""
    from torch.utils.flop_counter import FlopCounterMode

    for path in peak.paths(torch.device("meta"), torch.float32):
        with FlopCounterMode(display=False) as counter:
            path.compute()
        assert counter.get_total_flops() == path.flops, path.name


def test_the_best_of_many_times_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 2.0, 2.0, 3.0, 3.0, 7.0, 10.0])  # until 10; calls that take 2, 1 and 4 s
    monkeypatch.setattr(peak.time, "perf_counter", lambda: next(times))
    assert peak.best_rate(peak.Path("mm", lambda: None, 12), torch.device("cpu"), seconds=10.0) == 12.0


def test_it_is_measured_once_and_in_another_process(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    root = tmp_path / "results"
    found = ensure_peak(root, "cpu", 1, "float32")
    assert found["place"] == HERE
    assert found["flops_per_second"] > 1e9
    assert found["path"].split()[0] in ("mm", "linear", "lstm")
    assert ensure_peak(root, "cpu", 1, "float32") == found == known_peak(root, HERE)
    assert len((root / "peaks.jsonl").read_text().splitlines()) == 1
    assert torch.get_num_threads() == threads


def test_of_several_the_best_holds_and_other_places_do_not_count(tmp_path: Path) -> None:
    for place, rate in ((HERE, 5.0), (HERE, 9.0), (HERE, 7.0), (peak.place("cpu", 2, "float32"), 11.0)):
        keep_peak(tmp_path, place, {"flops_per_second": rate, "path": "mm 256"})
    with (tmp_path / "peaks.jsonl").open("a") as file:
        file.write('{"place": torn')
    found = known_peak(tmp_path, HERE)
    assert found
    assert found["flops_per_second"] == 9.0
    assert known_peak(tmp_path, peak.place("cpu", 1, "bfloat16")) is None
    assert known_peak(tmp_path / "nowhere", HERE) is None


def test_a_run_finds_the_peak_of_its_own_kind(tmp_path: Path) -> None:
    keep_peak(tmp_path, HERE, {"flops_per_second": 5.0, "path": "mm 256"})
    for precision, known in (("float32", 5.0), ("bfloat16", None)):
        spec, _ = spec_of({"task": "toy:Toy"}, {"train.precision": precision})
        assert _peak(Job(spec, Results(tmp_path).run(new_run_id("toy")).path)) == known


def test_what_runs_apart_has_the_environment_that_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "told.py").write_text(
        "import json, os, sys\n"
        "names = ('MALLOC_TRIM_THRESHOLD_', 'MALLOC_MMAP_THRESHOLD_', 'MINE')\n"
        "print(json.dumps([sys.argv[1:], [os.environ.get(name) for name in names]]))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    monkeypatch.setenv(CHOICE, "tuned")
    for name in KEEP_MEMORY:
        monkeypatch.delenv(name, raising=False)
    kept = str(2**30)
    assert apart("told", 1, "two", MINE="3") == [["1", "two"], [kept, kept, "3"]]
    assert apart("told", without=["MALLOC_TRIM_THRESHOLD_"]) == [[], [None, kept, None]]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("raise RuntimeError('no luck')", "broken: RuntimeError: no luck"),
        ("print('not JSON')", "broken: Expecting value"),
        ("import os; os._exit(7)", "broken: exit code 7"),
    ],
)
def test_what_breaks_apart_is_told_in_one_line(
    source: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    with pytest.raises(BenchError) as error:
        apart("broken")
    assert str(error.value).startswith(told)
    assert "\n" not in str(error.value)


def test_a_place_is_plain_json() -> None:
    assert json.loads(json.dumps(HERE)) == HERE


def test_one_run_measures_no_peak_and_has_no_share_of_it(tmp_path: Path) -> None:
    done = call(tmp_path, "run", "toy:Toy")
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "results" / "runs").iterdir()
    result = RunFiles(path).result
    assert result
    assert "cost/flops" in result.metrics
    assert "speed/mfu" not in result.metrics
    assert not (tmp_path / "results" / "peaks.jsonl").exists()


def test_a_bench_goes_on_where_the_peak_cannot_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def out_of_luck(*_: object) -> None:
        raise BenchError("lstm_bench.meter.peak: no luck")

    monkeypatch.setattr("lstm_bench.pool.apart.apart", out_of_luck)
    question = Question.of(StudyTable({"task": "toy:Toy"}), {}, workers=1)
    _know_the_peaks([question, question], Results(tmp_path), console())
    assert capsys.readouterr().out == "without a peak rate there is no speed/mfu: lstm_bench.meter.peak: no luck\n"
