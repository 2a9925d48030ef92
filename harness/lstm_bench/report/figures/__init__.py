"""A study's figures, from files alone. The only importer of matplotlib; imported where a figure is drawn."""

from collections.abc import Sequence

from lstm_bench.analysis.answer import Board, goal_asked
from lstm_bench.analysis.board import make_board
from lstm_bench.analysis.importance import Importances
from lstm_bench.analysis.progress import progress_of
from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.study import RunLine, StudyFiles, confirming, trials_of
from lstm_bench.report.figures.critical import critical_ranks
from lstm_bench.report.figures.curves import By
from lstm_bench.report.figures.drawing import Drawing, png, svg
from lstm_bench.report.figures.importances import importance_bars
from lstm_bench.report.figures.learning import learning_curves
from lstm_bench.report.figures.parallel import parallel_coordinates
from lstm_bench.report.figures.replications import sequences_to_criterion
from lstm_bench.report.figures.search import Spent, search_progress
from lstm_bench.report.figures.slices import slices
from lstm_bench.report.figures.tradeoff import trade_off

__all__ = ["Drawing", "comparison_figures", "critical_ranks", "png", "sequences_to_criterion", "study_figures", "svg"]


def study_figures(results: Results, files: StudyFiles, importances: Importances | None = None) -> dict[str, Drawing]:
    """The figures that a study's files give, by file stem; one without data is absent.

    `learning_curves`, `search`, `importances`, `slices`, `parallel_coordinates`, `front`.

    Args:
        results: where its runs are.
        files: the study's.
        importances: shares by method and path, as `tuning.importance` finds them; None or nothing: not known.

    Raises:
        UsageError: an older study, which does not say its goal, of a task that is not installed.
    """
    asked, lines = files.asked, files.lines
    goal, search = goal_asked(asked), asked.get("search", {})
    trials = trials_of(lines)
    complete = [trial for trial in trials if trial.objective is not None]
    board = files.board or make_board(results, files, goal, lines)
    by: By = "sequences" if "train.batch_size" in search else "steps"  # steps of unlike batches are not alike
    shares = importances or {}
    ranked = list(next(iter(shares.values()), ()))
    fresh = {} if asked.get("confirm") else _confirmed(lines, board)  # longer runs are no trials of the search
    drawn = {
        "learning_curves": learning_curves(results, lines, board, by=by),
        "search": search_progress(files.name, [progress_of(files, trials)], goal),
        "importances": importance_bars(files.name, shares, len(complete)),
        "slices": slices(files.name, complete, search, goal, ranked),
        "parallel_coordinates": parallel_coordinates(files.name, complete, search, goal),
        "front": trade_off(files.name, results, complete, asked.get("objectives", []), goal, fresh),
    }
    return {stem: drawing for stem, drawing in drawn.items() if drawing}


def comparison_figures(name: str, studies: Sequence[StudyFiles]) -> dict[str, Drawing]:
    """Several studies as searches on the same axes, by file stem: `search_by_trials`, `search_by_seconds`.

    Args:
        name: above the figures, such as the task's.
        studies: of one task.

    Raises:
        UsageError: they ask for different scores.
    """
    goals = {files.name: goal_asked(files.asked) for files in studies}
    if len(set(goals.values())) > 1:
        said = ", ".join(f"{study} {goal.metric}" for study, goal in goals.items())
        raise UsageError(f"studies of different goals ({said}) have no axis in common: expected studies of one task")
    searches = [progress_of(files) for files in studies]
    kinds: tuple[Spent, ...] = ("trials", "seconds")
    drawn = {f"search_by_{by}": search_progress(name, searches, goals[studies[0].name], by=by) for by in kinds}
    return {stem: drawing for stem, drawing in drawn.items() if drawing}


def _confirmed(lines: Sequence[RunLine], board: Board) -> dict[int, list[RunLine]]:
    """The complete runs on fresh seeds of the contenders, by trial."""
    numbers = [one["trial"] for one in board["contenders"] if one["fresh"]]
    return {k: [line for line in confirming(lines, k) if line.status and line.status.complete] for k in numbers}
