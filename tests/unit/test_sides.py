"""What a name given to `compare` stands for, and which studies meet."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from answers import answer
from made import make_study

from lstm_bench.analysis.sides import Side, alone, judged, pairs_of, side_of, sides_of
from lstm_bench.errors import UsageError
from lstm_bench.record.disk import as_json
from lstm_bench.record.files import Results

SUITE = '[[study]]\ntask = "adding"\n[[study]]\ntask = "copy"\n[[study]]\ntask = "toy:Toy"\n'


def keep(results: Results, board: Mapping[str, Any]) -> None:
    """A study whose answer alone is there."""
    files = results.study(board["study"])
    files.begin(f'task = "{board["task"]}"\nconfirm_seeds = 3\n')
    files.write_board(board)


@pytest.fixture
def kept(results: Results) -> Results:
    for study, task in (("mine-adding", "adding"), ("mine-toy.Toy", "toy:Toy"), ("quick-adding", "adding")):
        keep(results, answer(study, [0.1, 0.2], task=task))
    (results.root / "mine.toml").write_text(SUITE)
    (results.root / "kept.json").write_text(as_json({"boards": [answer("old", [0.3])]}))
    return results


@pytest.mark.parametrize(
    ("name", "studies"),
    [
        ("mine-adding", ["mine-adding"]),
        ("quick", ["quick-adding"]),
        ("{}/mine.toml", ["mine-adding", "mine-toy.Toy"]),
        ("{}", ["mine-adding", "mine-toy.Toy", "quick-adding"]),
        ("{}/studies/mine-adding", ["mine-adding"]),
        ("{}/studies/mine-adding/", ["mine-adding"]),
        ("{}/kept.json", ["old"]),
    ],
)
def test_a_side_is_what_its_name_stands_for(kept: Results, name: str, studies: list[str]) -> None:
    asked = name.format(kept.root)
    found = side_of(asked, kept)
    assert found.name == asked
    assert sorted(board["study"] for board in found.boards) == studies


def test_a_study_comes_before_a_suite_of_its_name(kept: Results) -> None:
    keep(kept, answer("quick", [0.1]))
    assert [board["study"] for board in side_of("quick", kept).boards] == ["quick"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine-ading", ["unknown study 'mine-ading'", "Did you mean 'mine-adding'", "results folder"]),
        ("standard", ["no study of suite standard in", "`lstm-bench bench standard`"]),
        ("{}/studies", ["no studies in it", "results folder"]),
        ("{}/none.json", ["none.json cannot be read: No such file"]),
        ("{}/torn.json", ["torn.json cannot be read: Expecting"]),
        ("{}/list.json", ["list.json holds no boards", "make reference"]),
        ("{}/none.toml", ["none.toml cannot be read"]),
        ("{}/torn", ["torn/studies/x/study.toml is not TOML"]),
        ("{}/torn/studies/y", ["studies/y/study.toml: no task in it"]),
    ],
)
def test_what_is_no_side_is_one_line(kept: Results, name: str, words: list[str]) -> None:
    (kept.root / "torn.json").write_text('{"boards": [')
    for study, text in (("x", 'task = "ad'), ("y", "")):
        folder = kept.root / "torn" / "studies" / study
        folder.mkdir(parents=True)
        (folder / "study.toml").write_text(text)
    (kept.root / "list.json").write_text("[1, 2]")
    with pytest.raises(UsageError) as refused:
        side_of(name.format(kept.root), kept)
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)


def test_a_board_is_made_anew_from_its_runs_and_kept_as_it_is_where_they_are_gone(results: Results) -> None:
    files = make_study(results, "made", trials=2, confirm_seeds=2)
    whole = files.board
    assert whole
    older = json.loads(json.dumps(whole))
    del older["confirmed"]["figures"]  # as an earlier version wrote it
    files.write_board(older)
    (again,) = side_of("made", results).boards
    assert again["confirmed"] == whole["confirmed"]
    results.runs.rename(results.root / "gone")
    (as_written,) = side_of("made", results).boards
    assert as_written["confirmed"] == older["confirmed"]


def side(name: str, *studies: tuple[str, str, Mapping[str, Any] | None]) -> Side:
    return Side(name, [answer(study, [0.1], task=task, options=options) for study, task, options in studies])


def names(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> list[tuple[str, str]]:
    return [(one["study"], other["study"]) for one, other in pairs]


SHORT, LONG = {"length": 10}, {"length": 100}


@pytest.mark.parametrize(
    ("first", "later", "met"),
    [
        # Two single studies always, so that their verdict says why not.
        ([("a", "adding", None)], [("b", "copy", None)], [("b", "a")]),
        # By task, whatever they are called and however they are ordered.
        (
            [("q-adding", "adding", None), ("q-copy", "copy", None)],
            [("s-copy", "copy", None), ("s-adding", "adding", None), ("s-lag", "lag", None)],
            [("s-copy", "q-copy"), ("s-adding", "q-adding")],
        ),
        # Of several of a task those with the same options.
        (
            [("a", "adding", SHORT), ("b", "adding", LONG)],
            [("c", "adding", LONG), ("d", "adding", SHORT)],
            [("c", "b"), ("d", "a")],
        ),
        # Of several of these the namesakes; who has none is left alone.
        (
            [("a", "adding", None), ("b", "adding", None)],
            [("b", "adding", None), ("a", "adding", None), ("c", "adding", None)],
            [("b", "b"), ("a", "a")],
        ),
        # One of a task meets the only other one, though its options are others: then it is said that they are.
        (
            [("a", "adding", SHORT), ("x", "copy", None)],
            [("b", "adding", LONG), ("y", "copy", None)],
            [("b", "a"), ("y", "x")],
        ),
        # Nobody can say which of two is meant.
        ([("a", "adding", None), ("b", "adding", None)], [("c", "adding", None)], []),
    ],
)
def test_studies_meet_by_task_then_options_then_name(first: Any, later: Any, met: list[tuple[str, str]]) -> None:
    one, other = side("first", *first), side("later", *later)
    assert names(pairs_of(other, one)) == met
    assert sorted(names(pairs_of(one, other))) == sorted((b, a) for a, b in met)
    assert alone(other, one) == [study for study, _, _ in later if study not in dict(met)]


def test_each_later_side_is_judged_against_the_first() -> None:
    first, second, third = (side(name, (f"{name}-1", "adding", None), (f"{name}-2", "copy", None)) for name in "abc")
    found = judged([first, second, third])
    assert [(one.first, one.against, one.versus.first, one.versus.against) for one in found] == [
        ("b", "a", "b-1", "a-1"),
        ("b", "a", "b-2", "a-2"),
        ("c", "a", "c-1", "a-1"),
        ("c", "a", "c-2", "a-2"),
    ]


def test_a_folder_is_read_by_any_path_to_it(kept: Results, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(kept.root / "studies" / "mine-adding")
    found = [side_of(path, Results(tmp_path / "nowhere")) for path in (".", "../mine-adding")]
    assert [one.boards[0]["study"] for one in found] == ["mine-adding"] * 2


VARIED = """
vary = { "model.cell" = ["lstm", "gru"] }
[[study]]
task = "digits"
[[study]]
task = "adding"
"""


def test_the_arms_of_a_suite_that_varies_something_are_sides(tmp_path: Path, results: Results) -> None:
    (tmp_path / "cells.toml").write_text(VARIED)
    for arm in ("lstm", "gru"):
        for task in ("digits", "adding"):
            keep(results, answer(f"cells-{task}-cell-{arm}", [0.1, 0.2], task=task))
    found = sides_of([str(tmp_path / "cells.toml")], results)
    assert [(side.name, [board["study"] for board in side.boards]) for side in found] == [
        ("cell-lstm", ["cells-digits-cell-lstm", "cells-adding-cell-lstm"]),
        ("cell-gru", ["cells-digits-cell-gru", "cells-adding-cell-gru"]),
    ]
    assert len(judged(found)) == 2
    with pytest.raises(UsageError, match="expected two studies or more"):
        sides_of(["quick"], results)
