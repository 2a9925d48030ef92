"""Sides over tasks: studies that are called alike but for their task, ranked on all tasks that they share."""

from dataclasses import asdict

from lstm_bench.analysis.answer import Board
from lstm_bench.analysis.ranks import Ranks, ranks_of
from lstm_bench.record.disk import file_name
from lstm_bench.report.page.cells import Cell, Table, number, with_interval
from lstm_bench.report.page.contents import Report, Study


def over_tasks(report: Report) -> Ranks | None:
    """The ranks of the sides that were confirmed in each question; None where nothing can be said of them."""
    tasks: dict[str, dict[str, Board]] = {}
    for answer in report.answers:
        name = answer.best.name if answer.task in tasks else answer.task
        tasks[name] = {side_of(one): one.board for one in answer.studies if one.board["confirmed"]}
    first, *others = tasks.values()
    sides = [side for side in first if all(side in boards for boards in others)]
    if not sides:
        return None
    ranks = ranks_of(sides, {task: [boards[side] for side in sides] for task, boards in tasks.items()})
    return None if ranks.silent else ranks


def side_of(study: Study) -> str:
    """A study's name without its task: `suite-digits` and `suite-adding` are one side, and so are arms of one name."""
    return "-".join(filter(None, study.name.replace(file_name(study.board["task"]), "").split("-")))


def ranking(ranks: Ranks) -> Table:
    """A row a side, the best first."""
    rows = [
        [
            Cell(ranks.sides[side]),
            number(ranks.means[side]),
            with_interval(asdict(ranks.scores[side]) if ranks.scores else None, form=".3f"),
        ]
        for side in ranks.order
    ]
    return Table("Mean ranks over the tasks, 1 is the best", ["side", "mean rank", "normalised score"], rows)
