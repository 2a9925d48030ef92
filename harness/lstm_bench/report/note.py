"""A study's answer as Markdown: what MLflow shows at the top of its run; and all of a task's above its experiment."""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lstm_bench.analysis.answer import Board, chosen
from lstm_bench.report.table import at_floor, figure, fresh, score, searched_seeds, seeds, setting, span

NAME, MADE_BY = "study", "made by"  # heads of a study's row
BETWEEN = " | \N{NO-BREAK SPACE} "  # two cells: MLflow's page leaves no room there


def study_note(board: Board, commands: Sequence[str] = ()) -> str:
    """A few lines a person reads first; names from users cannot break out of them.

    Args:
        board: the study's.
        commands: those that made it, where they are known.
    """
    best = chosen(board)
    if not best:
        return "\n".join([f"**{escaped(board['study'])}**: no trial was complete.\n", *_again(board, commands)])
    counts = [f"{count} {status}" for status, count in board["statuses"].items()]
    reused = [f"{board['reused']} reused"] if board.get("reused") else []
    searched = _score(board, best["score"])
    lines = [
        f"**Best setting of {escaped(board['study'])}:** {escaped(setting(best['settings']))}",
        f"- in the search, on valid: {searched} (trial {best['trial']}, {seeds(searched_seeds(best))})",
        *_confirmed(board),
        f"- trials: {', '.join([*counts, *reused])}",
        *_contenders(board),
        *_front(board),
        *_advice(board),
        *_again(board, commands),
    ]
    return "\n".join(lines)


def task_note(studies: Sequence[Mapping[str, str]]) -> str:
    """What stands above all studies of a task: each one's answer in a line of a table, then the commands.

    MLflow's page folds it to its first line, and its list of experiments shows the beginning of that as plain text.
    A long cell would take the others' room there: a short name then stands in two letters a line.

    Args:
        studies: cells by the table's heads, alike for all; `made by` is a command.
    """
    if not studies:
        return "No study has an answer yet."
    heads = [head for head in studies[0] if head != MADE_BY]
    table = [_row(*heads), "|---" * len(heads) + "|", *(_row(*(study[head] for head in heads)) for study in studies)]
    made = [f"- {escaped(study[NAME])}: {code(study[MADE_BY])}" for study in studies if study[MADE_BY]]
    head = f"What {len(studies)} {'study' if len(studies) == 1 else 'studies'} found\n"
    return "\n".join([head, *table, *(["\n**Made by:**\n", *made] if made else [])])


def study_row(board: Board, commands: Sequence[str]) -> dict[str, str]:
    """A study's line in its task's note."""
    best, confirmed = chosen(board), board["confirmed"]
    tested = f"{score(board, confirmed['score']['mean'])} {span(confirmed['score'])}" if confirmed else "not confirmed"
    found = setting(best["settings"]) if best else "no complete trial"
    return {
        NAME: board["study"],
        "best setting": found,
        "test, 95 % interval": tested,
        MADE_BY: " && ".join(commands),
    }


def _again(board: Board, commands: Sequence[str]) -> Iterator[str]:
    """The commands that make it again."""
    yield "\n**Again:**\n"
    yield from (f"- as it was made: {code(command)}" for command in commands)
    again = code("lstm-bench search study.toml --name NEW")
    yield f"- the same question as another study: {again} (the file is an artifact of this run)"
    if board["confirmed"]:
        yield f"- one confirming run, compared bit for bit: {code('lstm-bench repro ' + board['confirmed']['runs'][0])}"


def _confirmed(board: Board) -> Iterator[str]:
    found = board["confirmed"]
    if not found:
        return
    yield (
        f"- **confirmed on test, {seeds(found['score']['n'], 'fresh ')}: {_score(board, found['score']['mean'])}** "
        f"{escaped(span(found['score']))}, 95 % interval"
    )
    for name, floor in found["floors"].items():
        yield (
            f"- floor, {escaped(name)}: {figure(floor['score'])}; paired difference "
            f"{floor['difference']['mean']:+.3g} {escaped(span(floor['difference'], '+.3g'))}"
            f"{'; **at floor:** ' + at_floor(floor) if at_floor(floor) else ''}"
        )


def _contenders(board: Board) -> Iterator[str]:
    contenders = board.get("contenders", ())
    if len(contenders) < 2:
        return
    yield "\n**Contenders,** best in the search first; the best on fresh valid wins:\n"
    winner = board["confirmed"] and board["confirmed"]["trial"]
    for one in contenders:
        yield f"- trial {one['trial']}{' (the winner)' if one['trial'] == winner else ''}: {_contender(board, one)}"


def _contender(board: Board, one: Mapping[str, Any]) -> str:
    said = f"{escaped(setting(one['settings']))}; in the search {_score(board, one['score'])}"
    found = fresh(one)
    if not found:
        return f"{said}; not confirmed"
    drop = f", {found['drop']:+.3g} too rosy in the search" if found["drop"] is not None else ""
    rooms = (f"{room} {figure(found[room]['mean'])} {escaped(span(found[room]))}" for room in ("valid", "test"))
    return f"{said}; on {seeds(len(found['seeds']), 'fresh ')} {', '.join(rooms)}{drop}"


def _front(board: Board) -> Iterator[str]:
    front = board.get("front")
    if not front:
        return
    names = list(front[0]["values"])
    yield "\n**Front:** trials that none beats in one objective without losing in another\n"
    yield _row("trial", "setting", *names)
    yield "|---" * (2 + len(names)) + "|"
    for one in front:
        yield _row(str(one["trial"]), setting(one["settings"]), *(figure(one["values"][name]) for name in names))


def _row(*cells: str) -> str:
    return f"| {BETWEEN.join(escaped(cell) for cell in cells)} |"


def _advice(board: Board) -> Iterator[str]:
    if board.get("advice"):
        yield "\n**Next:**\n"
        yield from (f"- {_with_code(line)}" for line in board["advice"])


def _with_code(line: str) -> str:
    """A sentence of ours with its commands, which stand between backticks, as code."""
    parts = re.split(r"`([^`]*)`", " ".join(line.split()))
    return "".join(code(part) if at % 2 else _literal(part) for at, part in enumerate(parts))


def _score(board: Board, value: float) -> str:
    return escaped(score(board, value))


def code(text: str) -> str:
    """A text in one line as code, which Markdown shows as it is outside of tables; nothing where there is none."""
    inside = " ".join(text.split()).replace("`", "'")
    return f"`{inside}`" if inside else ""


def escaped(text: str) -> str:
    """A text that Markdown and HTML show as it is, in one line."""
    return _literal(" ".join(text.split()))


def _literal(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()#+!|~])", r"\\\1", html.escape(text, quote=False))
