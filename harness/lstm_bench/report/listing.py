"""Studies and trials as lists: what `studies` and `studies show` print."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from lstm_bench.analysis.answer import chosen
from lstm_bench.analysis.saved import Saved
from lstm_bench.goal import Goal
from lstm_bench.record.files import Results
from lstm_bench.record.study import StudyFiles, Trial
from lstm_bench.report.table import figure, score, setting, span
from lstm_bench.spec import TABLES, flattened

UNIMPORTANT = {"schema", "facts", "goal", "task", "published", "search", "confirm", *TABLES}


def studies_table(results: Results) -> Table:
    """A line a study, oldest first."""
    table = Table("study", "task", "trials", "best, valid", "confirmed, test", "setting", box=box.SIMPLE_HEAD)
    for files in results.studies():
        asked, board = files.asked, files.board
        done = f"{len(files.searched)}/{asked['trials']}" if "trials" in asked else f"{len(files.searched)}"
        row = [files.name, asked["task"], done, "", "", ""]
        best = chosen(board) if board else None
        if board and best:
            row[3], row[5] = score(board, best["score"]), setting(best["settings"])
        if board and board["confirmed"]:
            found = board["confirmed"]["score"]
            row[4] = f"{score(board, found['mean'])} {span(found)}"
        table.add_row(*(Text(cell) for cell in row))
    return table


def asked_lines(asked: Mapping[str, Any]) -> Iterator[str]:
    """What a study was asked: its budget and strategy, its space, and the run that the space's values are put into."""
    yield f"task {asked['task']}: " + ", ".join(
        f"{key} {figure(value)}"
        for key, value in asked.items()
        if key not in UNIMPORTANT and value is not False and value not in ([], {})
    )
    for path, given in asked["search"].items():
        yield f"  {path}: {worded(given)}"
    base = flattened({table: asked[table] for table in TABLES if table in asked})
    yield "  else " + setting(
        {path: value for path, value in base.items() if path not in asked["search"] and value != ""}
    )
    if asked["confirm"]:
        yield f"  confirmed with {setting(asked['confirm'])}"


def worded(given: Any) -> str:
    """A range or choices as a person writes them."""
    if isinstance(given, list):
        return ", ".join(figure(choice) for choice in given)
    when = "".join(f", when {path} = {value}" for path, value in given.get("when", {}).items())
    if "choices" in given:
        return worded(given["choices"]) + when
    more = [word for word in ("log",) if given.get(word)] + ([f"step {given['step']}"] if "step" in given else [])
    return f"{figure(given['low'])} to {figure(given['high'])}" + "".join(f", {word}" for word in more) + when


def trials_table(files: StudyFiles, goal: Goal) -> Table:
    """A line a trial, by number."""
    table = Table("trial", "status", f"valid {goal.metric}", "runs", "setting", box=box.SIMPLE_HEAD)
    for trial in files.trials:
        shown = "" if trial.score is None else figure(trial.score)
        table.add_row(str(trial.number), _status(trial), shown, _runs(trial), Text(setting(trial.settings)))
    return table


def saved_line(saved: Saved) -> str:
    """What pruning saved a search, in a sentence."""
    n = f"{saved.trials} trial{'' if saved.trials == 1 else 's'}"
    return (
        f"pruning spared {n} up to {figure(saved.seconds)} s of training, {saved.share:.0%} of what the search would "
        "have trained without"
    )


def _status(trial: Trial) -> str:
    return trial.status.value if trial.status else "not ended"


def _runs(trial: Trial) -> str:
    reused = sum(line.reused for line in trial.runs)
    return f"{len(trial.runs)}" + (f", {reused} reused" if reused else "")
