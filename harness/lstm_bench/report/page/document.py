"""A report as one HTML page that asks nobody for anything."""

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from lstm_bench.report import replications
from lstm_bench.report.listing import asked_lines
from lstm_bench.report.page import tables, verdicts, yardstick
from lstm_bench.report.page.contents import Report, Study
from lstm_bench.report.page.environment import places
from lstm_bench.report.page.pictures import Pictures
from lstm_bench.report.page.ranks import over_tasks, ranking
from lstm_bench.report.page.replications import replications_table
from lstm_bench.report.page.words import sentences
from lstm_bench.report.table import setting

HERE = Path(__file__).parent


def document(report: Report, pictures: Pictures) -> str:
    """The page.

    Args:
        report: what it tells.
        pictures: its figures.
    """
    style, script = ((HERE / name).read_text("utf-8") for name in ("page.css", "page.js"))
    return _template().render(
        report=report,
        pictures=pictures,
        style=style,
        script=script,
        digests={"style": digest(style), "script": digest(script)},
        sentences=sentences,
        tables=tables,
        verdicts=verdicts,
        yardstick=yardstick,
        asked_lines=asked_lines,
        options_of=options_of,
        places=places(report),
        ranked=over_tasks(report),
        ranking=ranking,
        replications=replications,
        replications_table=replications_table,
        title=title(report),
    )


def title(report: Report) -> str:
    """What the page is called."""
    names = [study.name for study in report.studies]
    return names[0] if len(names) == 1 else f"{len(names)} studies in {report.results.root}"


def options_of(study: Study) -> str:
    """What its task was asked with, but what is empty."""
    return setting({option: value for option, value in study.board["options"].items() if value != ""})


def digest(text: str) -> str:
    """By which a page's policy knows its own style and script (Content Security Policy Level 2)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Template:
    """Whatever is put into it is escaped: names, settings and reasons come from users."""
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html.jinja")
