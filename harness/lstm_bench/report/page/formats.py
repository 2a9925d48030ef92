"""A report as Markdown, CSV and JSON: as much of it as each can hold."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from lstm_bench.record.disk import SCHEMA, as_json
from lstm_bench.report.note import code, escaped
from lstm_bench.report.page.cells import Cell, Table
from lstm_bench.report.page.contents import Answer, Report, Study
from lstm_bench.report.page.tables import standings
from lstm_bench.report.page.verdicts import remarks, verdicts_table
from lstm_bench.report.page.words import sentences
from lstm_bench.report.page.yardstick import yardsticks


def as_markdown(report: Report) -> str:
    """The answers and the verdicts."""
    return "\n\n".join(part for answer in report.answers for part in _markdown(answer)) + "\n"


def _markdown(answer: Answer) -> Iterator[str]:
    said = sentences(answer)
    yield f"## {escaped(answer.task)}"
    yield f"**{escaped(said.which)}**"
    yield " ".join(escaped(sentence) for sentence in (said.sure, said.cost) if sentence)
    tables = [yardsticks(answer.best), standings(answer), verdicts_table(answer.verdicts)]
    yield from (_markdown_table(table) for table in tables if table.rows)
    yield from map(escaped, remarks(answer.verdicts))


def _markdown_table(table: Table) -> str:
    columns = table.columns
    rules = ["---:" if table.is_numeric(at) else "---" for at in columns]
    rows = [[_markdown_cell(row[at]) for at in columns] for row in table.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [[escaped(table.heads[at]) for at in columns], rules, *rows])


def _markdown_cell(cell: Cell) -> str:
    return code(cell.text) if cell.look == "command" else escaped(f"{cell.text} {cell.aside}")


def as_csv(report: Report) -> str:
    """A row a run: its place, how it ended, the command that repeats it, its settings by path, its figures by name."""
    rows = [_flat(**row) for study in report.studies for row in run_rows(study)]
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue()


def _flat(*, settings: dict[str, Any], metrics: dict[str, float], **row: Any) -> dict[str, Any]:
    return {**row, **settings, **metrics}


def as_data(report: Report) -> str:
    """All the data behind the page, as JSON (schema: results/README.md)."""
    return as_json({"schema": SCHEMA, "answers": [_answer(answer) for answer in report.answers]})


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "task": answer.task,
        "best": answer.best.name,
        "said": " ".join(filter(None, sentences(answer))),
        "verdicts": [asdict(one) for one in answer.verdicts],
        "studies": [_study(study) for study in answer.studies],
    }


def _study(study: Study) -> dict[str, Any]:
    return {
        "name": study.name,
        "asked": study.asked,
        "commands": study.commands,
        "machine": study.machine,
        "board": study.board,
        "runs": list(run_rows(study)),
    }


def run_rows(study: Study) -> Iterator[dict[str, Any]]:
    """The runs of a study as plain values."""
    for run in study.runs:
        line = run.line
        yield {
            "study": study.name,
            "task": study.board["task"],
            "run": line.run,
            "purpose": line.purpose,
            "trial": line.number,
            "seed": line.seed,
            "status": line.status and line.status.value,
            "reused": line.reused,
            "command": f"lstm-bench repro {line.run}",
            "settings": dict(line.settings),
            "metrics": dict(run.result.metrics) if run.result else {},
        }
