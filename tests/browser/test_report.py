"""The report as a person sees it, in a real browser, from a file."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import made
import pytest
import tomli_w
from made import make_study
from playwright.sync_api import Browser, Locator, expect
from replicated import replication
from replicated import table as table_of_1997
from shown import EVIL
from visitor import Visitor, chromium, started

from lstm_bench.analysis.replication import keep
from lstm_bench.record.files import Results
from lstm_bench.report.page import document, draw, read_report
from lstm_bench.report.page.contents import TABLE
from lstm_bench.tuning.importance import importances

pytestmark = pytest.mark.slow

PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report on four studies, whose command, machine and settings are hostile."""
    results = Results(tmp_path_factory.mktemp("made") / "results")
    with patch.dict(made.MACHINE, {"command": EVIL, "cpu": EVIL}):
        for k in range(4):
            make_study(results, f"study-{k}", trials=12, readings=6, confirm_seeds=4, confirm_top=2)
    poison(results, "study-3")
    keep(results, TABLE, [*table_of_1997(), replication([], failed=2, row=f"6b {EVIL}", label=EVIL, tried=EVIL)])
    report = read_report(results)
    path = results.root / "report.html"
    path.write_text(document(report, draw(report, importances)), "utf-8")
    return path


def poison(results: Results, name: str) -> None:
    """Have a study search among hostile texts, in its question and in its runs."""
    files = results.study(name)
    asked = tomllib.loads((files.path / "study.toml").read_text())
    asked["search"]["options.fault"] = [EVIL, f"{EVIL} too"]
    (files.path / "study.toml").write_text(tomli_w.dumps(asked))
    for line in files.lines:
        files.add(replace(line, settings={**line.settings, "options.fault": EVIL}))
    (files.path / "board.json").unlink()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if not path:
        pytest.skip("no Chromium: `apt-get install chromium`")
    with started(path) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, written: Path) -> Iterator[Visitor]:
    """Whatever a test looks at: the page asks for nothing, runs no text of ours, opens no dialog, meets no error."""
    found = Visitor(browser)
    found.go(written.as_uri())
    found.see("The answer")
    yield found
    found.leave()
    assert [address for address in found.asked if not address.startswith("data:")] == [written.as_uri()]
    assert found.dialogs == []
    assert found.errors == []


def table(visitor: Visitor, caption: str) -> Locator:
    return visitor.page.get_by_role("table", name=caption)


def column(of: Locator, head: str) -> list[str]:
    heads = [text.strip() for text in of.locator("thead th").all_inner_texts()]
    at = heads.index(head) + 1
    return of.locator(f"tbody tr:not([hidden]) td:nth-child({at})").all_inner_texts()


def test_the_answer_comes_first_and_every_figure_is_there(visitor: Visitor) -> None:
    first = visitor.page.locator("article.answer").first
    expect(first.locator(".which")).to_contain_text("the best of 3 studies")
    assert first.bounding_box()["y"] < 400
    for figure in visitor.page.locator(".figures img").all():
        figure.scroll_into_view_if_needed()
        figure.evaluate("image => image.decode()")
        assert figure.evaluate("image => image.naturalWidth") > 300
        assert len(figure.get_attribute("alt")) > 60
    visitor.page.evaluate("scrollTo(0, 0)")
    visitor.keep("report")


def test_a_click_on_a_head_sorts_by_value_and_a_second_one_the_other_way(visitor: Visitor) -> None:
    runs = table(visitor, "Every run, with the command that runs it again")
    head = runs.get_by_role("columnheader", name="best valid")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    rising = [float(text) for text in column(runs, "best valid")]
    assert rising == sorted(rising)
    assert len(set(rising)) > 10
    head.get_by_role("button").press("Enter")  # the keyboard does, too
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(text) for text in column(runs, "best valid")] == rising[::-1]
    runs.get_by_role("columnheader", name="status").get_by_role("button").click()
    assert column(runs, "status") == sorted(column(runs, "status"))
    expect(head).not_to_have_attribute("aria-sort", re.compile("."))


