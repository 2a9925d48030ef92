"""A suite's boards as a committed reference, and the README's copy of their table: no figure is typed by hand.

`python -m lstm_bench.report.reference quick` after `make bench`, from the repository's root.
"""

import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, RenderableType

from lstm_bench.analysis.answer import Board
from lstm_bench.errors import BenchError
from lstm_bench.record.disk import SCHEMA, as_json, write_whole
from lstm_bench.record.files import Results
from lstm_bench.report.overview import MANY, answers
from lstm_bench.report.overview import WIDTH as LISTED
from lstm_bench.suites.names import studies_of

WIDTH = 80


def rendered(suite: str, boards: Sequence[Board]) -> str:
    """The table as plain text, with the command, machine, versions and commit that it came from."""
    width = WIDTH if len(boards) < MANY else LISTED
    table = printed(answers(boards, width), width)
    return f"```\n{table}\n```\n\nPrinted by `make bench SUITE={suite}` on {origin(boards)}."


def printed(shown: RenderableType, width: int) -> str:
    """What a terminal of so many characters a line would show, as plain text."""
    screen = io.StringIO()
    Console(file=screen, width=width, highlight=False, markup=False).print(shown)
    return "\n".join(line.rstrip() for line in screen.getvalue().splitlines())


def origin(boards: Sequence[Board]) -> str:
    """The machine, versions and commits that boards came from."""
    machine = boards[0]["confirmed"]["machine"]
    versions = ", ".join(f"{name} {machine['versions'][name]}" for name in ("torch", "optuna", "mlflow"))
    commits = dict.fromkeys(board["confirmed"]["machine"].get("commit", "unknown") for board in boards)
    return (
        f"{machine['cpu']}, {machine['cores']} cores; Python {machine['python']}, {versions}; "
        f"commit {', '.join(commits)}"
    )


def insert(text: str, suite: str, block: str) -> str:
    """A text with the block between its two marks of the suite replaced."""
    pattern = rf"(<!-- {suite} -->\n).*?(<!-- /{suite} -->)"
    return re.sub(pattern, lambda marks: f"{marks[1]}{block}\n{marks[2]}", text, flags=re.DOTALL)


def read(suite: str, root: Path = Path("results")) -> list[Board]:
    """The boards of a committed reference."""
    boards: list[Board] = json.loads((root / "reference" / f"{suite}.json").read_text())["boards"]
    return boards


def main(suite: str) -> None:
    """Take the suite's boards from results/ into results/reference/ and the README.

    Raises:
        BenchError: a study of the suite is not there, or not confirmed.
    """
    results, boards = Results(Path("results")), []
    for name in (name for names in studies_of(suite).values() for name in names):
        board = results.study(name).board
        if not board or not board["confirmed"]:
            raise BenchError(f"{name} has no confirmed answer: run `make bench SUITE={suite}`")
        boards.append(board)
    (results.root / "reference").mkdir(exist_ok=True)
    reference = {"schema": SCHEMA, "suite": suite, "command": f"make bench SUITE={suite}", "boards": boards}
    write_whole(results.root / "reference" / f"{suite}.json", as_json(reference))
    readme = Path("README.md")
    write_whole(readme, insert(readme.read_text(), suite, rendered(suite, boards)))


if __name__ == "__main__":
    main(sys.argv[1])
