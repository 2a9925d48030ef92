"""Suite odyssey's answer beside the paper's: Greff, Srivastava, Koutnik, Steunebrink and Schmidhuber 2017.

"LSTM: A Search Space Odyssey", IEEE Transactions on Neural Networks and Learning Systems 28(10). `make odyssey` runs
the suite, then this; `python -m lstm_bench.odyssey keep` takes the answer into results/reference/ and the README.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from lstm_bench.analysis.ranks import Ranks, ranks_of, tasks_of
from lstm_bench.analysis.sides import Side, judged, sides_of
from lstm_bench.analysis.verdict import Finding, Word
from lstm_bench.record.disk import SCHEMA, as_json, write_whole
from lstm_bench.record.files import Results
from lstm_bench.record.study import Trial
from lstm_bench.report.ranking import ranking
from lstm_bench.report.reference import insert, origin, printed
from lstm_bench.report.table import figure, plain
from lstm_bench.tuning.importance import importances

SUITE = "odyssey"
WIDTH = 118


@dataclass(frozen=True, slots=True)
class Claim:
    """What the paper says of a variant.

    Attributes:
        text: in a few words.
        words: the verdicts against the plain LSTM that agree with it.
    """

    text: str
    words: frozenset[Word]


FREE = Claim("costs nothing", frozenset({"equivalent"}))
CRITICAL = Claim("hurts: critical", frozenset({"worse"}))
NO_GAIN = Claim("no better", frozenset({"equivalent", "worse"}))
# From the abstract and section V. The paper's LSTM has peepholes, ours has none: that step is a row of its own.
CLAIMS: Mapping[str, Claim] = {
    "cell-peephole": FREE,
    "cell-coupled": FREE,
    "cell-no-input": NO_GAIN,
    "cell-no-forget": CRITICAL,
    "cell-no-output": NO_GAIN,
    "cell-no-input-activation": NO_GAIN,
    "cell-no-output-activation": CRITICAL,
    "cell-full-gate-recurrence": NO_GAIN,
}
LEARNING_RATE = "fANOVA: the learning rate explains most of the variance on every task, the size comes next."


@dataclass(frozen=True, slots=True)
class Odyssey:
    """The suite's answer.

    Attributes:
        sides: the variants, the plain LSTM first.
        ranks: over the tasks.
        scores: of each variant its score by task, as the finding of the variant against the plain LSTM; of that none.
        shares: by task, each parameter's share of the variance by fANOVA, over the trials of all variants.
    """

    sides: Sequence[Side]
    ranks: Ranks
    scores: Mapping[str, Mapping[str, Finding]]
    shares: Mapping[str, Mapping[str, float]]

    @classmethod
    def of(cls, results: Results) -> "Odyssey":
        """From the files of a results folder, as far as the suite has come there.

        Raises:
            UsageError: it has not begun.
        """
        sides = sides_of([SUITE], results)
        found = judged(sides)
        ranks = ranks_of([side.name for side in sides], tasks_of(sides[0], found, len(sides)))
        scores: dict[str, dict[str, Finding]] = {}
        for one in found:
            if one.versus.findings:
                scores.setdefault(one.first, {})[one.versus.task] = one.versus.findings[0]
        shares = {board["task"]: _shares(results, sides, at) for at, board in enumerate(sides[0].boards)}
        return cls(sides, ranks, scores, shares)

    def agreement(self, variant: str) -> tuple[int, int]:
        """On how many tasks a variant's verdict is as the paper has it, and on how many there is one."""
        words = [finding.word for finding in self.scores.get(variant, {}).values() if finding.word != "undecided"]
        return sum(word in CLAIMS[variant].words for word in words), len(words)


def _shares(results: Results, sides: Sequence[Side], task: int) -> dict[str, float]:
    """Over the trials of all variants together: as many as a forest wants."""
    studies = [results.study(side.boards[task]["study"]) for side in sides if task < len(side.boards)]
    trials: list[Trial] = [trial for files in studies for trial in files.searched]
    found = importances(studies[0].asked, trials, ["fANOVA"]).get("fANOVA", {})
    return {path: share.share for path, share in found.items()}


def shown(found: Odyssey) -> RenderableType:
    """The variants against the plain LSTM by task, their ranks, and what mattered among the parameters."""
    table = plain("against the plain LSTM")
    tasks = list(found.shares)
    for name in ("", *tasks, "the paper", "agrees"):
        table.add_column(name)
    for variant, findings in found.scores.items():
        right, told = found.agreement(variant)
        cells = [_cell(findings.get(task)) for task in tasks]
        table.add_row(variant, *cells, CLAIMS[variant].text, f"{right} of {told}" if told else "undecided")
    return Group(table, Text(""), ranking(found.ranks), Text(""), Text("\n".join(_mattered(found))))


def _cell(finding: Finding | None) -> str:
    if finding is None or finding.first is None or finding.second is None:
        return "not confirmed"
    return f"{finding.word}\n{figure(finding.first.mean)}, not {figure(finding.second.mean)}"


def _mattered(found: Odyssey) -> list[str]:
    lines = [f"The paper: {LEARNING_RATE} Here, over the trials of all variants:"]
    for task, shares in found.shares.items():
        told = ", ".join(f"{path} {share:.0%}" for path, share in shares.items())
        lines.append(f"  {task}: {told or 'too few trials'}")
    return lines


def text_of(found: Odyssey) -> str:
    """As plain text."""
    return printed(shown(found), WIDTH)


def keep(found: Odyssey) -> None:
    """Take the answer into results/reference/ and the README; called from the repository's root."""
    boards = [board for side in found.sides for board in side.boards]
    reference = {
        "schema": SCHEMA,
        "suite": SUITE,
        "command": f"make {SUITE}",
        "ranks": asdict(found.ranks),
        "importances": found.shares,
        "text": text_of(found),
        "boards": boards,
    }
    write_whole(Path("results/reference") / f"{SUITE}.json", as_json(reference))
    readme = Path("README.md")
    write_whole(readme, insert(readme.read_text(), SUITE, rendered(reference)))


def rendered(reference: Mapping[str, Any]) -> str:
    """What the README shows of a kept answer."""
    return f"```\n{reference['text']}\n```\n\nBy `{reference['command']}` on {origin(reference['boards'])}."


if __name__ == "__main__":
    answer = Odyssey.of(Results(Path("results")))
    print(text_of(answer))
    if sys.argv[1:] == ["keep"]:
        keep(answer)
