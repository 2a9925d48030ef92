import math
import random
import statistics
from typing import Any

import pytest

from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import Status
from lstm_bench.tuning.importance import METHODS, importances

ASKED: dict[str, Any] = {
    "task": "adding",
    "options": {"length": 20},
    "goal": {"metric": "mse", "maximize": False},
    "search": {
        "train.lr": {"low": 1e-4, "high": 1e-1, "log": True},
        "model.hidden": [32, 64, 128],
        "model.dropout": {"low": 0.0, "high": 0.5},
    },
}


def drawn(n: int = 60) -> list[dict[str, Any]]:
    chance = random.Random(0)
    return [
        {
            "train.lr": 10 ** chance.uniform(-4, -1),
            "model.hidden": chance.choice([32, 64, 128]),
            "model.dropout": chance.uniform(0, 0.5),
        }
        for _ in range(n)
    ]


def trials(settings: list[dict[str, Any]], objectives: list[float | None]) -> list[Trial]:
    def line(number: int, objective: float | None) -> RunLine:
        status = Status.PRUNED if objective is None else Status.FINISHED
        ends = {"status": status, "trial_status": status, "objective": objective, "score": objective}
        return RunLine(run="r", purpose="search", number=number, seed=0, settings=settings[number], **ends)

    return [Trial((line(number, objective),)) for number, objective in enumerate(objectives)]


def shares(asked: dict[str, Any], found: list[Trial], method: str = "PED-ANOVA") -> dict[str, float]:
    return {path: one.share for path, one in importances(asked, found, [method])[method].items()}


def split(settings: list[dict[str, Any]]) -> list[Trial]:
    """The largest objectives are those of large learning rates, the smallest those of little dropout."""
    return trials(
        settings,
        [
            2 + one["train.lr"] if one["train.lr"] > 0.04 else one["model.dropout"] if one["model.dropout"] < 0.1 else 1
            for one in settings
        ],
    )


@pytest.mark.parametrize(
    ("goal", "first"),
    [
        ({"metric": "accuracy", "maximize": True}, "train.lr"),
        ({"metric": "mse", "maximize": False}, "model.dropout"),
        ({"metric": "accuracy", "maximize": True, "ends_run": True, "target": 0.9}, "model.dropout"),  # fewer sequences
    ],
)
def test_what_counts_is_what_the_trials_that_rank_best_have_in_common(goal: dict[str, Any], first: str) -> None:
    found = shares({**ASKED, "goal": goal}, split(drawn(200)))
    assert next(iter(found)) == first
    assert found[first] > 0.8
    assert sum(found.values()) == pytest.approx(1.0)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert found.keys() == ASKED["search"].keys()


def test_a_parameter_with_a_condition_is_judged_where_it_was_searched() -> None:
    when = {"low": 0.5, "high": 0.99, "when": {"train.optimizer": "sgd"}}
    search = {"train.optimizer": ["adamw", "sgd"], "train.momentum": when, "model.dropout": {"low": 0.0, "high": 0.5}}
    chance = random.Random(1)
    settings = [
        {"train.optimizer": "sgd", "train.momentum": chance.uniform(0.5, 0.99), "model.dropout": chance.uniform(0, 0.5)}
        if k % 2
        else {"train.optimizer": "adamw", "model.dropout": chance.uniform(0, 0.5)}
        for k in range(80)
    ]
    asked, scored = {**ASKED, "search": search}, [1 - one.get("train.momentum", 0) for one in settings]
    found = shares(asked, trials(settings, scored))
    assert next(iter(found)) == "train.momentum"
    assert found.keys() == search.keys()


def test_what_is_not_complete_has_no_say() -> None:
    settings = drawn(120)
    objectives: list[float | None] = [one["train.lr"] for one in settings]
    stopped = [None if k % 3 else value for k, value in enumerate(objectives)]
    complete = trials(settings, stopped)
    assert importances(ASKED, complete) == importances(ASKED, [one for one in complete if one.objective is not None])
    assert importances(ASKED, complete) != importances(ASKED, trials(settings, objectives))


