"""A study's page in MLflow: its answer as figures, as a note, as drawings; and the experiment's note above all."""

import json
import tempfile
from importlib import import_module
from pathlib import Path

from lstm_bench.analysis.answer import Board
from lstm_bench.record.run import RunFiles
from lstm_bench.report.note import study_note, study_row, task_note
from lstm_bench.result import Status
from lstm_bench.tracking.shown import End
from lstm_bench.tracking.store import ANSWER, Store
from lstm_bench.tracking.view import StudyView

STATUSES = {"finished": Status.FINISHED, "failed": Status.CRASHED, "killed": Status.KILLED}  # of a study
LONGEST_CELL = 900  # characters: MLflow cuts a tag at 8,000, and half a row is none
LONGEST_NOTE = 20_000  # characters that MLflow takes above an experiment
KEPT = ("study.toml", "machine.json", "board.json", "trials.jsonl")


def study_end(view: StudyView, ended: str) -> End:
    """How a study ended, with its answer's figures, its note, and its row in the experiment's."""
    board, commands = view.files.board, view.files.commands
    tags = {"status": ended, **view.budget}
    if not board:
        return End(STATUSES[ended], view.last_ms, {}, tags)
    row = {head: cell[:LONGEST_CELL] for head, cell in study_row(board, commands).items()}
    told = {"mlflow.note.content": study_note(board, commands), ANSWER: json.dumps(row, ensure_ascii=False)}
    return End(STATUSES[ended], view.last_ms, answer(board), tags | told)


def answer(board: Board) -> dict[str, float]:
    """A board's figures as MLflow metrics of the study's own run."""
    metric, found = board["goal"]["metric"], board["confirmed"]
    if not found:
        return {}
    ends = {end: found["score"][end] for end in ("mean", "low", "high") if found["score"][end] is not None}
    return {
        **{f"test/{metric}_{end}": value for end, value in ends.items()},
        **{f"floor/{name}": floor["score"] for name, floor in found["floors"].items()},
        "speed/timesteps_per_second": found["timesteps_per_second"],
        **({"speed/mfu": found["mfu"]} if found.get("mfu") else {}),
        **found["memory"],
    }


def experiment_note(store: Store) -> str:
    """Every study's answer in one table, from the store itself: a team's server has those of several folders."""
    found = [one.tags[ANSWER] for one in store.runs("tags.kind = 'study'") if ANSWER in one.tags]
    rows = [json.loads(text) for text in found]
    note = task_note(rows)
    while len(note) > LONGEST_NOTE:
        rows = rows[len(rows) // 8 + 1 :]
        note = f"{task_note(rows)}\n\nThe {len(found) - len(rows)} oldest are left out here."
    return note


def ready_to_publish(view: StudyView) -> None:
    """Import what `publish` needs, which takes seconds the first time: at a study's end somebody waits for it."""
    for name in ("lstm_bench.report.figures", "lstm_bench.report.page", "lstm_bench.tuning.importance"):
        import_module(name)
    if view.asked.get("confirm_seeds"):
        import_module("lstm_bench.tracking.pyfunc")


def publish(store: Store, run: str, view: StudyView) -> None:
    """Keep beside a study's run its files, its drawings, its report and, where it is confirmed, its model."""
    from lstm_bench.report.figures import png, study_figures
    from lstm_bench.report.page import PNG, Pictures, document, embedded, report_of
    from lstm_bench.tuning.importance import importances

    for name in KEPT:
        if (path := view.files.path / name).exists():
            store.keep(run, path)
    drawn = study_figures(view.results, view.files, importances(view.asked, view.register.trials))
    with tempfile.TemporaryDirectory() as folder:
        pictures = []
        for stem, drawing in drawn.items():
            path = Path(folder) / f"{stem}.png"
            path.write_bytes(png(drawing.figure))
            store.keep(run, path, "figures")
            pictures.append(embedded(stem, drawing.text, path.read_bytes(), PNG))  # drawn once: somebody waits
        path = Path(folder) / "report.html"
        told = document(report_of(view.results, [view.files]), Pictures({view.files.name: pictures}))
        path.write_text(told, "utf-8")
        store.keep(run, path)
    best = best_confirmed(view)
    if best:
        from lstm_bench.tracking.pyfunc import log_model

        log_model(store.client, store.experiment, run, best.path, view.files.name)


def best_confirmed(view: StudyView) -> RunFiles | None:
    """The winner's confirming run whose valid score is best, never by test; None where none has kept its weights."""
    confirmed = (view.files.board or {}).get("confirmed") or {"runs": []}
    runs = [view.results.run(run) for run in confirmed["runs"]]
    kept = {run: run.result for run in runs if run.weights.exists()}
    scores = {run: result.metrics[view.progress] for run, result in kept.items() if result}
    return (max if view.goal.maximize else min)(scores, key=scores.__getitem__, default=None)
