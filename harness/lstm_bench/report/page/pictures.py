"""The figures of a report as data: each is part of the page, so that nothing is fetched."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lstm_bench.record.files import Results
from lstm_bench.record.study import Trial
from lstm_bench.report.page.contents import Report, Study

SVG, PNG = "image/svg+xml", "image/png"
MOST_DRAWN = 4  # studies: a study's figures take about a second

Importances = Callable[[Mapping[str, Any], Sequence[Trial]], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure that is part of a page.

    Attributes:
        title: what it is called.
        text: what it shows, for those who do not see it.
        source: its bytes as an address (RFC 2397).
    """

    title: str
    text: str
    source: str


def embedded(stem: str, text: str, data: bytes, kind: str = SVG) -> Picture:
    """A figure's file as a part of a page.

    Args:
        stem: of the file, which says what it is, such as `learning_curves`.
        text: what it shows.
        data: the file.
        kind: its media type.
    """
    return Picture(stem.replace("_", " ").capitalize(), text, f"data:{kind};base64,{base64.b64encode(data).decode()}")


def draw(report: Report, importances: Importances) -> dict[str, list[Picture]]:
    """The figures of the studies that a page shows in full, by study.

    Those are first the winners, then the others by question; what more there are stands in the tables.

    Args:
        report: whose studies.
        importances: what says of a study which parameters mattered, as `tuning.importance` does.
    """
    winners = [answer.best for answer in report.answers]
    others = [study for study in report.studies if study not in winners]
    return {study.name: _pictures(report.results, study, importances) for study in [*winners, *others][:MOST_DRAWN]}


def _pictures(results: Results, study: Study, importances: Importances) -> list[Picture]:
    from lstm_bench.report.figures import study_figures, svg

    drawn = study_figures(results, study.files, importances(study.asked, study.files.trials))
    return [embedded(stem, drawing.text, svg(drawing.figure)) for stem, drawing in drawn.items()]
