"""Where runs are to execute, as it was asked; and the pool that does it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from typing import Literal

from lstm_bench import interpreter
from lstm_bench.errors import UsageError
from lstm_bench.pool import Pool, cores
from lstm_bench.pool.local import LocalPool
from lstm_bench.spec import RunSpec

Kind = Literal["local", "ray"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where runs execute.

    Attributes:
        kind: `local`, forked on this machine; `ray`, as tasks of a Ray cluster.
        ray_address: of that cluster, as `ray.init` takes it; as all below, of `ray` alone.
        cpus_per_run: what each run claims there.
        gpus_per_run: likewise; a share of one lets several runs have it together.
        storage_path: a folder, or an address that fsspec knows, for checkpoints; None: they travel to the driver.
    """

    kind: Kind = "local"
    ray_address: str = "auto"
    cpus_per_run: float = 1.0
    gpus_per_run: float = 0.0
    storage_path: str | None = None

    def __post_init__(self) -> None:
        given = [field.name for field in fields(self) if getattr(self, field.name) != field.default]
        if self.kind == "local" and given:
            option = given[0].replace("_", "-")
            raise UsageError(f"--{option} says how runs execute on a Ray cluster: expected --pool ray with it")

    def workers(self) -> int:
        """How many runs at once there are where nobody says.

        Raises:
            UsageError: there is no such cluster.
        """
        if self.kind == "local":
            return cores()
        with _installed():
            from lstm_bench.pool.cluster import room
        return room(self)

    def pool(self, warm: RunSpec, workers: int, run_timeout: float | None = None) -> AbstractContextManager[Pool]:
        """The pool of one task's runs.

        Args:
            warm: names the task, with its options.
            workers: runs at once.
            run_timeout: seconds of wall time after which a run ends as `timed_out`; None: never.

        Raises:
            UsageError: Ray is not installed.
        """
        if self.kind == "local":
            return LocalPool(warm, workers, run_timeout=run_timeout)
        interpreter.forgo(interpreter.SERVER)
        with _installed():
            from lstm_bench.pool.ray import RayPool
        return RayPool(warm, workers, self, run_timeout=run_timeout)


LOCAL = Place()


@contextmanager
def _installed() -> Iterator[None]:
    """While entered, Ray's absence is said as such."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise UsageError("--pool ray: the package ray is not installed: pip install 'lstm-bench[ray]'") from None
