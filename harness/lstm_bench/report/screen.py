"""What a person sees while a study runs: a live table on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lstm_bench.goal import Goal
from lstm_bench.report.table import figure, setting
from lstm_bench.result import Reading, RunResult


@dataclass(slots=True)
class Line:
    """A run that is going on; `steps` is 0 where its budget is in something else."""

    label: str
    settings: str
    steps: int
    step: int = 0
    score: float | None = None


@dataclass(slots=True)
class Screen:
    """The progress of one study. Use as a context around it.

    Attributes:
        console: where it is shown.
        title: the study's name.
        goal: the task's.
        runs: how many runs are still to come, searching and confirming; None where the minutes alone say.
    """

    console: Console
    title: str
    goal: Goal
    runs: int | None
    best: float | None = None
    _running: dict[str, Line] = field(default_factory=dict)
    _ended: Counter[str] = field(default_factory=Counter)
    _since: float = field(default_factory=time.monotonic)
    _live: Live | None = None

    def __enter__(self) -> "Screen":
        if self.console.is_terminal:
            self._live = Live(get_renderable=self._render, console=self.console, transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def say(self, lines: Iterable[str]) -> None:
        """Lines that stay."""
        for line in lines:
            self.console.print(Text(line), soft_wrap=True)

    def started(self, run_id: str, label: str, settings: Mapping[str, Any], steps: int) -> None:
        """A run has begun."""
        self._running[run_id] = Line(label, setting(settings) or "as asked", steps)

    def heard(self, run_id: str, reading: Reading) -> None:
        """A run has come further."""
        line = self._running[run_id]
        line.step, line.score = reading.step, reading.metrics[f"valid/{self.goal.metric}"]

    def ended(self, run_id: str, result: RunResult, best: float | None, reused: str | None = None) -> None:
        """A run is over; `best` is the search's best score by now, `reused` the known run that it is."""
        line = self._running.pop(run_id)
        self._ended[result.status.value] += 1
        self.best = best
        own = result.metrics.get(f"test/{self.goal.metric}", result.metrics.get(f"best/{self.goal.metric}"))
        said = f" {figure(own)}" if own is not None else ""
        why = f" ({result.reason})" if result.reason and not result.status.complete else ""
        cost = f"reused {reused}" if reused else f"{result.metrics.get('cost/train_seconds', 0.0):.1f} s"
        self.console.print(
            Text(f"{self.title}  {line.label}  {result.status.value}{said}{why}  {line.settings}  {cost}"),
            soft_wrap=True,
        )

    def _render(self) -> RenderableType:
        done = sum(self._ended.values())
        counts = ", ".join(f"{count} {status}" for status, count in self._ended.items()) or "none ended yet"
        best = "" if self.best is None else f"  best {figure(self.best)} {self.goal.metric}"
        of = "" if self.runs is None else f" of {self.runs}"
        head = Text(f"{self.title}  {done}{of} runs: {counts}{best}{self._time_left(done)}", style="bold")
        table = Table.grid(padding=(0, 2))
        for line in self._running.values():
            score = "" if line.score is None else figure(line.score)
            of = f"/{line.steps}" if line.steps else ""
            table.add_row(line.label, f"{line.step}{of}", score, Text(line.settings, overflow="ellipsis"))
        return Group(head, table)

    def _time_left(self, done: int) -> str:
        if not done or self.runs is None:
            return ""
        left = (time.monotonic() - self._since) / done * (self.runs - done)
        return f"  about {left / 60:.0f} min left" if left > 90 else f"  about {left:.0f} s left"