def test_what_is_empty_is_sorted_last_either_way(visitor: Visitor) -> None:
    runs = table(visitor, "Every run, with the command that runs it again")
    for _ in range(2):
        runs.get_by_role("columnheader", name="test", exact=True).get_by_role("button").click()
        found = column(runs, "test")
        tested = [text for text in found if text]
        assert 0 < len(tested) < len(found)
        assert found[: len(tested)] == tested


def test_a_filter_leaves_the_rows_that_have_all_its_words(visitor: Visitor) -> None:
    runs = table(visitor, "Every run, with the command that runs it again")
    total = len(column(runs, "study"))
    visitor.page.get_by_label("Filter").last.fill("Confirm study-2")
    found = column(runs, "study")
    assert set(found) == {"study-2"}
    assert set(column(runs, "for")) == {"confirm"}
    visitor.see(f"{len(found)} of {total} rows")
    visitor.page.get_by_label("Filter").last.fill("")
    assert len(column(runs, "study")) == total


def test_a_command_is_copied_or_marked(visitor: Visitor) -> None:
    visitor.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    command = visitor.page.locator("td code.command", has_text="lstm-bench repro").first
    row = visitor.page.get_by_role("row").filter(has=command).first
    row.get_by_role("button", name=re.compile("^Copy lstm-bench repro")).click()
    expect(row.locator("button.copy")).to_have_text(re.compile("Copied|Marked"))
    said = row.locator("button.copy").inner_text()
    script = "navigator.clipboard.readText()" if said == "Copied" else "String(getSelection())"
    assert visitor.page.evaluate(script) == command.inner_text()


def test_the_table_of_1997_is_there_with_its_figure(visitor: Visitor) -> None:
    visitor.page.get_by_role("link", name="The 1997 table").click()
    found = table(visitor, "Sequences until the criterion, beside the paper's")
    assert column(found, "row")[1:3] == ["4-t100", "6a"]
    assert [text.strip() for text in column(found, "verdict")][1:3] == ["2.2x fewer", "differs"]
    visitor.page.locator("#replications img").scroll_into_view_if_needed()
    visitor.keep("report-1997")


def test_a_phone_shows_all_of_it_without_scrolling_sideways(visitor: Visitor) -> None:
    visitor.page.set_viewport_size(PHONE)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    wide = visitor.page.locator(".wide").first
    assert wide.evaluate("box => getComputedStyle(box).overflowX") == "auto"
    visitor.keep("report-phone")


def test_the_dark_is_dark_and_text_stands_out_in_it(visitor: Visitor) -> None:
    def shades() -> tuple[float, float]:
        paper, ink = (
            visitor.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("backgroundColor", "color")
        )
        return tuple(sum(map(int, re.findall(r"\d+", colour)[:3])) / 3 for colour in (paper, ink))

    light = shades()
    visitor.page.emulate_media(color_scheme="dark")
    dark = shades()
    assert light[0] - light[1] > 200
    assert dark[1] - dark[0] > 180
    assert visitor.page.locator(".figures img").first.evaluate("image => getComputedStyle(image).filter") != "none"
    visitor.keep("report-dark")


def test_what_users_name_is_shown_as_it_is_and_runs_nothing(visitor: Visitor) -> None:
    assert visitor.page.get_by_text(EVIL).count() > 3
    assert visitor.page.evaluate("document.scripts.length") == 1
    assert visitor.page.evaluate("typeof window.pwned") == "undefined"


def test_without_a_script_it_is_plain_tables(browser: Browser, written: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written.as_uri())
    expect(page.locator("table.data").last.locator("tbody tr").first).to_be_visible()
    assert page.get_by_role("button").count() == 0
    assert page.get_by_label("Filter").count() == 0
    context.close()
