"""How a run ended whose task of Ray's failed: by its own fault, by its machine's, or because none could execute."""

from ray.exceptions import NodeDiedError, OutOfMemoryError, TaskCancelledError, WorkerCrashedError

from lstm_bench.errors import BenchError, in_one_line
from lstm_bench.pool import Job
from lstm_bench.pool.cluster import is_alive
from lstm_bench.pool.verdict import in_its_stead
from lstm_bench.result import RunResult, Status

MOST_LOST = 5  # machines beneath one run, it having said nothing in between


def by_failure(job: Job, failure: BaseException | None, node: str | None, lost: int) -> RunResult:
    """The result of a run that left none.

    Args:
        job: the run's.
        failure: of its task; None: it came to its end.
        node: where it executed; None: nowhere yet.
        lost: how many machines have died beneath it before, it having said nothing in between.

    Returns:
        `killed` where its machine is gone: the run is taken up again, elsewhere.

    Raises:
        BenchError: no run can be executed there.
    """
    if isinstance(failure, OutOfMemoryError):
        return in_its_stead(job, Status.OUT_OF_MEMORY, "Ray, its machine being short of memory, ended its process")
    is_crash = isinstance(failure, WorkerCrashedError)
    if isinstance(failure, NodeDiedError) or (is_crash and not (node and is_alive(node))):
        if lost + 1 == MOST_LOST:
            return in_its_stead(job, Status.CRASHED, f"{MOST_LOST} machines in a row died beneath it")
        return in_its_stead(job, Status.KILLED, "its machine is gone")
    if is_crash:
        return in_its_stead(job, Status.CRASHED, "its process ended and left no result")
    if failure is None or isinstance(failure, TaskCancelledError):
        return in_its_stead(job, Status.KILLED, None)
    raise unable(failure)


def unable(failure: BaseException) -> BenchError:
    """The error for a cluster that executes nothing: what Ray says, at its end."""
    said = str(failure).strip().splitlines() or [type(failure).__name__]
    return BenchError(
        f"the Ray cluster cannot execute a run: {in_one_line(said[-1])}; expected lstm-bench and what the task needs "
        "on its machines, as here"
    )
