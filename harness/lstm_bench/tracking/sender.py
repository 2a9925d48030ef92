"""Brings MLflow's store up to the files, call by call. Stopped anywhere, it goes on where the store says it is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from lstm_bench.errors import UsageError
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.record.study import RunLine, Trial
from lstm_bench.result import RunResult, Status
from lstm_bench.tracking.feed import Feed, growing, nothing, readings, samples
from lstm_bench.tracking.page import experiment_note, publish, study_end
from lstm_bench.tracking.shown import Data, End, Point, Shown, run_end, single_run
from lstm_bench.tracking.store import RUN_KEY, STATE, Known, RefusedError, Store, run_status
from lstm_bench.tracking.view import StudyView, study_key

PROGRESS = "train/loss"  # every reading has it: the last step of it in the store is how far that has come


@dataclass(slots=True)
class _Open:
    """A run that is being sent.

    Attributes:
        id: MLflow's.
        sent_to: the step up to which the store has its points.
        feed: the points after those that were seen.
        params: not sent yet.
        data: likewise.
        waiting: points that were seen, not sent yet.
        last: the last point that was seen.
    """

    id: str
    sent_to: int
    feed: Feed
    params: Mapping[str, object]
    data: Data | None
    waiting: list[Point] = field(default_factory=list)
    last: Point | None = None

    def look(self) -> None:
        """Take in what has come."""
        for point in self.feed():
            self.last = point
            if point.step > self.sent_to:
                self.waiting.append(point)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A run as it is to be in the store.

    Attributes:
        key: see `Shown`.
        shown: gives the rest of it; asked for when it is opened.
        feed: makes the feed of its points.
        progress: the metric that each of these has.
        end: how it ended; None while it goes on.
    """

    key: str
    shown: Callable[[], Shown]
    feed: Callable[[], Feed]
    progress: str = PROGRESS
    end: End | None = None


