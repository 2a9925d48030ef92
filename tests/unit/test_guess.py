"""Random weight guessing: the control that shows which problems are no test of learning."""

from typing import Any

import numpy as np
import pytest
import torch
from keeping import Kept
from torch.testing import assert_close

from lstm_bench.errors import UsageError
from lstm_bench.execute import execute, spec_of
from lstm_bench.result import Status
from lstm_bench.spec import ModelSpec
from lstm_bench.task import Signature

pytest.importorskip("numba")
from lstm_bench.learners.guess import network, trial, weights_of
from lstm_bench.learners.net import Bounds

LATCH = {"task": "h97-two-sequence", "options": {"experiment": "3a", "stop": "ST1", "length": 20}}
GUESS: dict[str, Any] = {
    "model.cell": "rnn",
    "model.hidden": 1,
    "model.output_activation": "logistic",
    "train.learner": "guess",
    "train.batch_size": 1000,
    "train.steps": 2000,
    "train.eval_every": 20,
}


def test_a_guess_is_tried_as_the_model_would_answer() -> None:
    torch.manual_seed(0)
    model = network(Signature(features=2, outputs=2, every_step=False), ModelSpec(cell="rnn", hidden=3,
                    output_activation="logistic"), {}).double()  # fmt: skip
    x, lengths_B = torch.randn(5, 4, 2, dtype=torch.float64), torch.tensor([4, 3, 2, 1, 4])
    answer = model(x, None, lengths_B)[0].detach()
    fitting = torch.cat([part.detach().flatten() for part in weights_of(model)])
    guesses = torch.stack([fitting + 1, fitting, fitting]).numpy()
    came = np.zeros(1, np.int64)
    found = trial(guesses, 3, x.numpy(), lengths_B.numpy(), answer.numpy(), Bounds(1e-9, 1, 1e-9), came)
    assert found == 1
    assert came[0] == 4 + lengths_B.sum()  # the first guess fails at once
    assert trial(guesses[:1], 3, x.numpy(), lengths_B.numpy(), answer.numpy(), Bounds(1e-9, 1, 1e-9), came) == 1


def test_a_latch_is_guessed_and_the_guesses_are_counted() -> None:
    spec, _ = spec_of(LATCH, GUESS)
    kept = Kept()
    result = execute(spec, kept, test=True)
    assert result.status is Status.SOLVED
    assert 1 <= result.metrics["target/sequences"] == kept.readings[-1].sequences < 2_000_000
    assert result.metrics["test/wrong"] < 0.05
    again = Kept()
    assert execute(spec, again).metrics["target/sequences"] == result.metrics["target/sequences"]
    weights = [part.flatten() for name, part in kept.states[-1]["model"].items() if "bias_hh" not in name]
    assert torch.cat(weights).abs().max() > 1  # they are guesses, not what a layer draws
    assert_close(kept.states[-1]["model"]["layers.0.layer.bias_hh_l0"], torch.zeros(1))


@pytest.mark.parametrize(
    ("task", "values", "told"),
    [
        ("h97-two-sequence", {"model.cell": "lstm"}, "with model.cell = 'lstm': expected 'rnn'"),
        (
            "h97-two-sequence",
            {"model.output_activation": "none"},
            "with model.output_activation = 'none': expected 'logistic'",
        ),
        ("h97-order", {"model.embedding": 0}, "expected numbers in, one answer, as h97-two-sequence"),
    ],
)
def test_what_cannot_be_guessed_is_refused(task: str, values: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        spec_of({"task": task}, GUESS | values)
