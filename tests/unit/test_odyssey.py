"""Suite odyssey's answer, from boards that nobody ran: what is set beside the paper, and where there is nothing yet."""

import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from answers import ACCURACY, answer

from lstm_bench.odyssey import CLAIMS, SUITE, Odyssey, keep, text_of
from lstm_bench.record.files import Results
from lstm_bench.suites.names import studies_of

SEEDS = 5
WORSE = {"cell-no-forget": 0.2, "cell-no-output-activation": 0.1}  # as in the paper


def sail(results: Results, worse: Mapping[str, float], *, tasks: slice = slice(None)) -> None:
    """Studies as the suite makes them: each variant as good as the plain LSTM, but for what is said."""
    chance = random.Random(3)
    for arm, names in studies_of(SUITE).items():
        for name in names[tasks]:
            task = name.removeprefix(f"{SUITE}-").removesuffix(f"-{arm}")
            scores = [0.8 - worse.get(arm, 0.0) + chance.gauss(0, 0.0003) for _ in range(SEEDS)]
            board = answer(name, scores, task=task, goal=ACCURACY, floors={"constant": 0.3})
            board["confirmed"]["machine"] |= {
                "python": "3",
                "versions": dict.fromkeys(("torch", "optuna", "mlflow"), "1"),
            }
            files = results.study(name)
            files.begin(f'task = "{task}"\nconfirm_seeds = {SEEDS}\n\n[search]\n"train.lr" = [0.1, 0.2]\n')
            files.write_board(board)


def test_each_variant_is_judged_on_each_task_and_set_beside_the_paper(results: Results) -> None:
    sail(results, WORSE)
    found = Odyssey.of(results)
    assert [side.name for side in found.sides] == ["cell-lstm", *CLAIMS]
    tasks = list(found.shares)
    assert len(tasks) == 3
    assert all(list(found.scores[variant]) == tasks for variant in CLAIMS)
    assert {variant: found.agreement(variant) for variant in CLAIMS} == dict.fromkeys(CLAIMS, (3, 3))
    assert found.ranks.p_value is not None
    assert {found.ranks.sides[side] for side in found.ranks.order[-2:]} == {*WORSE}


def test_what_does_not_agree_is_counted_and_what_is_undecided_is_not(results: Results) -> None:
    sail(results, {"cell-coupled": 0.2, "cell-no-forget": -0.1})
    found = Odyssey.of(results)
    assert found.agreement("cell-coupled") == (0, 3)  # the paper: it costs nothing
    assert found.agreement("cell-no-forget") == (0, 3)  # the paper: it hurts
    assert found.agreement("cell-no-input") == (3, 3)


def test_half_a_voyage_is_told_as_far_as_it_came(results: Results) -> None:
    sail(results, WORSE, tasks=slice(1))
    text = text_of(Odyssey.of(results))
    assert "1 of 1" in text
    assert "ranks over 1 task say nothing" in text


def test_it_is_kept_with_what_the_readme_shows(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sail(results, WORSE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/reference").mkdir(parents=True, exist_ok=True)
    (tmp_path / "README.md").write_text("Before\n<!-- odyssey -->\nold\n<!-- /odyssey -->\nafter\n")
    keep(Odyssey.of(results))
    kept = json.loads((tmp_path / "results/reference/odyssey.json").read_text())
    readme = (tmp_path / "README.md").read_text()
    assert kept["text"] in readme
    assert "\nold\n" not in readme
    assert len(kept["boards"]) == 27
