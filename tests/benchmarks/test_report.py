"""What a report costs. `make microbench`; figures, no assertions on time."""

from pathlib import Path

from made import make_study
from pytest_benchmark.fixture import BenchmarkFixture
from shell import call

from lstm_bench.record.files import Results

STUDIES, RUNS, READINGS = 10, 100, 30


def test_a_report_on_1000_runs(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """From the start of the command to its end; studies of 94 trials, two contenders on three fresh seeds."""
    results = Results(tmp_path / "results")
    for k in range(STUDIES):
        make_study(results, f"study-{k}", trials=RUNS - 6, readings=READINGS, confirm_seeds=3, confirm_top=2)
    assert len(list(results.runs.iterdir())) == STUDIES * RUNS
    done = benchmark.pedantic(lambda: call(tmp_path, "report"), rounds=3)
    assert done.returncode == 0, done.stderr
    size = (results.reports / "all.html").stat().st_size / 2**20
    assert size < 8
    what = f"`report` on {STUDIES * RUNS:,} runs of {STUDIES} studies, {READINGS} readings each"
    benchmark.extra_info["says"] = {
        f"{what}, from start to end": f"{benchmark.stats.stats.median:.1f} s",
        "the page": f"{size:.1f} MiB",
    }
