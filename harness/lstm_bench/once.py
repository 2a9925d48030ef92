"""One run, outside of any study."""

from rich.console import Console

from lstm_bench.desk import run_tags
from lstm_bench.execute import facts
from lstm_bench.pool import Ended, Heard, Job, Started
from lstm_bench.pool.local import LocalPool
from lstm_bench.record.files import Results
from lstm_bench.record.run import new_run_id
from lstm_bench.record.shipper import Entry, Shipper
from lstm_bench.result import RunResult, Status
from lstm_bench.spec import RunSpec


def run_once(spec: RunSpec, *, results: Results, console: Console, run_timeout: float | None = None) -> RunResult:
    """Train one model; its readings are printed as they come.

    Raises:
        BenchError: the data cannot be had.
        KeyboardInterrupt: after the run has ended as `killed`.
    """
    result = RunResult(Status.KILLED)
    with LocalPool(spec, 1, run_timeout=run_timeout) as pool, Shipper(results, spec.task) as shipper:
        beneath = facts(spec, pool.data_digest)
        jobs = [Job(spec, results.run(new_run_id(spec.task)).path, facts=beneath)]
        for event in pool.run(lambda: jobs.pop() if jobs else None):
            match event:
                case Started(job):
                    tags = {**run_tags(spec, beneath), "kind": "run", "run": job.run_id, "seed": str(spec.seed)}
                    shipper.started(Entry(job.run_id, f"run, seed {spec.seed}", spec.flat(), tags))
                    console.print(f"run {job.run_id}")
                case Heard(job, reading):
                    shipper.heard(job.run_id, reading)
                    shown = {k: v for k, v in reading.metrics.items() if k.startswith(("train/", "valid/"))}
                    figures = "  ".join(f"{name} {value:.4g}" for name, value in shown.items())
                    console.print(f"step {reading.step}  {figures}  {reading.seconds:.1f} s", soft_wrap=True)
                case Ended(job, result):
                    shipper.ended(job.run_id, result)
    return result
