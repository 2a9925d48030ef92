"""A study's answer as Markdown: what MLflow shows at the top of its parent run."""

import html
import re

from lstm_bench.analysis.board import Board
from lstm_bench.report.table import figure, score, setting, span


def study_note(board: Board) -> str:
    """A few lines a person reads first; names from users cannot break out of them."""
    best, found = board["best"], board["confirmed"]
    if not best:
        return f"**{escaped(board['study'])}**: no trial was complete."
    lines = [
        f"**Best setting of {escaped(board['study'])}:** {escaped(setting(best['settings']))}",
        f"- in the search, on valid: {score(board, best['score'])} (trial {best['trial']}, one seed)",
    ]
    if found:
        n = found["score"]["n"]
        lines.append(f"- **confirmed on test, {n} fresh seeds: {score(board, found['score']['mean'])}** "
                     f"{escaped(span(found['score']))}, 95 % interval")  # fmt: skip
        lines += [
            f"- floor, {escaped(name)}: {figure(floor['score'])}; paired difference "
            f"{floor['difference']['mean']:+.3g} {escaped(span(floor['difference']))}"
            for name, floor in found["floors"].items()
        ]
    counts = ", ".join(f"{count} {status}" for status, count in board["statuses"].items())
    return "\n".join([*lines, f"- trials: {counts}"])


def escaped(text: str) -> str:
    """A text that Markdown and HTML show as it is."""
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(text))
