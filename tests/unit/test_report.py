"""Reports: what they tell, and that all formats tell it. tests/browser looks at the page."""

import base64
import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from unittest.mock import patch

import made
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import make_study
from matplotlib.figure import Figure
from shown import EVIL

from lstm_bench.analysis.answer import chosen
from lstm_bench.cli import main
from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.record.disk import file_name, read_lines
from lstm_bench.record.files import Results
from lstm_bench.report.figures import svg
from lstm_bench.report.page import PNG, Pictures, Report, document, draw, embedded, formats, pictures, read_report
from lstm_bench.report.page.cells import Cell, Table, number, with_interval
from lstm_bench.report.page.document import digest
from lstm_bench.report.page.ranks import over_tasks, ranking
from lstm_bench.report.page.words import sentences
from lstm_bench.report.page.yardstick import line_of, yardsticks
from lstm_bench.report.table import duration
from lstm_bench.result import Status
from lstm_bench.suites import StudyTable, read_study
from lstm_bench.task import make_task
from lstm_bench.tuning.study import Question, published

FILES = {"alone": {"trials": 2}, "first": {"trials": 5}, "second": {"trials": 6, "confirm_top": 2}}
VOID = {"meta", "link", "img", "input", "br", "line", "rect", "circle"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Two confirmed studies of one question, and one that is not confirmed; what users name is hostile."""
    results = Results(tmp_path_factory.mktemp("made") / "results")
    with patch.dict(made.MACHINE, {"command": EVIL, "cpu": EVIL}):
        for name, asked in FILES.items():
            make_study(results, name, readings=4, confirm_seeds=0 if name == "alone" else 3, **asked)
    return results


@pytest.fixture(scope="module")
def report(folder: Results) -> Report:
    return read_report(folder)


class Page(HTMLParser):
    """What a page consists of; every element that is opened is closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def drawn(report: Report) -> Pictures:
    """Of one study alone, and of all together: figures take long."""
    with patch.object(pictures, "MOST_DRAWN", 1):
        return draw(report, lambda *_: {})


@pytest.fixture(scope="module")
def text(report: Report, drawn: Pictures) -> str:
    return document(report, drawn)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_best_study_is_so_by_its_valid_score_on_fresh_seeds(report: Report) -> None:
    (answer,) = report.answers
    valid = {
        study.name: (chosen(study.board) or {})["fresh"]["valid"]["mean"]
        for study in answer.studies
        if study.board["confirmed"]
    }
    assert [study.name for study in answer.studies] == [*sorted(valid, key=lambda name: -valid[name]), "alone"]
    (verdict,) = answer.verdicts
    assert (verdict.first, verdict.against) == (answer.studies[1].name, answer.best.name)


def test_other_data_are_another_question(folder: Results, tmp_path: Path) -> None:
    other = Results(tmp_path / "results")
    shutil.copytree(folder.root, other.root)
    board = other.study("first").board
    other.study("first").write_board({**board, "facts": {"data": "others"}})
    assert sorted(len(answer.studies) for answer in read_report(other).answers) == [1, 2]


@pytest.mark.parametrize(
    ("low", "which", "sure"),
    [(0.01, "learns toy:Toy best (study ", "better than"), (-0.01, "is surely better", "not told apart from")],
)
def test_the_answer_in_words_says_which_how_sure_and_what_it_cost(
    report: Report, low: float, which: str, sure: str
) -> None:
    board = deepcopy(report.answers[0].best.board)
    board["confirmed"]["floors"]["trivial"]["difference"] |= {"mean": 0.2, "low": low, "high": 0.4}
    best = replace(report.answers[0].best, board=board)
    said, score = (
        sentences(replace(report.answers[0], studies=[best, *report.studies[1:]])),
        board["confirmed"]["score"],
    )
    assert which in said.which
    assert said.which.endswith(f"(study {best.name}, the best of 3 studies).")
    assert f"3 fresh seeds it scores {score['mean']:.4g} accuracy on test" in said.sure
    assert f"[{score['low']:.4g}, {score['high']:.4g}]" in said.sure
    assert f"It is {sure} the strongest floor, trivial (0.5)." in said.sure
    trials, runs = sum(board["statuses"].values()), len(best.runs)
    assert said.cost.startswith(f"Finding it took {trials} trials in {runs} runs, ")


def test_a_study_without_an_answer_says_so(results: Results) -> None:
    make_study(results, "broken", trials=2, readings=3, ends=[Status.CRASHED])
    make_study(results, "alone", trials=2, readings=3)
    found = read_report(results)
    assert sentences(read_report(results, ["broken"]).answers[0]).which.startswith("No trial of broken was complete")
    assert "`lstm-bench confirm alone`" in sentences(read_report(results, ["alone"]).answers[0]).sure
    assert "no complete trial" in document(found, Pictures({}))


def test_a_board_of_an_earlier_version_is_made_anew(folder: Results, report: Report, tmp_path: Path) -> None:
    other = Results(tmp_path / "results")
    shutil.copytree(folder.root, other.root)
    old = {key: value for key, value in (other.study("second").board or {}).items() if key not in ("facts", "options")}
    del old["confirmed"]["figures"]
    other.study("second").write_board(old)
    now = next(study.board for study in read_report(other).studies if study.name == "second")
    assert now == {key: value for key, value in _board(report, "second").items() if key not in ("schema", "ended")}


def _board(report: Report, name: str) -> dict[str, Any]:
    return next(study.board for study in report.studies if study.name == name)


def test_what_users_name_is_text(page: Page, text: str) -> None:
    assert EVIL in "".join(page.text)
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert "<script>window" not in text


def test_the_page_s_policy_lets_its_own_style_and_script_in_and_nothing_else(page: Page, text: str) -> None:
    policy = next(one["content"] for one in page.all("meta") if one.get("http-equiv"))
    for tag in ("style", "script"):
        inside = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        own = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{own}'" in policy
        assert digest(inside) == f"sha256-{own}"
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert all(one["src"].startswith("data:image/svg+xml;base64,") for one in page.all("img"))
    assert not any("style" in attributes for _, attributes in page.tags)  # which the policy would refuse
    assert not re.search(r"https?://", re.sub(r"data:[^\"]*", "", text))


def test_every_figure_has_words_and_every_link_of_the_contents_a_place(page: Page) -> None:
    assert len(page.all("img")) > 4
    assert all(len(one["alt"]) > 60 for one in page.all("img"))
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {one["href"] for one in page.all("a")} == {
        "#answers",
        "#verdicts",
        "#studies",
        "#costs",
        "#environment",
        "#runs",
    }
    assert {one["href"].removeprefix("#") for one in page.all("a")} <= places
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("nav")) == 1


