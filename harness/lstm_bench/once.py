"""One run, outside of any study."""

from collections.abc import Iterator

from rich.console import Console

from lstm_bench.execute import facts
from lstm_bench.pool import Ended, Event, Heard, Job, Pool, Started
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.run import new_run_id
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec
from lstm_bench.tracking.shipper import Shipper


def run_once(
    spec: RunSpec, *, results: Results, console: Console, run_timeout: float | None = None
) -> tuple[str, RunResult]:
    """Train one model; its readings are printed as they come.

    Returns:
        The run's id, and how it ended.

    Raises:
        BenchError: the data cannot be had.
        KeyboardInterrupt: after the run has ended as `killed`.
    """
    result, run_id = RunResult(Status.KILLED), new_run_id(spec.task)
    with LocalPool(spec, 1, run_timeout=run_timeout) as pool:
        job = Job(spec, results.run(run_id).path, facts=facts(spec, pool.data_digest))
        for event in events_once(job, pool, results=results, console=console):
            if isinstance(event, Ended):
                result = event.result
    return run_id, result


def events_once(job: Job, pool: Pool, *, results: Results, console: Console) -> Iterator[Event]:
    """Execute one job; its readings are printed as they come, and MLflow's writer follows its files."""
    jobs = [job]
    with Shipper(results, job.spec.task) as shipper:
        shipper.follow("run", job.run_id)
        try:
            for event in pool.run(lambda: jobs.pop() if jobs else None):
                match event:
                    case Started(job):
                        console.print(f"run {job.run_id}")
                    case Heard(_, reading):
                        shown = {k: v for k, v in reading.metrics.items() if k.startswith(("train/", "valid/"))}
                        figures = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
                        console.print(f"step {reading.step}  {figures}  {reading.seconds:.1f} s", soft_wrap=True)
                for line in shipper.news():
                    console.print(line, soft_wrap=True)
                yield event
        finally:
            for line in shipper.finish("finished"):
                console.print(line, soft_wrap=True)
