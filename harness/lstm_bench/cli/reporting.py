"""The command that makes a report."""

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lstm_bench.cli.options import console, results_of

if TYPE_CHECKING:
    from lstm_bench.report.page import Report


class Format(StrEnum):
    """What a report is written as."""

    HTML = "html"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"


def report(
    context: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[STUDY ...]", help="Studies, by name. Default: all.")
    ] = None,
    look: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    form: Annotated[Format, typer.Option("--format", help="The page, or its text or data.")] = Format.HTML,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: in reports/ of the results.")] = None,
) -> None:
    """Write the answers, verdicts, figures and costs as one page that needs no network."""
    from lstm_bench.record.disk import write_whole
    from lstm_bench.report.page import read_report
    from lstm_bench.writing import make_folder

    results = results_of(context)
    found = read_report(results, names or [])
    path = output or results.reports / f"{'+'.join(names)[:100] if names else 'all'}.{form}"
    text = _text(found, form)
    make_folder(path.parent)
    write_whole(path, text)
    console().print(str(path), soft_wrap=True)
    if look:
        typer.launch(path.resolve().as_uri())


def _text(report: "Report", form: Format) -> str:
    from lstm_bench.report.page import formats

    match form:
        case Format.MARKDOWN:
            return formats.as_markdown(report)
        case Format.CSV:
            return formats.as_csv(report)
        case Format.JSON:
            return formats.as_data(report)
        case Format.HTML:
            from lstm_bench.report.page import document, draw
            from lstm_bench.tuning.importance import METHODS, importances

            return document(report, draw(report, partial(importances, methods=[*METHODS])))