def test_every_run_has_the_command_that_runs_it_again(text: str, folder: Results) -> None:
    runs = [line["run"] for name in FILES for line in read_lines(folder.study(name).path / "trials.jsonl")]
    assert runs
    assert all(f'<code class="command">lstm-bench repro {run}</code>' in text for run in runs)


def test_what_is_not_drawn_is_said_and_stands_in_the_tables(report: Report, drawn: Pictures, text: str) -> None:
    assert list(drawn.studies) == list(drawn.answers) == [report.answers[0].best.name]
    assert "1 of 3 studies are drawn here" in text
    assert all(f'id="study-{name}"' in text for name in FILES)


def test_a_figure_as_svg_is_the_same_each_time_and_names_nobody() -> None:
    def drawn() -> bytes:
        figure = Figure()
        figure.add_subplot().plot([1, 2], label="<script>")
        figure.legend()
        return svg(figure)

    assert drawn() == drawn()
    assert b"matplotlib.org" not in drawn()
    assert b"<script" not in drawn()
    assert b"&lt;script&gt;" in drawn()
    assert embedded("learning_curves", "", b"x", PNG) == pictures.Picture(
        "Learning curves", "", "data:image/png;base64,eA=="
    )


def test_csv_has_a_row_a_run(report: Report, folder: Results) -> None:
    rows = list(csv.DictReader(io.StringIO(formats.as_csv(report))))
    runs = {run.line.run: run for study in report.studies for run in study.runs}
    assert [row["run"] for row in rows] == list(runs)
    for row in rows:
        run = runs[row["run"]]
        assert float(row["train.lr"]) == run.line.settings["train.lr"]
        assert float(row["best/accuracy"]) == folder.run(row["run"]).result.metrics["best/accuracy"]
        assert row["command"] == f"lstm-bench repro {row['run']}"


