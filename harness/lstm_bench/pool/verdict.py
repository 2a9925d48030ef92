"""How a run ended that could not say so itself."""

import signal
from contextlib import suppress
from pathlib import Path

from filelock import Timeout

from lstm_bench.meter import machine, source_diff
from lstm_bench.outcome import figures
from lstm_bench.pool import Job
from lstm_bench.record.run import RunFiles
from lstm_bench.result import RunResult, Status
from lstm_bench.task import make_task
from lstm_bench.writing import make_folder, unwritable

PATIENCE = 3.0  # seconds that the run's folder may be held by what is left of its process
# Where the kernel counts the processes that it has ended for want of memory: in all, in this group (cgroup 2, 1).
OOM_COUNTERS = ("/proc/vmstat", "/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")


def in_its_stead(job: Job, status: Status, reason: str | None) -> RunResult:
    """The result of a run that was ended: what its readings tell, and how far it had come."""
    readings = RunFiles(job.path).readings
    metrics = figures(readings, make_task(job.spec).goal) if readings else {}
    last = f"the last reading was at step {readings[-1].step}" if readings else "there was no reading"
    return RunResult(status, metrics, "; ".join(filter(None, [reason, last])))


def by_its_death(job: Job, code: int, *, short_of_memory: bool) -> RunResult:
    """The result of a run whose process ended by itself, or was shot.

    Args:
        job: the run's.
        code: of its exit; negative: the signal that ended it.
        short_of_memory: whether the kernel has ended a process for want of memory meanwhile.
    """
    if code == -signal.SIGKILL and short_of_memory:
        return in_its_stead(job, Status.OUT_OF_MEMORY, "the kernel, short of memory, ended its process")
    why = ": somebody's kill, or a limit on memory" if code == -signal.SIGKILL else ""
    return in_its_stead(job, Status.CRASHED, f"its process {how_it_ended(code)} and left no result{why}")


def how_it_ended(code: int) -> str:
    """An exit code in words, after the process's name; negative: the signal that ended it."""
    if code >= 0:
        return f"ended with exit code {code}"
    return "was ended by " + next((s.name for s in signal.Signals if s == -code), f"signal {-code}")


def write(job: Job, result: RunResult) -> None:
    """Put down how a run ended, in its process's stead.

    Raises:
        RecordError: it cannot be written.
    """
    files = RunFiles(job.path)
    make_folder(files.path)
    try:
        with files.lock().acquire(timeout=PATIENCE):
            files.begin(job.spec, machine(), job.facts, source_diff())
            files.end(result)
    except (FileExistsError, Timeout):
        pass  # a folder that another run or another process of this one holds is left alone
    except OSError as error:  # of the lock
        raise unwritable(files.path, error) from error


def oom_kills() -> int:
    """How often the kernel has ended a process for want of memory, by all of its counters; 0 where it has none."""
    count = 0
    for path in OOM_COUNTERS:
        with suppress(OSError):
            words = (line.split() for line in Path(path).read_text().splitlines())
            count += sum(int(number) for name, number in words if name == "oom_kill")
    return count
