"""What is said of our trials beside a paper's figure, on trials made by hand."""

import csv
import io
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replicated import replication, table

from lstm_bench.analysis.replication import Published, Replication, keep, kept
from lstm_bench.record.files import Results
from lstm_bench.report.page.replications import replications_table
from lstm_bench.report.reference import printed
from lstm_bench.report.replications import README, as_csv, in_words, origin, remarks, rendered, shown


@pytest.mark.parametrize(
    ("row", "differs"),
    [
        (replication([1000] * 10), []),
        (replication([501] * 10), []),
        (replication([1999] * 10), []),
        (replication([499] * 10), ["0.5 times the paper's sequences"]),  # the paper's figure is no bound, but a figure
        (replication([2001] * 10), ["2 times the paper's sequences"]),
        (replication([1000] * 9, failed=1), []),  # nine of ten may be as good as ten of ten
        (replication([1000] * 5, failed=5), ["5 of 10 trials succeed, of the paper's 10 100%"]),
        (
            replication([1000] * 4, failed=6),
            ["4 of 10 trials succeed, of the paper's 10 100%", "the median is beyond the cap of 5,000"],
        ),
        (replication([1000] * 2, failed=1), []),  # three trials cannot say more
        (replication([999] * 3, column="modern"), []),
        (replication([1000] * 3, column="modern"), ["1 times the sequences, not fewer"]),
        (replication([500] * 9, failed=1, column="modern"), ["9 of 10 trials succeed, of the paper's 10 100%"]),
        (replication([10] * 3, control=True), []),  # as much sooner as may be
        (replication([1500] * 3, control=True), ["1.5 times the sequences, not fewer"]),
    ],
)
def test_what_replicates_and_what_does_not(row: Replication, differs: list[str]) -> None:
    assert row.differs == differs
    assert row.holds is not differs


def test_a_paper_whose_own_trials_failed_is_reached_with_failures() -> None:
    row = replication([1000] * 5, failed=4)
    assert row.differs
    assert not replace(row, paper=Published(sequences=1000, rate=0.5)).differs


def test_quartiles_count_who_failed_as_later_than_the_cap() -> None:
    row = replication([100, 200, 300], failed=1)
    assert row.quartiles == (100, 200, 300)
    assert replication([100, 200], failed=2).quartiles == (100, 200, None)
    assert replication([], failed=4).quartiles == (None, None, None)
    assert replication([], failed=4).ratio is None


@given(
    st.lists(st.integers(1, 4999), max_size=6),
    st.integers(0, 4),
    st.sampled_from(["faithful", "modern"]),
    st.booleans(),
)
def test_a_row_comes_back_from_json_and_always_has_a_word(
    hits: list[int], failed: int, column: str, control: bool
) -> None:
    row = replication(hits, failed=failed or not hits, column=column, control=control)
    found = json.loads(json.dumps(row.to_dict()))
    assert Replication.from_dict(found) == row
    assert found["word"] == row.word
    assert row.holds == (not remarks([row]))


