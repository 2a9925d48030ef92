"""Verdicts as a frame."""

import json
import statistics

import pytest
from made import make_study

from lstm_bench import verdicts
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results


def mean_score(results: Results, study: str) -> float:
    """The mean test score of a study, as its confirming runs' files have it."""
    found = [results.run(line.run).result for line in results.study(study).lines if line.purpose == "confirm"]
    return statistics.fmean(result.metrics["test/accuracy"] for result in found if result)


def test_verdicts_have_a_row_a_pair_and_measure(results: Results) -> None:
    for name in ("one", "other"):
        make_study(results, name, trials=2, confirm_seeds=3)
    alone = make_study(results, "alone", trials=2, confirm_seeds=3)
    board = alone.board
    assert board
    (results.root / "old.json").write_text(json.dumps({"boards": [board | {"task": "adding"}]}))
    frame = verdicts("one", "other", str(results.root / "old.json"), results=results.root, margins={"score": 0.5})
    judged, refused = frame[frame["side"] == "other"], frame[frame["side"] != "other"]
    assert set(judged["against"]) == {"one"}
    assert judged["refused"].isna().all()
    assert judged["word"].isin(["better", "worse", "equivalent", "undecided"]).all()
    score = judged.set_index("measure").loc["test/accuracy"]
    means = [mean_score(results, name) for name in ("other", "one")]
    assert [score["value"], score["value_against"]] == pytest.approx(means)
    assert score["difference"] == pytest.approx(means[0] - means[1])
    assert score["difference_low"] < score["difference"] < score["difference_high"]
    assert (score["margin"], score["scale"], score["missed"], score["confidence"]) == ("0.5", "linear", 0, 0.95)
    assert {"speed/sequences_per_second", "memory/peak_private_mib", "model/parameters"} < {*judged["measure"]}
    assert refused["measure"].isna().all()
    assert refused["refused"].tolist() == ["alone is of task adding, one of toy:Toy"]


@pytest.mark.parametrize(
    ("names", "margins", "words"),
    [
        (("one",), None, ["only one", "two studies"]),
        (("one", "othr"), None, ["'othr'", "Did you mean 'other'"]),
        (("one", "other"), {"scor": 1}, ["'scor'", "Did you mean 'score'"]),
        (("one", "other"), {"score": "much"}, ["score = 'much'", "5%"]),
    ],
)
def test_verdicts_that_cannot_be_given_are_a_line(
    results: Results, names: tuple[str, ...], margins: dict[str, str | float] | None, words: list[str]
) -> None:
    for name in ("one", "other"):
        make_study(results, name, trials=2, confirm_seeds=2)
    with pytest.raises(UsageError) as refused:
        verdicts(*names, results=results.root, margins=margins)
    assert all(word in str(refused.value) for word in words)
