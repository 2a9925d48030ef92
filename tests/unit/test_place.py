import sys

import pytest

from lstm_bench.errors import UsageError
from lstm_bench.execute import spec_of
from lstm_bench.pool import cores
from lstm_bench.pool.place import LOCAL, Place
from lstm_bench.record.files import Results


def test_here_is_where_runs_execute_unless_somebody_says() -> None:
    assert Place() == LOCAL
    assert LOCAL.workers() == cores()


@pytest.mark.parametrize(
    ("field", "value"),
    [("ray_address", "head:6379"), ("cpus_per_run", 2.0), ("gpus_per_run", 0.25), ("storage_path", "kept")],
)
def test_what_only_a_cluster_heeds_is_refused_here(field: str, value: object) -> None:
    option = field.replace("_", "-")
    with pytest.raises(UsageError, match=f"^--{option} says how runs execute on a Ray cluster: expected --pool ray"):
        Place(**{field: value})
    Place(kind="ray", **{field: value})


def test_without_ray_its_pool_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in [name for name in sys.modules if name in ("lstm_bench.pool.ray", "lstm_bench.pool.cluster")]:
        monkeypatch.delitem(sys.modules, name)
    spec, _ = spec_of({"task": "toy:Toy"}, {})
    with pytest.raises(UsageError, match=r"ray is not installed: pip install 'lstm-bench\[ray\]'"):
        Place(kind="ray").pool(spec, 1)


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql+psycopg://me:secret@host/optuna", "a password has no place in it"),
        ("postgresql+psycopg://host/optuna?password=secret", "a password has no place in it"),
        ("sqlite:///studies.db", "expected a database, such as postgresql"),
        ("postgresql+psycopg://host", "expected a database, such as postgresql"),
        ("postgresql+psycopg://[host/optuna", "expected a database, such as postgresql"),
    ],
)
def test_a_database_is_one_of_postgresql_and_holds_no_secret(address: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as told:
        Results.at("results", storage=address)
    assert "secret" not in str(told.value)


def test_a_database_may_be_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "postgresql+psycopg:///optuna?host=/run/postgresql"
    monkeypatch.setenv("LSTM_BENCH_STORAGE", address)
    assert Results.at("results").storage == address
