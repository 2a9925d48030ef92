"""The figures of a report as data: each is part of the page, so that nothing is fetched."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lstm_bench.analysis.importance import Importances
from lstm_bench.record.study import Trial, trials_of
from lstm_bench.report.page.contents import Report, Study
from lstm_bench.report.page.ranks import over_tasks

if TYPE_CHECKING:
    from lstm_bench.report.figures import Drawing

SVG, PNG = "image/svg+xml", "image/png"
SEQUENCES = "sequences_to_the_criterion"
MOST_DRAWN = 4  # studies: a study's figures take about a second

Finder = Callable[[Mapping[str, Any], Sequence[Trial]], Importances]


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


@dataclass(frozen=True, slots=True)
class Pictures:
    """The figures of a page, each group in the order in which it is shown.

    Attributes:
        studies: by name; those without any stand in the tables alone.
        answers: of the studies of a question together, by the name of its best.
        ranks: of sides over tasks.
        replications: of a published table.
    """

    studies: Mapping[str, Sequence[Picture]]
    answers: Mapping[str, Sequence[Picture]] = field(default_factory=dict)
    ranks: Sequence[Picture] = ()
    replications: Sequence[Picture] = ()


def draw(report: Report, importances: Finder) -> Pictures:
    """The figures of a page.

    Drawn in full are first the winners, then the others by question; what more there are stands in the tables.

    Args:
        report: whose studies.
        importances: what says of a study which parameters mattered, as `tuning.importance` does.
    """
    from lstm_bench.report.figures import comparison_figures, critical_ranks, sequences_to_criterion, study_figures

    ranks, winners = over_tasks(report), [answer.best for answer in report.answers]
    drawn = [*winners, *(study for study in report.studies if study not in winners)][:MOST_DRAWN]
    several = [answer for answer in report.answers if len(answer.studies) > 1][:MOST_DRAWN]
    found = critical_ranks("Ranks over tasks", ranks) if ranks else None
    return Pictures(
        {one.name: _embedded(study_figures(report.results, one.files, _mattered(one, importances))) for one in drawn},
        {
            one.best.name: _embedded(comparison_figures(one.task, [study.files for study in one.studies]))
            for one in several
        },
        _embedded({"critical_difference": found} if found else {}),
        _embedded({SEQUENCES: sequences_to_criterion(report.replications)} if report.replications else {}),
    )


def _mattered(study: Study, importances: Finder) -> Importances:
    return importances(study.asked, trials_of(run.line for run in study.runs))


def _embedded(drawn: "Mapping[str, Drawing]") -> list[Picture]:
    from lstm_bench.report.figures import svg

    return [embedded(stem, drawing.text, svg(drawing.figure)) for stem, drawing in drawn.items()]
