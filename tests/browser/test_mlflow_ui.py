"""What a person sees of a results folder in MLflow's UI, in a real browser."""

import json
import re
import socket

import pytest
from playwright.sync_api import Browser, Page, expect
from served import Ui
from shell import call
from shown import EVIL, EVIL_FILE, WIDE
from visitor import TRIAL, Visitor

from lstm_bench.tracking.shown import short

pytestmark = pytest.mark.slow

UNFOLD_NOTE = '[data-component-id="mlflow.experiment.metadata_editor.expand_button"]'
COLUMNS = '[data-component-id$="experimentviewrunscolumnselector.tsx_315"]'
MADE = " ".join(["lstm-bench search", *WIDE])


def board(ui: Ui, study: str) -> dict:
    return json.loads((ui.folder / "results" / "studies" / study / "board.json").read_text())


def names(page: Page) -> list[str]:
    return [link.inner_text() for link in page.locator('[role=row] a[href*="/runs/"]').all()]


def open_study(visitor: Visitor, ui: Ui, task: str, study: str) -> None:
    visitor.go(ui.runs(task))
    visitor.page.get_by_role("link", name=study, exact=True).first.click()
    visitor.see("About this run")


def test_the_server_listens_on_127_0_0_1_alone(ui: Ui) -> None:
    port = int(ui.base.rpartition(":")[2])
    assert ui.said[-1].endswith("on 127.0.0.1 alone; Ctrl-C ends it.")
    with socket.socket() as here, socket.socket() as there:
        assert here.connect_ex(("127.0.0.1", port)) == 0
        assert there.connect_ex(("127.0.0.2", port)) != 0  # where a server of all addresses would answer


def test_a_text_that_were_run_would_be_noticed(running: Browser, ui: Ui) -> None:
    visitor = Visitor(running)
    visitor.go(ui.base)
    visitor.page.evaluate("window.pwned = 1; alert(2); fetch('http://127.0.0.2:9/').catch(() => 0)")
    visitor.leave()
    assert any("a text was run" in error for error in visitor.errors)
    assert visitor.dialogs == ["2"]
    assert "http://127.0.0.2:9/" in visitor.asked


def test_the_list_of_experiments_says_what_there_is(ui: Ui, visitor: Visitor) -> None:
    visitor.go(f"{ui.base}/#/experiments?workflowType=machine_learning")
    for task, found in (("digits", "What 2 studies"), ("toy:Toy", "What 1 study")):
        one = visitor.page.get_by_role("row").filter(has=visitor.page.get_by_role("link", name=task, exact=True))
        expect(one).to_contain_text(found)
    visitor.keep("experiments")


def test_an_experiment_s_note_is_each_study_s_answer_in_a_table_and_its_command_as_code(
    ui: Ui, visitor: Visitor
) -> None:
    visitor.go(ui.runs("digits"))
    visitor.see("What 2 studies found")
    visitor.page.locator(UNFOLD_NOTE).click()
    note = visitor.page.locator("table").filter(has_text="best setting")
    expect(note.get_by_role("row")).to_have_count(3)
    found = board(ui, "wide")["confirmed"]
    cells = note.get_by_role("row").filter(has_text="wide").get_by_role("cell")
    expect(cells.nth(0)).to_have_text("wide")
    expect(cells.nth(1)).to_contain_text(f"hidden {found['settings']['model.hidden']}")
    score = found["score"]
    expect(cells.nth(2)).to_have_text(f"{score['mean']:.4g} accuracy [{score['low']:.4g}, {score['high']:.4g}]")
    expect(visitor.page.locator("code").filter(has_text=MADE)).to_be_visible()
    assert cells.nth(0).bounding_box()["height"] < 30  # a name stands in one line
    visitor.keep("note")


def test_a_study_unfolds_to_its_trials_and_a_trial_to_its_seeds(ui: Ui, visitor: Visitor) -> None:
    visitor.go(ui.runs("digits"))
    page = visitor.page
    visitor.run("wide").wait_for()
    assert sorted(names(page)) == ["deep", "wide"]
    page.locator(UNFOLD_NOTE).click()
    visitor.unfold("wide")
    visitor.run(TRIAL).wait_for()
    found = [name for name in names(page) if name not in ("deep", "wide")]
    assert all(TRIAL.match(name) or re.match(r"seed \d+ confirms lstm h", name) for name in found)
    best = board(ui, "wide")["confirmed"]["settings"]  # which was not pruned: it has both seeds
    visitor.unfold(f"lstm h{best['model.hidden']} lr {short(best['train.lr'])}")
    visitor.run("seed 0").wait_for()
    visitor.run("seed 1").wait_for()
    page.mouse.move(0, 0)
    visitor.keep("mlflow-ui")


def test_parameters_and_tags_are_columns(ui: Ui, visitor: Visitor) -> None:
    visitor.go(ui.runs("digits"))
    page = visitor.page
    visitor.run("wide").wait_for()
    page.locator(COLUMNS).click()
    for name in ("model.layers", "kind"):
        page.get_by_placeholder("Search columns").fill(name)
        found = page.locator('[class*="tree-treenode"]').filter(has=page.get_by_text(name, exact=True))
        found.locator('[class*="tree-checkbox"]').first.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("columnheader", name="model.layers").first).to_be_visible()
    expect(page.get_by_role("gridcell", name="study", exact=True)).to_have_count(2)
    visitor.keep("columns")


