import pytest

from lstm_bench.dry import Cost
from lstm_bench.spec import RunSpec


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ({"train.steps": 100}, 100),
        ({"train.steps": 0, "train.epochs": 2.0}, 40),
        ({"train.steps": 0, "train.sequences": 330}, 11),
        ({"train.steps": 0, "train.seconds": 8.0}, 16),
        ({"train.steps": 30, "train.epochs": 2.0}, 30),
    ],
)
def test_the_cost_of_a_run_is_that_of_the_budget_which_ends_it(budget: dict[str, float], steps: int) -> None:
    cost = Cost(step=0.5, evaluation=3.0, sequences=32.0, epochs=0.05)
    spec = RunSpec(task="digits").with_values({"train.eval_every": 10, **budget})
    assert cost.of(spec) == pytest.approx(0.5 * steps + 3.0 * -(-steps // 10))