def test_json_has_all_the_data_behind_the_page(report: Report) -> None:
    (answer,) = json.loads(formats.as_data(report))["answers"]
    assert [study["name"] for study in answer["studies"]] == [study.name for study in report.studies]
    assert answer["best"] == report.answers[0].best.name
    assert answer["verdicts"][0]["findings"][0]["measure"]["name"] == "test/accuracy"
    for told, study in zip(answer["studies"], report.studies, strict=True):
        assert told["board"] == json.loads(json.dumps(study.board))
        assert [run["run"] for run in told["runs"]] == [run.line.run for run in study.runs]


def test_markdown_has_the_answer_and_the_verdicts_and_no_name_breaks_out(report: Report) -> None:
    text = formats.as_markdown(report)
    assert text.startswith("## toy:Toy\n\n**")
    assert "<script" not in re.sub(r"`[^`]*`", "", text)
    rows = [re.sub(r"`[^`]*`|\\\|", "", line) for line in text.splitlines()]  # without code and bars of a text
    standing = next(row for row in rows if row.startswith("| alone"))
    assert standing.count("|") == next(row for row in rows if row.startswith("| study | best setting")).count("|")
    assert "| undecided |" in text


def test_the_line_has_the_better_further_right_whatever_the_goal(results: Results) -> None:
    make_study(results, "one", trials=3, readings=3, confirm_seeds=3)
    (study,) = read_report(results).studies
    up = line_of(study)
    chance, target = (next(at for mark, at in up.marks if mark.kind == kind) for kind in ("chance", "target"))
    assert 0 < chance < target < 100
    assert up.low <= up.mean <= up.high
    study.board["goal"] |= {"maximize": False}
    down = line_of(study)
    assert down.mean == pytest.approx(100 - up.mean)
    assert down.low <= down.mean <= down.high


def test_published_scores_and_sequences_stand_in_the_study_and_beside_its_score(results: Results) -> None:
    asked = Question.of(StudyTable({"task": "adding"}), {})
    results.root.mkdir(exist_ok=True)
    path = results.root / "study.toml"
    path.write_text(asked.to_toml({}))
    assert read_study(path).run["task"] == "adding"  # and it can be asked again
    first = asked.asked({})["published"][0]
    assert {"model", "score", "source"} == set(first)
    counted = published(make_task(spec_of({"task": "h97-adding"}, {})[0]))
    assert all({"model", "sequences"} == set(one) for one in counted)
    make_study(results, "one", trials=2, readings=3, confirm_seeds=2)
    (study,) = read_report(results).studies
    study.asked["published"] = [first, *counted]
    told = [[cell.text for cell in row] for row in yardsticks(study).rows if row[0].text == "published"]
    assert told[0][1] == f"{first['model']}: {first['source']}"
    assert told[1][1] == f"{counted[0]['model']}, sequences"


