"""What the checks found, for people."""

from collections.abc import Mapping

from rich.table import Table
from rich.text import Text

from lstm_bench.doctor.finding import Finding, State

STYLES = {State.WELL: "green", State.NOTE: "yellow", State.FAILED: "bold red", State.ABSENT: "dim"}
NAMES = 9  # characters of the longest check


def as_line(name: str, finding: Finding) -> Table:
    """One check: what was found, and below it what to do."""
    line = Table.grid(padding=(0, 2, 0, 0))
    line.add_column(width=len(State.FAILED))
    line.add_column(width=NAMES)
    line.add_column(overflow="fold")
    line.add_row(Text(finding.state, style=STYLES[finding.state]), name, Text(finding.found))
    if finding.fix:
        line.add_row("", Text("fix", style="dim"), Text(finding.fix, style="bold"))
    return line


def verdict(findings: Mapping[str, Finding]) -> Text:
    """The last line."""
    for state, told in ((State.FAILED, "failed"), (State.NOTE, "nothing failed; worth knowing")):
        names = [name for name, finding in findings.items() if finding.state is state]
        if names:
            return Text(f"\n{told}: {', '.join(names)}", style=STYLES[state])
    return Text("\nall is well", style=STYLES[State.WELL])