def test_the_charts_have_a_section_for_each_room(ui: Ui, visitor: Visitor) -> None:
    visitor.go(ui.charts("digits"))
    page = visitor.page
    for room in ("best", "test", "floor", "speed", "memory"):
        visitor.see(room, exact=True)
    visitor.unfold("deep")
    for room in ("train", "valid", "cost"):
        expect(page.get_by_text(room, exact=True).first).to_be_attached()
    page.get_by_placeholder("Search metric charts").fill("valid/")
    visitor.see("valid/accuracy")
    expect(page.locator(".js-plotly-plot .scatterlayer .js-line").first).to_be_attached()
    visitor.keep("charts")


def test_a_study_s_page_is_its_answer_with_the_commands_that_make_it_again(ui: Ui, visitor: Visitor) -> None:
    open_study(visitor, ui, "digits", "wide")
    visitor.keep("study")
    visitor.see("Show more").click()
    visitor.see("Best setting of wide:")
    visitor.see("confirmed on test, 3 fresh seeds:")
    page = visitor.page
    expect(page.locator("li code").filter(has_text=MADE)).to_be_visible()
    confirmed = board(ui, "wide")["confirmed"]
    expect(page.locator("li code").filter(has_text=f"lstm-bench repro {confirmed['runs'][0]}")).to_be_visible()
    expect(visitor.pair("test/accuracy_mean")).to_contain_text(str(confirmed["score"]["mean"]))
    visitor.keep("study-unfolded")


def test_a_study_s_figures_are_shown_as_images(ui: Ui, visitor: Visitor) -> None:
    open_study(visitor, ui, "digits", "wide")
    page = visitor.page
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("figures", exact=True).click()
    for stem in ("importances", "parallel_coordinates", "front", "learning_curves"):
        page.get_by_text(f"{stem}.png", exact=True).click()
        visitor.see(f"figures/{stem}.png")
        image = page.locator('img[src^="blob:"]').first
        image.wait_for()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 500
        visitor.keep(f"artifact-{stem}")


def test_a_confirmed_study_has_a_model_and_the_model_a_page(ui: Ui, visitor: Visitor) -> None:
    visitor.go(ui.models("digits"))
    page = visitor.page
    expect(page.get_by_text("Ready", exact=True)).to_have_count(2)
    visitor.keep("models")
    page.get_by_role("link", name="wide", exact=True).first.click()
    visitor.see("About this logged model")
    best = board(ui, "wide")["confirmed"]["settings"]
    expect(visitor.pair("model.hidden")).to_contain_text(str(best["model.hidden"]))
    visitor.keep("model")
    visitor.see("Artifacts", exact=True).click()
    visitor.see("MLmodel", exact=True)


def test_the_address_that_compare_prints_shows_both_studies(ui: Ui, visitor: Visitor) -> None:
    printed = call(ui.folder, "compare", "wide", "deep").stdout.splitlines()[-1]
    path = re.search(r"http://127\.0\.0\.1:5000(/\S+)$", printed)
    assert path, printed
    visitor.go(ui.base + path[1])
    visitor.see("Comparing 2 Runs from 1 Experiment")
    for study in ("wide", "deep"):
        visitor.see(study, exact=True)
    visitor.see("model.layers")
    visitor.keep("compare")


@pytest.mark.parametrize("view", ["table", "charts", "models"])
def test_a_user_s_text_is_shown_as_it_is_above_the_runs(ui: Ui, visitor: Visitor, view: str) -> None:
    """That nothing of it is run, the fixture says."""
    addresses = {"table": ui.runs("toy:Toy"), "charts": ui.charts("toy:Toy"), "models": ui.models("toy:Toy")}
    visitor.go(addresses[view])
    visitor.see("What 1 study found")
    visitor.page.locator(UNFOLD_NOTE).click()
    note = visitor.page.locator("table").filter(has_text="best setting")
    cell = note.get_by_role("row").last.get_by_role("cell").nth(1)
    expect(cell).to_contain_text(EVIL)
    expect(cell.locator("a, img, code, script")).to_have_count(0)
    if view != "models":
        visitor.unfold("evil")
        visitor.run(re.compile(r"^lstm h\d+ lr \S+ fault <script>")).wait_for()
    visitor.keep(f"evil-{view}")


def test_a_user_s_text_is_shown_as_it_is_on_a_study_s_page_and_its_run_s(ui: Ui, visitor: Visitor) -> None:
    open_study(visitor, ui, "toy:Toy", "evil")
    page = visitor.page
    visitor.see("Show more").click()
    best = page.locator("p").filter(has_text="Best setting of evil:")
    expect(best).to_contain_text(EVIL)
    expect(best.locator("a, img, code, script")).to_have_count(0)
    expect(page.locator("li code").filter(has_text=EVIL_FILE.replace("`", "'"))).to_be_visible()
    expect(visitor.pair("options.spy")).to_contain_text(EVIL_FILE)
    visitor.keep("evil-study")
    page.get_by_role("link", name=re.compile("^seed 1000 confirms")).first.click()
    expect(visitor.pair("options.fault")).to_contain_text(EVIL)


def test_a_user_s_text_is_shown_as_it_is_where_runs_are_compared(ui: Ui, visitor: Visitor) -> None:
    path = call(ui.folder, "compare", "wide", "evil").stdout.splitlines()[-1].partition(":5000")[2]
    visitor.go(ui.base + path)
    visitor.see("Comparing 2 Runs from 2 Experiments")
    visitor.see(EVIL_FILE)
    visitor.keep("evil-compare")
