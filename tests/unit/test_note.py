"""Notes are read as Markdown by MLflow's page: names from users cannot break out of them."""

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_bench.report.note import MADE_BY, code, escaped, study_note, study_row, task_note

EVIL = ["<script>alert(1)</script>", "a | b", "`ls`", "$HOME $x^2$", "two\nlines", "| --- |\n# head", "[a](script:x)"]
# what starts something in Markdown, unless a backslash stands before it
BARE = re.compile(r"(?<!\\)(?:\\\\)*[`*_{}\[\]()#+!|~]")


def cells(row: str) -> list[str]:
    """A table row's cells as a Markdown reader parts them: at bars without a backslash."""
    return re.split(r"(?<!\\)\|", row)[1:-1]


def board(name: str = "name", **settings: Any) -> dict[str, Any]:
    found = {"trial": 3, "runs": ["r"], "seeds": [0], "settings": settings or {"train.lr": 0.01}, "score": 0.75}
    return {
        "study": name,
        "task": "toy",
        "goal": {"metric": "accuracy", "maximize": True, "chance": 0.5, "target": 0.9, "ceiling": None},
        "asked": {"trials": 4, "confirm_seeds": 3},
        "statuses": {"finished": 3, "crashed": 1},
        "best": found,
        "confirmed": None,
    }


@given(st.text())
def test_a_text_is_shown_as_it_is_in_one_line(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert "<" not in shown
    assert ">" not in shown
    assert not BARE.search(shown)
    assert html.unescape(re.sub(r"\\([\\`*_{}\[\]()#+!|~])", r"\1", shown)) == " ".join(text.split())


@given(st.text())
def test_code_cannot_be_left_from_within(text: str) -> None:
    shown = code(text)
    assert "\n" not in shown
    if shown:
        assert shown[0] == shown[-1] == "`"
        assert shown[1:-1] == " ".join(text.split()).replace("`", "'")  # a bar, too: only a table would part there


def test_no_text_is_no_code() -> None:
    assert code("  \n ") == ""


@pytest.mark.parametrize("evil", EVIL)
def test_a_study_stays_in_its_row_whatever_it_is_called(evil: str) -> None:
    asked = [board("plain"), board(evil, **{"options.text": evil})]
    rows = [study_row(one, [one["study"]]) for one in asked]
    note = task_note(rows).splitlines()
    head, line, *found = [row for row in note if row.startswith("|")]
    assert len(found) == 2
    assert {len(cells(row)) for row in (head, line, *found)} == {len(rows[0]) - 1}  # the command stands below
    for cell in cells(found[1]):
        assert not BARE.search(cell)
        assert "<" not in cell
    name, _, command = note[-1].removeprefix("- ").rpartition(": `")
    assert not BARE.search(name)
    assert command[-1] == "`"
    assert "`" not in command[:-1]


@pytest.mark.parametrize("evil", EVIL)
def test_a_study_s_own_note_has_as_many_lines_whatever_it_is_called(evil: str) -> None:
    plain = study_note(board("x", **{"options.text": "x"}), ["x"]).splitlines()
    note = study_note(board(evil, **{"options.text": evil}), [evil]).splitlines()
    assert len(note) == len(plain)
    assert not any("<script" in line and not line.startswith("- as it was made: `") for line in note)


def test_a_study_without_a_complete_trial_says_so_and_how_to_go_on() -> None:
    note = study_note(board() | {"best": None}, ["lstm-bench search toy"])
    assert "no trial was complete" in note
    assert "`lstm-bench search toy`" in note
    assert study_row(board() | {"best": None}, [])["best setting"] == "no complete trial"


def test_a_task_without_an_answer_says_so() -> None:
    assert task_note([]) == "No study has an answer yet."


def test_a_task_s_note_begins_with_how_many_studies_there_are_in_plain_words() -> None:
    rows = [study_row(board(name), ["lstm-bench search toy"]) for name in ("a", "b")]
    assert task_note(rows[:1]).splitlines()[0] == "What 1 study found"
    assert task_note(rows).splitlines()[0] == "What 2 studies found"


def test_a_study_without_a_command_is_not_said_to_be_made_by_one() -> None:
    rows = [study_row(board(name), commands) for name, commands in (("a", ["lstm-bench search toy"]), ("b", []))]
    assert [line for line in task_note(rows).splitlines() if line.startswith("- ")] == ["- a: `lstm-bench search toy`"]
    assert "made by" not in task_note(rows[1:]).lower()


@pytest.mark.parametrize("evil", EVIL)
def test_a_command_in_a_piece_of_advice_is_code_and_the_rest_is_literal(evil: str) -> None:
    line = f"{evil} is near: `lstm-bench confirm a_b --seeds 4` parts them"
    note = study_note(board() | {"advice": [line]}).splitlines()
    found = note[note.index("**Next:**") + 2]
    assert "<script" not in re.sub(r"`.*?`", "", found)
    if "`" not in evil:
        assert "`lstm-bench confirm a_b --seeds 4` parts them" in found
        assert not BARE.search(re.sub(r"`.*?`", "", found.removeprefix("- ")))


def test_a_board_of_the_first_schema_has_a_note_and_a_row() -> None:
    old = board()
    old["best"] = {"trial": 3, "run": "r", "seed": 0, "settings": {"train.lr": 0.01}, "score": 0.75}
    assert "0.75" in study_note(old, [])
    row = study_row(old, [])
    assert row["best setting"] == "lr 0.01"
    assert row[MADE_BY] == ""