def test_few_trials_or_a_single_parameter_or_equal_scores_say_nothing() -> None:
    settings = drawn(8)
    scores: list[float | None] = [one["train.lr"] for one in settings]
    assert importances(ASKED, trials(settings, scores))
    assert importances(ASKED, trials(settings, [*scores[:7], None])) == {}
    assert importances(ASKED, trials(settings, [0.5] * 8)) == {}
    alone = [{"train.lr": one["train.lr"]} for one in settings]
    assert importances({**ASKED, "search": {"train.lr": ASKED["search"]["train.lr"]}}, trials(alone, scores)) == {}


def test_a_study_of_another_machines_card_is_judged_here_too() -> None:
    settings = drawn(20)
    found = trials(settings, [one["train.lr"] for one in settings])
    assert importances({**ASKED, "device": "cuda"}, found) == importances(ASKED, found)


@pytest.mark.parametrize("method", METHODS)
def test_the_spread_is_wide_where_nothing_matters_and_narrow_where_one_parameter_does(method: str) -> None:
    settings, chance = drawn(60), random.Random(2)

    def widths(scores: list[float | None]) -> float:
        found = importances(ASKED, trials(settings, scores), [method])[method]
        assert all(0 <= one.low <= one.high <= 1 for one in found.values())
        return statistics.fmean(one.high - one.low for one in found.values())

    assert widths([math.log(one["train.lr"]) for one in settings]) < 0.5 * widths([chance.random() for _ in settings])


def test_both_methods_agree_where_one_parameter_is_all_that_matters() -> None:
    settings = drawn(60)
    found = importances(ASKED, trials(settings, [math.log(one["train.lr"]) for one in settings]), list(METHODS))
    assert list(found) == ["PED-ANOVA", "fANOVA"]
    for own in found.values():
        assert next(iter(own)) == "train.lr"
        assert own["train.lr"].low > 0.6


def test_fanova_weighs_a_logarithmic_range_by_its_logarithms() -> None:
    """What happens below 1e-2 is two thirds of the range, and a tenth of it as it is written."""
    settings = drawn(200)
    scores: list[float | None] = [
        float(one["train.lr"] < 1e-2) + 0.7 * float(one["model.dropout"] < 0.25) for one in settings
    ]
    found = shares(ASKED, trials(settings, scores), "fANOVA")
    truth = {"train.lr": 2 / 9, "model.dropout": 0.49 / 4}  # variances of both, over the space
    assert found["train.lr"] == pytest.approx(truth["train.lr"] / sum(truth.values()), abs=0.1)


def test_fanova_passes_over_a_parameter_that_not_every_trial_has() -> None:
    when = {"low": 0.5, "high": 0.99, "when": {"train.optimizer": "sgd"}}
    search = {"train.optimizer": ["adamw", "sgd"], "train.momentum": when, "model.dropout": {"low": 0.0, "high": 0.5}}
    settings: list[dict[str, Any]] = [
        {"train.optimizer": "sgd", "train.momentum": 0.9, "model.dropout": k / 100}
        if k % 2
        else {"train.optimizer": "adamw", "model.dropout": k / 100}
        for k in range(40)
    ]
    found = importances({**ASKED, "search": search}, trials(settings, [float(k) for k in range(40)]), ["fANOVA"])
    assert list(found["fANOVA"]) == ["model.dropout", "train.optimizer"]


def test_few_trials_of_which_one_differs_are_no_trouble_to_a_tree() -> None:
    settings = drawn(8)
    found = importances(ASKED, trials(settings, [0.1, *[0.5] * 7]), list(METHODS))
    assert all(sum(one.share for one in own.values()) == pytest.approx(1.0) for own in found.values())
    assert list(found) == ["PED-ANOVA", "fANOVA"]
