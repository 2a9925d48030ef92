"""What cells and a run cost on a card. `make measured WHAT=card` where there is one; the sides take turns."""

from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sides import by_command, by_hand, done, in_turns, settings_of, share

from lstm_bench import plugins
from lstm_bench.meter import cards
from lstm_bench.speed import all_measured

CELLS = sorted(plugins.installed(plugins.CELLS))
SIZES = (64, 256)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not (torch.backends.cuda.is_built() and cards().get("gpus")), reason="no CUDA card here"),
]


def test_a_training_step_beside_the_framework(benchmark: BenchmarkFixture) -> None:
    """32 sequences of 100 steps, two features; forward, backward, Adam; in turns with `nn.LSTM`, which uses TF32."""
    rows = benchmark.pedantic(lambda: list(all_measured(CELLS, device="cuda")), rounds=1)
    benchmark.extra_info["says"] = {  # in the order of `speed.SIZES`
        f"`{row.cell}`, by {row.path}": ", ".join(map(str, row.speeds.values())) for row in rows
    }


@pytest.mark.parametrize("hidden", SIZES)
def test_a_run_against_the_loop_by_hand(benchmark: BenchmarkFixture, tmp_path: Path, hidden: int) -> None:
    done(tmp_path, "run", "adding", "--set=train.steps=2", "--set=device=cuda")  # makes MLflow's store
    settings = settings_of(hidden, device="cuda")

    def both() -> float:
        own, other = in_turns(by_command(tmp_path, settings), by_hand([settings]))
        return own.rate() / other.rate()

    ratio, alone = benchmark.pedantic(both, rounds=1), share(tmp_path, settings)
    benchmark.extra_info |= {"ratio": ratio, "harness_share": alone}
    benchmark.extra_info["says"] = {
        f"steps/s of `run`, files and MLflow on, against a loop by hand, hidden {hidden}": f"{ratio:.3f}",
        f"its `cost/harness_share`, hidden {hidden}": f"{alone:.2%}",
    }
