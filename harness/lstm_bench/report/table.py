"""Boards side by side, one a column: what `bench` and `compare` print."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lstm_bench.analysis.answer import Board, chosen, goal_of

COLUMN = 21  # characters that a board needs: three stand side by side in 80
LABELS = 13


def tables(boards: Sequence[Board], width: int, *, head: str = "task") -> RenderableType:
    """As many boards a table as fit the width, one below the other.

    Args:
        boards: at least one.
        width: characters of a line.
        head: which of a board's names stands above its column: `task` or `study`.
    """
    fit = max(1, (width - LABELS - 1) // (COLUMN + 1))
    groups = [boards[at : at + fit] for at in range(0, len(boards), fit)]
    return Group(*(_table(group, head) for group in groups))


def _table(boards: Sequence[Board], head: str) -> Table:
    table = plain()
    table.add_column("", max_width=LABELS, style="dim")
    for board in boards:
        table.add_column(Text(board[head], style="bold"), max_width=COLUMN, overflow="fold")
    for label, cell in ROWS.items():
        cells = [cell(board) for board in boards]
        if any(cells):
            table.add_row(label, *(Text(text) for text in cells))
    return table


def _best(board: Board) -> str:
    found = chosen(board)
    return setting(found["settings"], "\n") if found else "no complete trial"


def _valid(board: Board) -> str:
    found = chosen(board)
    return f"{score(board, found['score'])}\n{seeds(searched_seeds(found))}" if found else ""


def _fresh(board: Board) -> str:
    found = fresh(chosen(board))
    if not found:
        return ""
    rosy = f"\nsearch was too rosy\nby {found['drop']:.3g}" if (found["drop"] or 0) > 0 else ""
    return f"{score(board, found['valid']['mean'])}\n{span(found['valid'])}{rosy}"


def _test(board: Board) -> str:
    found = board["confirmed"]
    if not found:
        return "not confirmed" if board["best"] else ""
    asked, n = board["asked"]["confirm_seeds"], found["score"]["n"]
    had = seeds(n, "fresh ") if n == asked else f"{n} of {seeds(asked, 'fresh ')}"
    instead = board["asked"].get("confirm")
    longer = f"\nwith {setting(instead)}" if instead else ""
    return f"{score(board, found['score']['mean'])}\n{span(found['score'])}\n{had}{longer}"


def _others(board: Board) -> str:
    """The contenders but the winner, each by its place in the search."""
    lines, winner = [], chosen(board)
    for place, one in enumerate(board.get("contenders", ()), 1):
        if winner and one["trial"] != winner["trial"]:
            found = fresh(one)
            test = f"test {figure(found['test']['mean'])}\n{span(found['test'])}" if found else "not confirmed"
            lines.append(f"{ordinal(place)}: {setting(one['settings'])}\n{test}")
    return "\n".join(lines)


def _floors(board: Board) -> str:
    if not board["confirmed"]:
        return ""
    lines = []
    for name, floor in board["confirmed"]["floors"].items():
        difference = floor["difference"]
        lines += [name, f"{figure(floor['score'])}, {difference['mean']:+.3g}", span(difference, "+.3g")]
        lines += [f"at floor: {at_floor(floor)}"] if at_floor(floor) else []
    return "\n".join(lines)


def at_floor(floor: Mapping[str, Any]) -> str:
    """How many of a confirmed setting's runs are no better than a floor: `2 of 3 runs`; nothing where none is."""
    count = floor.get("at_floor")
    return f"{count} of {floor['difference']['n']} runs" if count else ""


def _longer(board: Board) -> str:
    found = (board["confirmed"] or {}).get("longer", {})
    return "\n".join(f"{name} {figure(one['mean'])}\n{span(one)}" for name, one in found.items())


def _target(board: Board) -> str:
    goal, found = goal_of(board), board["confirmed"]
    if goal.target is None or not found:
        return ""
    hits = sorted(seconds for seconds in found["target_seconds"] if seconds is not None)
    asked = f"{figure(goal.target)} by {len(hits)} of {len(found['target_seconds'])}"
    times = ", ".join(f"{seconds:.1f}" for seconds in hits)
    return f"{asked}\nin {times} s" if hits else asked