@pytest.fixture(scope="module")
def square(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Three sides on three tasks."""
    results = Results(tmp_path_factory.mktemp("square") / "results")
    for task in ("toy:Toy", "adding", "anbn"):
        for side in ("wide", "deep", "plain"):
            make_study(results, f"{side}-{file_name(task)}-2", task, trials=2, readings=3, confirm_seeds=3)
    return read_report(results)


def test_studies_called_alike_but_for_their_task_are_ranked_over_the_tasks(
    square: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "MOST_DRAWN", 1)
    ranks = over_tasks(square)
    assert sorted(ranks.sides) == ["deep-2", "plain-2", "wide-2"]
    assert sorted(ranks.tasks) == ["adding", "anbn", "toy:Toy"]
    page = document(square, draw(square, lambda *_: {}))
    assert ranks.words().replace("<", "&lt;") in page
    assert "<figcaption>Critical difference</figcaption>" in page
    assert [row[0].text for row in ranking(ranks).rows] == [ranks.sides[side] for side in ranks.order]


def test_where_no_side_has_every_task_nothing_is_ranked(square: Report, report: Report) -> None:
    assert over_tasks(report) is None
    assert over_tasks(Report(square.results, [*square.answers, *report.answers])) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.128, "0.128 s"), (59.9, "59.9 s"), (60, "1 min"), (80.4, "1 min 20 s"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_a_duration_is_said_as_people_do(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@given(st.floats(0, 1e6) | st.floats(59.9, 60.1) | st.floats(3599, 3601))
def test_no_duration_has_sixty_of_a_unit(seconds: float) -> None:
    assert not re.search(r"\b60 (s|min)\b", duration(seconds))


def test_figures_are_aligned_and_sorted_by_their_value() -> None:
    assert number(12_500.4).text == "12,500"
    assert (number(None).text, number(None).sort) == ("", None)
    assert number(float("nan")).sort is None
    point = {"mean": 384, "low": 384.0, "high": 384.0}
    assert (with_interval(point).text, with_interval(point).aside) == ("384", "")
    assert with_interval({"mean": 0.5, "low": 0.25, "high": 0.75}).aside == "[0.25, 0.75]"


def test_a_column_that_no_row_has_is_not_shown() -> None:
    shown = Table("", ["one", "two", "three"], [[Cell("x"), Cell(), Cell(aside="y")], [Cell(), Cell(), Cell()]])
    assert shown.columns == [0, 2]


def test_a_study_that_is_not_there_or_a_folder_without_any_is_refused_in_one_line(
    folder: Results, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"unknown study 'frist'\. Did you mean 'first'\?"):
        read_report(folder, ["first", "frist"])
    with pytest.raises(UsageError, match=r"no studies in .*: `lstm-bench search adding` makes one"):
        read_report(Results(tmp_path / "none"))


def told(folder: Results, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["--results", str(folder.root), "report", *arguments])
    return ended.value.code


def test_the_command_writes_where_it_says_and_opens_it_where_asked(
    folder: Results, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    assert told(folder, "first", "second", "--format", "md", "--open") == 0
    path = Path(capsys.readouterr().out.strip())
    assert path == folder.reports / "first+second.md"
    assert path.read_text().startswith("## toy:Toy")
    assert opened == [path.as_uri()]


def test_what_cannot_be_written_is_one_line(folder: Results, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(folder, "--format", "csv", "--output", str(folder.root)) == 4
    assert capsys.readouterr().err == (
        f"lstm-bench: {folder.root} cannot be written: Is a directory; mend that, then run the same command again: "
        "what is recorded is kept\n"
    )


def test_a_study_that_has_just_begun_and_one_whose_runs_go_on_are_shown(results: Results) -> None:
    files = make_study(results, "goes-on", trials=3, readings=3, ends=[Status.FINISHED])
    (files.path / "board.json").unlink()
    last = files.lines[-1]
    files.add(replace(last, status=None, trial_status=None, score=None, objective=None))
    (results.run(last.run).path / "result.json").unlink()
    begun = results.study("begun")
    begun.begin((files.path / "study.toml").read_text().partition("\n")[2])
    report = read_report(results)
    text = document(report, draw(report, lambda *_: {}))
    assert "goes on" in text
    assert "No trial of begun was complete" in sentences(read_report(results, ["begun"]).answers[0]).which
    assert formats.as_csv(report).count("\n") == 4
    assert formats.as_markdown(report)


@pytest.mark.parametrize(("torn", "expected"), [('task = "to', "is not TOML"), ("", "no task in it")])
def test_a_study_whose_question_is_torn_is_one_line(results: Results, torn: str, expected: str) -> None:
    files = make_study(results, "torn", trials=2, readings=3)
    (files.path / "study.toml").write_text(torn)
    with pytest.raises(UsageError, match=expected):
        read_report(results)


def test_what_tells_without_figures_imports_neither_torch_nor_what_draws() -> None:
    heavy = "{'torch', 'matplotlib', 'mlflow', 'optuna'}"
    code = f"import sys, lstm_bench.report.page.formats; print({heavy} & {{*sys.modules}})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
