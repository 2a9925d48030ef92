"""Several sides over several tasks, for the terminal: mean ranks and one normalised score."""

from dataclasses import asdict

from rich.console import Group, RenderableType
from rich.text import Text

from lstm_bench.analysis.ranks import Ranks
from lstm_bench.report.table import plain, span


def ranking(ranks: Ranks) -> RenderableType:
    """A row a side, the best first, and below what can be said of them."""
    heading = f"over {len(ranks.tasks)} tasks: {', '.join(ranks.tasks)}"
    table = plain(heading)
    for name in ("", "mean rank", *(["normalised score"] if ranks.scores else [])):
        table.add_column(name)
    for side in ranks.order:
        score = ranks.scores and ranks.scores[side]
        table.add_row(
            ranks.sides[side],
            f"{ranks.means[side]:.2f}",
            *([f"{score.mean:.3f} {span(asdict(score), '.3f')}"] if score else []),
        )
    return Group(table, Text("\n".join(_said(ranks))))


def _said(ranks: Ranks) -> list[str]:
    lines = [ranks.words()]
    if ranks.critical:
        groups = [", ".join(ranks.sides[side] for side in group) for group in ranks.groups if len(group) > 1]
        lines += [f"Not told apart: {'; '.join(groups)}."] if groups else []
    if ranks.scores:
        seen = f", of {', '.join(ranks.best_seen)} the best seen here" if ranks.best_seen else ""
        out = f" Left out, since no floor is known or beaten: {', '.join(ranks.unscaled)}." if ranks.unscaled else ""
        lines.append(
            f"Normalised score: 0 is the weakest floor, 1 the ceiling{seen}; its interquartile mean over the tasks, "
            f"with a 95 % interval over the fresh seeds.{out}"
        )
    return lines
