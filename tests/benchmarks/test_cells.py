"""What each cell costs beside `nn.LSTM`. `make microbench`; figures, no assertions on time."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from lstm_bench import plugins
from lstm_bench.speed import PLAIN, all_measured, paths

CELLS = sorted(plugins.installed(plugins.CELLS))


@pytest.mark.parametrize(
    ("cells", "layers"), [(CELLS, 1), ([name for name in CELLS if PLAIN in paths(name)], 2)], ids=["one layer", "two"]
)
def test_a_training_step_beside_the_framework(benchmark: BenchmarkFixture, cells: list[str], layers: int) -> None:
    """One thread, 32 sequences of 100 steps, two features; forward, backward, Adam; in turns with `nn.LSTM`."""
    rows = benchmark.pedantic(lambda: list(all_measured(cells, layers=layers)), rounds=1)
    stacked = "" if layers == 1 else f", {layers} layers"
    benchmark.extra_info["says"] = {  # in the order of `SIZES`
        f"`{row.cell}`{stacked}, by {row.path}": ", ".join(map(str, row.speeds.values())) for row in rows
    }