class Sender:
    """Sends one task's studies and single runs.

    Any call may fail, and is then made again in the next pass: nothing counts as sent before the store has said so.

    Args:
        results: where the files lie.
        store: opened.
        share: where several send the runs of one study: this one's number from 0, and how many they are.
    """

    def __init__(self, results: Results, store: Store, share: tuple[int, int] = (0, 1)) -> None:
        self._results, self._store, self._share = results, store, share
        self._known: dict[str, Known] = {}
        self._open: dict[str, _Open] = {}
        self._closed: dict[str, Status] = {}
        self._doubtful: set[str] = set()  # keys of runs that a failed call may have made
        self.refused: dict[str, str] = {}  # what the store will never take, and why, by key

    def know(self, found: Iterable[Known]) -> None:
        """Take in what the store has. Of a run that is there twice the one stays that came further, or is the older."""
        found = list(found)
        parents = {one.parent for one in found}
        for one in sorted(found, key=lambda one: (one.id not in parents, one.running)):
            if one.key in self._known and self._known[one.key].id != one.id:
                self._store.forget(one.id)
            elif one.key:
                self._known[one.key] = one

    @property
    def done(self) -> int:
        """How many runs it has brought to their end."""
        return len(self._closed)

    @property
    def refusals(self) -> Iterator[str]:
        """Lines that say what was refused, one a reason."""
        for why in dict.fromkeys(self.refused.values()):
            keys = [key for key, reason in self.refused.items() if reason == why]
            more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
            yield f"MLflow refused {keys[0]}{more}: {why}"

    def know_study(self, view: StudyView) -> None:
        """Take in what the store has of a study."""
        own, below = f"= '{study_key(view)}'", f"LIKE '{view.place}/%'"
        self.know([one for condition in (own, below) for one in self._store.runs(f"tags.`{RUN_KEY}` {condition}")])

    def id_of(self, key: str) -> str:
        """MLflow's id of a run that was brought."""
        return self._open[key].id if key in self._open else self._known[key].id

    def study(self, view: StudyView, ended: str | None = None) -> None:
        """Send a study as far as its files have come: itself, its trials, its runs; last of all its answer.

        Args:
            view: it has looked.
            ended: how the work at it ended, so that a run without an end was killed; None while it goes on.
        """
        if ended and self._is_told(view, ended):
            return
        self.begin(view)
        unless = Status.KILLED if ended else None
        for line in list(view.register.lines.values()):
            if self._is_mine(line.number):
                if view.is_grouped(line):
                    trial = view.register.trial(line.number)
                    self._trial(view, trial, trial.status or unless)
                self._study_run(view, line, line.status or unless)
        if ended and self._share == (0, 1) and study_key(view) not in self.refused:
            try:
                self._answer(view, ended)
            except RefusedError as error:
                self._give_up(study_key(view), error)

    def begin(self, view: StudyView) -> None:
        """Open a study's own run, and send the points of its curve."""
        self._bring(_Wanted(study_key(view), view.shown, partial(growing, view.curve), view.progress))

    def _is_mine(self, trial: int) -> bool:
        mine, of = self._share
        return trial % of == mine

    def _study_run(self, view: StudyView, line: RunLine, status: Status | None) -> None:
        key, files = view.key(line), self._results.run(line.run)
        if self._is_done(key, status) or not files.has_begun:
            return
        end = run_end(files, status, line.purpose) if status else None
        self._bring(_Wanted(key, partial(view.shown_run, line, files), partial(readings, files), end=end))

    def _is_told(self, view: StudyView, ended: str) -> bool:
        """Whether the store has a study's answer as it stands, which is sent after everything else."""
        known = self._known.get(study_key(view))
        return known is not None and not known.running and known.tags.get(STATE) == view.state(ended)

    def _answer(self, view: StudyView, ended: str) -> None:
        """Send a study's answer, and close it."""
        key = study_key(view)
        run, end = self.id_of(key), study_end(view, ended)
        if self._doubtful:  # a server that was late may have made one more of them since it was looked for
            self.know_study(view)
        try:
            publish(self._store, run, view)
        except UsageError as error:  # its task or cell is not installed here: the rest of the answer needs neither
            self.refused[f"{key}, its drawings and model"] = str(error)
        at = Point(len(view.curve), view.last_ms, end.metrics)
        self._store.send(run, [samples(at)], tags={**end.tags, STATE: view.state(ended)})
        self._store.note(experiment_note(self._store))
        self._store.close(run, run_status(end.status), end.time_ms)  # last: what has ended is told
        self._known[key] = Known(run, key, running=False, tags={STATE: view.state(ended)})
        self._open.pop(key, None)

    def _trial(self, view: StudyView, trial: Trial, status: Status | None) -> None:
        """Send a trial with several seeds."""
        key = view.trial_key(trial.number)
        files = next((files for line in trial.runs if (files := self._results.run(line.run)).has_begun), None)
        if files and not self._is_done(key, status):
            end = view.trial_end(trial, status) if status else None
            self._bring(_Wanted(key, partial(view.shown_trial, trial, files), nothing, end=end))

    def single(self, files: RunFiles, *, over: bool) -> None:
        """Send a run outside of any study as far as its files have come."""
        if files.has_begun:
            over = over or files.result is not None
            end = run_end(files, Status.KILLED) if over else None
            self._bring(_Wanted(files.id, partial(single_run, files), partial(readings, files), end=end))

    def close_abandoned(self) -> None:
        """Close the single runs whose driver was killed: nobody takes these up again. Other folders' are left alone."""
        for one in list(self._store.runs("attributes.status = 'RUNNING' AND tags.kind = 'run'")):
            files = self._results.run(one.tags.get("run", ""))
            if one.key == files.id and files.path.exists() and not files.is_alive:
                self.know([one])
                self.single(files, over=True)

    def _is_done(self, key: str, status: Status | None) -> bool:
        """A killed run may have gone on in between, and been killed again."""
        return key in self.refused or (status is not None and status.counts and self._closed.get(key) is status)

    def _bring(self, wanted: _Wanted) -> None:
        """Send what the store lacks of a run."""
        if self._is_done(wanted.key, wanted.end.status if wanted.end else None):
            return
        try:
            run = self._open.get(wanted.key) or self._begin(wanted)
            if run:
                self._send(run, wanted)
        except RefusedError as error:
            self._give_up(wanted.key, error)

    def _give_up(self, key: str, error: RefusedError) -> None:
        """The store will never have this run as it is; what it has of it does not go on."""
        if run := self._open.get(key):
            with suppress(RefusedError):
                self._store.close(run.id, run_status(Status.CRASHED))
            self._known[key] = Known(run.id, key, running=False, tags={})
            del self._open[key]
        self.refused[key] = str(error)

    def _begin(self, wanted: _Wanted) -> _Open | None:
        """Open a run: the one that the store has of it, or a new one; None where the store has it to its end."""
        shown = wanted.shown()
        if shown.parent and shown.parent in self.refused and shown.parent not in self._known:
            raise RefusedError(f"what it is shown under was refused: {self.refused[shown.parent]}")
        known = self._known.get(wanted.key)
        if known is None and wanted.key in self._doubtful:
            known = self._store.find(wanted.key)
        if known is None:
            made = self._create(shown)
            self._known[wanted.key] = Known(made, wanted.key, running=True, tags=shown.tags)
            run = _Open(made, 0, wanted.feed(), shown.params, shown.data)
        else:
            self._known[wanted.key] = known
            sent_to = self._store.sent_to(known.id, wanted.progress)
            run = _Open(known.id, sent_to, wanted.feed(), shown.params, shown.data)
            run.look()
            if not known.running and wanted.end and known.status is wanted.end.status and not run.waiting:
                self._closed[wanted.key] = wanted.end.status
                return None
            if not known.running:
                self._store.reopen(known.id)
        self._open[wanted.key] = run
        return run

    def _create(self, shown: Shown) -> str:
        parent = self.id_of(shown.parent) if shown.parent else None
        try:
            return self._store.create(shown, parent)
        except Exception:
            self._doubtful.add(shown.key)
            raise

    def _send(self, run: _Open, wanted: _Wanted) -> None:
        """Send what has come, in as few calls as may be, and close the run if it has ended."""
        run.look()
        end = wanted.end
        if not (end or run.waiting or run.params):
            return
        points = list(run.waiting)
        if end:  # its figures stand where the last reading does
            step, time_ms = (run.last.step, run.last.time_ms) if run.last else (0, end.time_ms)
            points.append(Point(step, time_ms, end.metrics))
        if run.data:
            self._store.take(run.id, run.data)
            run.data = None
        self._store.send(run.id, map(samples, points), params=run.params, tags=end.tags if end else None)
        run.sent_to = max([run.sent_to, *(point.step for point in run.waiting)])
        run.params, run.waiting = {}, []
        if end:
            for path in end.files:
                self._store.keep(run.id, path)
            self._store.close(run.id, run_status(end.status), end.time_ms)
            self._known[wanted.key] = Known(run.id, wanted.key, running=False, tags=end.tags)
            self._closed[wanted.key] = end.status
            del self._open[wanted.key]

    def lacking(self, view: StudyView) -> int:
        """How many of a study's runs the store is not known to have as they ended."""
        return sum(self._lacks(view, line) for line in view.register.lines.values())

    def _lacks(self, view: StudyView, line: RunLine) -> bool:
        known, files = self._known.get(view.key(line)), self._results.run(line.run)
        if known is None:
            return files.has_begun
        end = line.status or (files.result or RunResult(Status.KILLED)).status
        return known.running or known.status is not end
