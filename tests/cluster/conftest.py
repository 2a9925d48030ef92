from collections.abc import Iterator
from typing import Any

import pytest
from postgres import Postgres, binaries, postgres_server


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A Ray cluster whose head executes no run; a test adds the machines that it wants."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install '.[ray]'")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Who is slow to answer, on a full machine, is not dead; a dead one refuses at once.
        patient = {"health_check_timeout_ms": 60_000}
        head = {"num_cpus": 0, "include_dashboard": False, "_system_config": patient}
        made = Cluster(initialize_head=True, head_node_args=head)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgres]'")
    programs = binaries()
    if programs is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with postgres_server(programs) as server:
        yield server
