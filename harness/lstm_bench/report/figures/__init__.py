"""A study's figures, from files alone. The only importer of matplotlib; imported where a figure is drawn."""

from collections.abc import Mapping

from lstm_bench.analysis.answer import goal_asked
from lstm_bench.analysis.board import make_board
from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles, trials_of
from lstm_bench.report.figures.curves import By
from lstm_bench.report.figures.drawing import Drawing, png, svg
from lstm_bench.report.figures.importances import importance_bars
from lstm_bench.report.figures.learning import learning_curves
from lstm_bench.report.figures.parallel import parallel_coordinates
from lstm_bench.report.figures.tradeoff import trade_off

__all__ = ["Drawing", "png", "study_figures", "svg"]


def study_figures(
    results: Results, files: StudyFiles, importances: Mapping[str, float] | None = None
) -> dict[str, Drawing]:
    """The figures that a study's files give, by file stem; one without data is absent.

    `learning_curves`, `importances`, `parallel_coordinates`, `front`.

    Args:
        results: where its runs are.
        files: the study's.
        importances: shares by path, as `tuning.importance` finds them; None or nothing: not known.

    Raises:
        UsageError: an older study, which does not say its goal, of a task that is not installed.
    """
    asked, lines = files.asked, files.lines
    goal, search = goal_asked(asked), asked.get("search", {})
    complete = [trial for trial in trials_of(lines) if trial.objective is not None]
    board = files.board or make_board(results, files, goal, lines)
    by: By = "sequences" if "train.batch_size" in search else "steps"  # steps of unlike batches are not alike
    drawn = {
        "learning_curves": learning_curves(results, lines, board, by=by),
        "importances": importance_bars(files.name, importances or {}),
        "parallel_coordinates": parallel_coordinates(files.name, complete, search, goal),
        "front": trade_off(files.name, results, complete, asked.get("objectives", []), goal),
    }
    return {stem: drawing for stem, drawing in drawn.items() if drawing}
