"""What is read of a file that grows."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_bench.record.disk import append_line, write_whole
from lstm_bench.record.tail import Tail

LINES = [{"step": 1, "name": "é"}, {"step": 22}, {"step": 333, "metrics": {"train/loss": 0.5}}]
WHOLE = b"".join(json.dumps(line).encode() + b"\n" for line in LINES)


def lines_of(*steps: int) -> str:
    return "".join(json.dumps({"step": step}) + "\n" for step in steps)


def steps(tail: Tail) -> list[int]:
    return [line["step"] for line in tail.lines()]


@settings(deadline=None)
@given(cuts=st.lists(st.integers(0, len(WHOLE)), max_size=6))
def test_every_line_of_a_growing_file_comes_once_and_whole(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "growing.jsonl"
    path.write_bytes(b"")
    tail, found, at = Tail(path), [], 0
    for cut in [*sorted(cuts), len(WHOLE)]:
        with path.open("ab") as file:
            file.write(WHOLE[at:cut])
        at = cut
        found += tail.lines()
        assert found == LINES[: WHOLE[:cut].count(b"\n")]
    assert tail.lines() == []


def test_a_file_that_is_not_there_yet_is_read_from_when_it_is(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "later.jsonl")
    assert tail.lines() == []
    append_line(tmp_path / "later.jsonl", {"step": 1})
    assert steps(tail) == [1]


def test_a_torn_line_is_passed_over_once_another_writer_has_closed_it_off(tmp_path: Path) -> None:
    path = tmp_path / "torn.jsonl"
    path.write_text(lines_of(1) + '{"step": 2, "tim')  # a killed writer's
    tail = Tail(path)
    assert steps(tail) == [1]
    append_line(path, {"step": 3})
    assert steps(tail) == [3]
    path.write_text(path.read_text() + "7\nnull\n")  # JSON, but none of ours
    assert steps(tail) == []


def test_a_file_that_was_cut_and_written_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text(lines_of(1, 2, 3))
    tail = Tail(path)
    assert steps(tail) == [1, 2, 3]
    write_whole(path, lines_of(1, 2))
    append_line(path, {"step": 3})
    append_line(path, {"step": 4})  # longer than before: its size alone would not tell
    assert steps(tail) == [1, 2, 3, 4]
    append_line(path, {"step": 5})
    assert steps(tail) == [5]


def test_a_file_that_was_cut_off_in_place_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "shorter.jsonl"
    path.write_text(lines_of(1, 2, 3))
    tail = Tail(path)
    tail.lines()
    os.truncate(path, len(lines_of(1, 2)))
    assert steps(tail) == [1, 2]


def test_a_file_that_was_deleted_says_nothing_and_a_new_one_everything(tmp_path: Path) -> None:
    path = tmp_path / "gone.jsonl"
    path.write_text(lines_of(1))
    tail = Tail(path)
    tail.lines()
    path.rename(tmp_path / "kept")  # so that its inode is not given to the next
    assert tail.lines() == []
    path.write_text(lines_of(7))
    assert steps(tail) == [7]