def _speed(board: Board) -> str:
    found = board["confirmed"]
    if not found:
        return ""
    mfu = found.get("mfu")
    return f"{thousands(found['timesteps_per_second'])} steps/s" + (f"\n{100 * mfu:.2g} % of peak" if mfu else "")


def _memory(board: Board) -> str:
    names = {"rss": "RSS", "private": "private", "allocated": "GPU allocated", "reserved": "GPU reserved"}
    found = board["confirmed"]["memory"] if board["confirmed"] else {}
    rows = {text: found.get(f"memory/peak_{name}_mib") for name, text in names.items()}
    return "\n".join(f"{value:.0f} MiB {text}" for text, value in rows.items() if value is not None)


def _cost(board: Board) -> str:
    found = board["confirmed"]
    return f"{found['train_seconds']:.1f} s training\n{found['parameters']:,.0f} weights" if found else ""


def _trials(board: Board) -> str:
    statuses, asked = board["statuses"], board["asked"]
    counts = [f"{count} {status.replace('_', ' ')}" for status, count in statuses.items()]
    reused = [f"{board['reused']} reused"] if board.get("reused") else []
    of = f"of {asked['trials']}" if asked.get("trials") else f"in {figure(asked['minutes'])} minutes"
    return "\n".join([f"{sum(statuses.values())} {of}:", *counts, *reused])


def _front(board: Board) -> str:
    return f"{len(board['front'])} not dominated" if board.get("front") else ""


ROWS = {
    "best setting": _best,
    "valid, in the search": _valid,
    "valid, fresh seeds": _fresh,
    "test, 95 % interval": _test,
    "other contenders": _others,
    "floor, paired difference": _floors,
    "longer than trained": _longer,
    "target": _target,
    "throughput": _speed,
    "peak memory": _memory,
    "a run": _cost,
    "trials": _trials,
    "front": _front,
}


def plain(title: str | None = None) -> Table:
    """An empty table without edges, under its title."""
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )


def setting(values: Mapping[str, Any], separator: str = ", ") -> str:
    """Settings as a person says them: `hidden 64, lr 0.0031`."""
    leaves = [path.rpartition(".")[2] for path in values]
    return separator.join(
        f"{leaf if leaves.count(leaf) == 1 else path} {figure(value)}"
        for (path, value), leaf in zip(values.items(), leaves, strict=True)
    )


def fresh(contender: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What a contender did on fresh seeds; None where it was not confirmed, and of older boards."""
    found: Mapping[str, Any] | None = contender.get("fresh") if contender else None
    return found


def searched_seeds(contender: Mapping[str, Any]) -> int:
    """On how many seeds the search ran a setting; an older board names the one."""
    return len(contender.get("seeds", ["seed"]))


def seeds(n: int, kind: str = "") -> str:
    """`1 seed`, `3 fresh seeds`."""
    return f"{n} {kind}seed{'' if n == 1 else 's'}"


def ordinal(n: int) -> str:
    """`1st`, `2nd`, `11th`."""
    return f"{n}{'th' if n % 100 in (11, 12, 13) else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def score(board: Board, value: float) -> str:
    """A score with what it counts."""
    goal = goal_of(board)
    return f"{figure(value)} {goal.unit or goal.metric}"


def span(interval: Mapping[str, Any], form: str = ".4g") -> str:
    """The two ends of a 95 % interval."""
    if interval["low"] is None:
        return "no interval"
    return f"[{interval['low']:{form}}, {interval['high']:{form}}]"


def figure(value: Any) -> str:
    """A number to four digits that matter; anything else as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def thousands(value: float) -> str:
    """A large number for a table: 108,839 as 109k."""
    return f"{value / 1000:,.0f}k" if value >= 10_000 else f"{value:,.0f}"


def brief(value: float) -> str:
    """A number to three digits that matter, short where it is large: `0.00123`, `8,440`, `482k`, `1.27M`."""
    size = abs(value)
    if size < 999.5:
        return f"{value:.3g}"
    if size < 9_999.5:
        return f"{value:,.0f}"
    return f"{value / 1e3:.3g}k" if size < 999_500 else f"{value / 1e6:.3g}M"


def duration(seconds: float) -> str:
    """A time as a person says it: `2.2 s`, `1 min 20 s`, `2 h 5 min`."""
    if round(seconds, 1) < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
