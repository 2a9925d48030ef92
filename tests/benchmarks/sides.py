"""Our command and a loop by hand, side by side: how many steps a second each makes.

What else a machine does changes within seconds, by more than what is to be seen: so the sides take short turns. And of
its cores one is slower than another, by as much, for minutes: so what trains keeps to one core, the same for all sides.
"""

import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shell import command, descendants, environment

from lstm_bench.allocator import KEEP_MEMORY
from lstm_bench.checkpoint import CHECKPOINT_SECONDS
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles

SECONDS = 10.0  # that a side trains, about
READINGS = 10  # of it
TURN = 0.5  # seconds that a side goes while the others are stopped
CORE = max(os.sched_getaffinity(0)) if sys.platform == "linux" else None  # the first one serves devices besides
BARE = Path(__file__).with_name("bare.py")
TRAIN = (BARE.name, "lstm_bench.pool.server")  # of the commands of processes that train

Points = list[tuple[float, float]]  # steps, and the time of the day


@dataclass
class Side:
    """A training that goes on, or is stopped for the others.

    Attributes:
        process: with all that it started.
        ended: its evaluations, once it is over.
        since: when it began.
        until: when it was over.
        stops: from when until when it was stopped.
        stopped: since when it is, or was the last time.
    """

    process: "subprocess.Popen[str]"
    ended: Callable[[], Points]
    since: float = field(default_factory=time.time)
    until: float = 0.0
    stops: list[tuple[float, float]] = field(default_factory=list)
    stopped: float = 0.0

    def __post_init__(self) -> None:
        self._watcher = threading.Thread(target=self._end, daemon=True)
        self._watcher.start()

    def _end(self) -> None:
        self.process.wait()
        self.until = time.time()

    def stop(self) -> None:
        tell(self._family, signal.SIGSTOP)
        self.stopped = time.time()

    def go(self, core: int | None) -> None:
        family = self._family  # finding it takes as long as many steps, in which it does not go yet
        if core is not None:
            keep_on(core, family)
        self.stops.append((self.stopped, time.time()))
        tell(family, signal.SIGCONT)

    @property
    def _family(self) -> list[int]:
        return [self.process.pid, *descendants(self.process.pid)]

    def went(self, since: float, until: float) -> float:
        """Seconds of these in which it went."""
        return until - since - sum(max(0.0, min(until, end) - max(since, begin)) for begin, end in self.stops)

    def rate(self) -> float:
        """Steps a second, from the first evaluation's end to the last one's."""
        points = self.ended()
        (first, since), (last, until) = points[0], points[-1]
        return (last - first) / self.went(since, until)

    def seconds(self) -> float:
        """From its start to its end."""
        self.ended()
        self._watcher.join()  # it may see the end a little later
        return self.went(self.since, self.until)


def tell(family: Sequence[int], number: int) -> None:
    """Send a signal to each process that is there still."""
    for pid in family:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def keep_on(core: int, family: Sequence[int]) -> None:
    """Have what trains, the first thread of the processes that do, keep to one core, and all else go where it likes."""
    everywhere = os.sched_getaffinity(0)
    for pid in family:
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            trains = any(word in Path(f"/proc/{pid}/cmdline").read_text() for word in TRAIN)
            for task in (int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()):
                os.sched_setaffinity(task, {core} if trains and task == pid else everywhere)


def in_turns(*sides: Side, core: int | None = None) -> Sequence[Side]:
    """Have them end, one going at a time, what trains on the core, if one is named; the last one goes to its end."""
    going, *others = sides
    for side in others:
        side.stop()
    while left := [side for side in sides if side.process.poll() is None]:
        time.sleep(TURN)
        following = left[(left.index(going) + 1) % len(left)] if going in left else left[0]
        if following is not going:
            if going in left:
                going.stop()
            following.go(core)
            going = following
    return sides


def by_hand(*workers: Sequence[dict[str, Any]], tuned: bool = True) -> Side:
    """Loops by hand: those of a worker one after the other in a process of its own, all workers at once."""
    plain = {name: value for name, value in environment().items() if name not in KEEP_MEMORY}
    each = [shlex.join([sys.executable, str(BARE), *map(json.dumps, loops)]) for loops in workers]
    process = subprocess.Popen(
        ["/bin/sh", "-c", " & ".join(each) + " & wait"],
        env=plain | (KEEP_MEMORY if tuned else {}) | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )

    def ended() -> Points:
        said = process.stdout.read() if process.stdout else ""
        points = [(point["step"], point["at"]) for point in map(json.loads, said.splitlines())]
        expected = sum(one["train.steps"] // one["train.eval_every"] for loops in workers for one in loops)
        assert len(points) == expected
        return points

    return Side(process, ended)


def by_command(folder: Path, settings: dict[str, Any]) -> Side:
    """The same as `lstm-bench run`, with files and MLflow."""
    known = names(folder)
    given = [f"--set={path}={value}" for path, value in settings.items() if path != "task"]
    process = begun(folder, "run", settings["task"], *given)

    def ended() -> Points:
        assert process.wait() == 0
        return [(reading.step, reading.time_ms / 1e3) for reading in new_run(folder, known).readings]

    return Side(process, ended)


def share(folder: Path, settings: dict[str, Any]) -> float:
    """Of a run's time, what neither training nor evaluating took; of one that nobody stops."""
    known = names(folder)
    by_command(folder, settings).ended()
    result = new_run(folder, known).result
    assert result is not None
    return result.metrics["cost/harness_share"]


def names(folder: Path) -> set[str]:
    """Of the runs that there are."""
    return {path.name for path in Results(folder / "results").runs.glob("*")}


def new_run(folder: Path, known: set[str]) -> RunFiles:
    """The one that is not known yet."""
    (name,) = names(folder) - known
    return Results(folder / "results").run(name)


def begun(folder: Path, *arguments: str) -> "subprocess.Popen[str]":
    """Our command; unlike in tests, a state is kept as often as a user's is."""
    plain = {name: value for name, value in environment().items() if name != CHECKPOINT_SECONDS}
    return subprocess.Popen(command(*arguments), cwd=folder, env=plain, stdout=subprocess.DEVNULL, text=True)


def by_search(folder: Path, *arguments: str) -> Side:
    """`lstm-bench search`."""
    process = begun(folder, "search", *arguments)

    def ended() -> Points:
        assert process.wait() == 0
        return []

    return Side(process, ended)


def done(folder: Path, *arguments: str) -> None:
    """Our command, to its end."""
    assert begun(folder, *arguments).wait() == 0


def settings_of(hidden: int, batch: int = 32, readings: int = READINGS, **others: Any) -> dict[str, Any]:
    """Of a run of some seconds, by the speed of a short one."""
    settings = {"task": "adding", "model.hidden": hidden, "train.batch_size": batch, "train.lr": 1e-5, **others}
    short = by_hand([{**settings, "train.steps": 60, "train.eval_every": 20}]).rate()
    window = max(1, round(short * SECONDS / readings))
    return {**settings, "train.steps": readings * window, "train.eval_every": window}


def middle(ratios: Sequence[float]) -> str:
    """What is said of ratios: their median, and from where to where they lay."""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
