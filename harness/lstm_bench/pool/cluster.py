"""A Ray cluster: the way to it, how much room it has, and what runs find around them there."""

import logging
import os
import socket
from typing import Any

import ray

from lstm_bench import allocator
from lstm_bench.command import COMMAND, command
from lstm_bench.errors import UsageError, in_one_line
from lstm_bench.plugins import found_alike
from lstm_bench.pool.place import Place

PATIENCE = 10.0  # seconds for the head to answer
OURS = "LSTM_BENCH_"  # how the names of our own environment begin


def connect(address: str) -> None:
    """Join a cluster, once a process; Ray takes SIGTERM for itself then.

    Raises:
        UsageError: there is none.
    """
    if ray.is_initialized():
        return
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # noqa: BLE001  # Ray has many
        raise UsageError(
            f"--ray-address {address}: no Ray cluster answers there; expected a running one, as `ray start --head` "
            f"begins it: {in_one_line(error)}"
        ) from None


def _knock(address: str) -> None:
    """See whether anybody listens at a host and port: Ray's client tries for minutes where nobody does.

    Raises:
        OSError: nobody does.
    """
    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "://" not in address:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE):
            pass


def room(place: Place) -> int:
    """How many runs fit into the cluster as it is now.

    Raises:
        UsageError: there is no cluster, or no machine of it has room for one.
    """
    connect(place.ray_address)
    claims = {kind: claim for kind, claim in (("CPU", place.cpus_per_run), ("GPU", place.gpus_per_run)) if claim}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    found = sum(int(min(node.get(kind, 0.0) / claim for kind, claim in claims.items())) for node in nodes)
    if not found:
        claimed = " and ".join(f"{claim:g} {kind}" for kind, claim in claims.items())
        raise UsageError(
            f"no machine of the Ray cluster has the {claimed} that a run claims: expected less by --cpus-per-run or "
            "--gpus-per-run, or --workers N where the cluster grows for what waits"
        )
    return found


def is_alive(node: str) -> bool:
    """Whether a machine, by its id of Ray's, still belongs to the cluster."""
    return any(one["NodeID"] == node and one["Alive"] for one in ray.nodes())


def environment() -> dict[str, str]:
    """What a process there has around it as a run's has it here."""
    own = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    return own | allocator.added() | found_alike() | {COMMAND: command()}


def as_task(function: Any, place: Place) -> Any:
    """A function as a task of Ray's that claims what a run does, in a process of its own each time.

    A process that has had a run has its memory, and perhaps its faults. Ray tries no task again: it would begin from
    the files that the run had when it was first begun.
    """
    return ray.remote(max_calls=1)(function).options(
        num_cpus=place.cpus_per_run,
        num_gpus=place.gpus_per_run,
        max_retries=0,
        runtime_env={"env_vars": environment()},
    )