def test_a_table_is_kept_whole_and_read_again(results: Results) -> None:
    assert kept(results, "hochreiter1997") == []
    keep(results, "hochreiter1997", table())
    assert kept(results, "hochreiter1997") == table()
    found = json.loads(results.reference("hochreiter1997").read_text())
    assert found["command"] == "lstm-bench reproduce hochreiter1997"
    assert found["rows"][0]["median"] == 1100


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_a_terminal_and_nothing_of_it_is_cut(width: int) -> None:
    text = printed(shown(table(), width), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    lines = text.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [row.row for row in table()]
    assert ("0.72-1.00" in text) is (width == 120)
    assert ">2.23M" in text
    whole = " ".join(line.strip() for line in lines)
    assert "6a (faithful) does not replicate: 3 times the paper's sequences. " in whole
    assert "Tried on 6a: a rate of 0.1: 2,200." in whole


def test_what_was_tried_is_said_once_and_of_those_alone_that_differ() -> None:
    rows = [replication([], failed=3, row=name, tried="this") for name in "ab"]
    said = remarks([*rows, replication([1000], row="c", tried="this", instead="a linear output")])
    assert said[0] == "c (faithful) is not by the paper's words: a linear output."
    assert [line.split()[0] for line in said[1:3]] == ["a", "b"]
    assert said[3:] == ["Tried on a, b: this."]


def test_a_row_is_told_in_a_line() -> None:
    assert in_words(table()[1]) == "4-t100 (modern): 3/3 trials, median 450 sequences, 2.2x fewer"
    assert "0/3 trials, median >2.23M sequences, differs" in in_words(table()[4])


@pytest.mark.parametrize(
    ("median", "word"), [(4, "250x fewer"), (8, "120x fewer"), (450, "2.2x fewer"), (999, "1x fewer")]
)
def test_how_many_times_fewer_is_told_to_two_digits(median: int, word: str) -> None:
    assert replication([median] * 3, column="modern").word == word


def test_a_spreadsheet_has_a_line_a_row_and_plain_cells() -> None:
    lines = list(csv.DictReader(io.StringIO(as_csv(table()))))
    assert [line["row"] for line in lines] == [row.row for row in table()]
    assert lines[2]["differs"] == "3 times the paper's sequences"
    assert lines[4]["median"] == ""
    assert (lines[0]["seconds"], lines[0]["median_seconds"]) == ("15.0", "1.5")
    assert not any("{" in cell or "[" in cell for line in lines for cell in line.values())


def test_the_readme_says_where_it_was_made() -> None:
    block = rendered(table(), "lstm-bench reproduce hochreiter1997")
    place = "A made-up processor, 2 cores; Python 3.11.2, torch 2.13.0, numba 0.68.0; commit 0123abc"
    place += "; all trials together trained for 33 s, one to a core"
    assert block.endswith(f"By `lstm-bench reproduce hochreiter1997` on {place}.")
    assert max(len(line) for line in block.split("```")[1].splitlines()) <= README


def test_runs_that_two_rows_are_read_from_were_trained_once() -> None:
    weaker, stronger = (replication([1000] * trials, study="both") for trials in (2, 4))
    assert origin([weaker, stronger]).endswith("trained for 6 s, one to a core")


def test_the_page_has_ours_beside_the_papers() -> None:
    found = replications_table(table())
    assert [row[0].text for row in found.rows] == [row.row for row in table()]
    lines = [dict(zip(found.heads, row, strict=True)) for row in found.rows]
    assert [(line["verdict"].look, line["verdict"].text) for line in lines[:3]] == [
        ("better", "replicates"),
        ("better", "2.2x fewer"),
        ("worse", "differs"),
    ]
    assert [lines[0][head].text for head in ("sequences, median", "the paper's")] == ["1,100", "1,000"]
    assert lines[4]["sequences, median"].text == ">2,234,250"
    assert (lines[0]["training"].text, lines[0]["training"].aside) == ("15 s", "1.5 s a trial")


def test_the_figure_says_what_it_shows() -> None:
    from lstm_bench.report.figures import sequences_to_criterion, svg

    drawing = sequences_to_criterion(table())
    assert "4-t100, modern: median 450, the paper 1,000." in drawing.text
    assert "3a-t1000-n3-st1, faithful: median beyond 2,234,250, the paper 446,850." in drawing.text
    drawn = svg(drawing.figure).decode()
    assert all(f">{row.row}<" in drawn for row in table())
    assert svg(sequences_to_criterion(table()).figure) == svg(drawing.figure)


def test_a_report_on_all_studies_shows_the_table_and_one_on_some_does_not(results: Results) -> None:
    from made import make_study

    from lstm_bench.report.page import Pictures, document, read_report
    from lstm_bench.report.page.contents import TABLE

    make_study(results, "s", trials=2, readings=2, confirm_seeds=1)
    page = document(read_report(results), Pictures({}))
    assert "The 1997 table" not in page
    keep(results, TABLE, [replace(row, label="<b>evil</b>") for row in table()])
    page = document(read_report(results), Pictures({}))
    assert 'id="replications"' in page
    assert "<b>evil" not in page
    assert "&lt;b&gt;evil" in page
    assert "commit 0123abc" in page
    assert "The 1997 table" not in document(read_report(results, ["s"]), Pictures({}))
