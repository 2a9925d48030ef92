"""A study's runs while it is worked at: read from its file once, then kept up by the one who writes it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from lstm_bench.record.files import Results
from lstm_bench.record.study import Key, RunLine, StudyFiles, Trial, confirming
from lstm_bench.record.syncing import Syncing
from lstm_bench.result import now_ms


class Register:
    """A study's runs, each as its last line says."""

    def __init__(self) -> None:
        self.lines: dict[Key, RunLine] = {}
        self._by_number: dict[int, dict[int, RunLine]] = {}

    def take(self, line: RunLine) -> None:
        """Take in how it stands with a run."""
        self.lines[line.key] = line
        if line.purpose == "search":
            self._by_number.setdefault(line.number, {})[line.seed] = line

    @property
    def trials(self) -> list[Trial]:
        """The search's trials by number, those that go on too."""
        return [self.trial(number) for number in sorted(self._by_number)]

    def __contains__(self, number: int) -> bool:
        return number in self._by_number

    def trial(self, number: int) -> Trial:
        """One of the search's trials."""
        runs = self._by_number[number]
        return Trial(tuple(runs[seed] for seed in sorted(runs)))

    def confirmed(self, number: int) -> list[RunLine]:
        """The confirming runs of a trial's setting that are done, by seed."""
        return confirming(self.lines.values(), number)


class Ledger(Register):
    """The register of a study that is worked at, kept by the one who writes its file; and the study's clock.

    Args:
        results: where the runs' own files lie.
        files: the study's.
        now: seconds from any origin; a test passes its own.
    """

    def __init__(self, results: Results, files: StudyFiles, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.files, self._syncing = files, Syncing(files.sync)
        for line in files.lines:
            self.take(line)
        self.done = sum(trial.done for trial in self.trials)
        self._now: Callable[[], float] = now
        self._since: float | None = None  # while it is searched
        self._before = _worked(results, [line for line in self.lines.values() if line.purpose == "search"])

    @property
    def clock(self) -> float:
        """Seconds that the study has been searched, over all its starts."""
        return self._before + (0.0 if self._since is None else self._now() - self._since)

    @contextlib.contextmanager
    def searching(self) -> Iterator[None]:
        """While entered, the clock runs."""
        self._since = self._now()
        try:
            yield
        finally:
            self._before, self._since = self.clock, None

    def write(self, line: RunLine) -> RunLine:
        """Put down how it stands with a run: in the file first. Returns the line with its times."""
        line = replace(line, clock=round(self.clock, 3), time_ms=now_ms())
        self.files.add(line)
        self._syncing.due()
        self.take(line)
        if line.purpose == "search" and line.trial_status and line.trial_status.counts:
            self.done += 1
        return line


def _worked(results: Results, lines: list[RunLine]) -> float:
    """The clock when the last start ended: at its last line, or at a later reading of a run that went on then."""
    if not lines:
        return 0.0
    last = max(lines, key=lambda line: line.clock)
    going_on = [results.run(line.run).readings for line in lines if line.status is None]
    later = max((readings[-1].time_ms for readings in going_on if readings), default=0) - last.time_ms
    return last.clock + max(0, later) / 1e3
