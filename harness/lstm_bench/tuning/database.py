"""Optuna's studies in a PostgreSQL database, in place of the journal, for drivers on whichever machine.

One driver to a study: the connection that it writes by holds a lock of the database's, which lets go of it when the
connection ends, however it does. A connection that is made anew takes the lock anew, or the driver ends.

What only a database needs is imported when there is one.
"""

import hashlib
import os
import platform
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import optuna
from optuna.storages import BaseStorage, RDBStorage, get_storage

from lstm_bench.errors import BenchError, RecordError, UsageError, in_one_line

if TYPE_CHECKING:
    from sqlalchemy.engine import ExceptionContext

Storage = BaseStorage  # Optuna's word for what remembers its studies
TABLES = "tables"  # the lock of whoever may be making them
STUDY = "study/"  # how the lock of a study's driver begins
# Seconds after which the server gives a machine up that is gone without a word, and how often it asks again.
KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}
HOLDER = """
    SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND database = datid AND datname = current_database()
    AND (classid::bigint << 32 | objid::bigint) = %s
"""


@contextmanager
def database(address: str | None, study: str) -> Iterator[Storage | None]:
    """Where a study's trials are, for this driver alone while entered; None where that is the journal.

    Args:
        address: of the database.
        study: by name.

    Raises:
        UsageError: another driver works at the study, or psycopg is not installed.
        BenchError: there is no such database, or it cannot be used.
    """
    if address is None:
        yield None
        return
    storage = open_database(address, study)
    try:
        yield get_storage(storage)
    finally:
        storage.engine.dispose()


def open_database(address: str, study: str | None = None) -> RDBStorage:
    """The database with an address, its tables made if need be; for the driver of a study alone, where one is named.

    Raises:
        As `database`.
    """
    psycopg = _psycopg()
    from sqlalchemy import event
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with closing(connected(address)) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", [number_of(TABLES)])
            anybodys = RDBStorage(address)  # by several connections
        if study is None:
            return anybodys
        anybodys.engine.dispose()
        # One connection, so that there is none without the lock.
        engine = {"creator": lambda: connected(address, study), "pool_size": 1, "max_overflow": 0}
        storage = RDBStorage(
            address,
            engine_kwargs={**engine, "pool_pre_ping": True},
            skip_compatibility_check=True,
            skip_table_creation=True,
        )
    except (psycopg.Error, SQLAlchemyError, RuntimeError) as error:  # the last: tables of another version of Optuna's
        raise BenchError(f"--storage {address}: the database cannot be used: {in_one_line(error)}") from None
    event.listen(storage.engine, "handle_error", _translate)
    return storage


def connected(address: str, study: str | None = None) -> Any:
    """A connection, holding the lock of a study's driver where one is named.

    Raises:
        UsageError: another driver holds it.
    """
    from sqlalchemy.engine import make_url

    url = make_url(address)
    _, options = url.get_dialect()().create_connect_args(url)
    name = f"lstm-bench, process {os.getpid()} on {platform.node()}"
    connection = _psycopg().connect(**{"application_name": name, **options}, autocommit=True)
    if study is None:
        return connection
    for setting, seconds in KEEPALIVE.items():
        connection.execute(f"SET {setting} = {seconds}")
    number = number_of(STUDY + study)
    if not connection.execute("SELECT pg_try_advisory_lock(%s)", [number]).fetchone()[0]:
        by = connection.execute(HOLDER, [number]).fetchone()
        connection.close()
        raise UsageError(
            f"study '{study}' is being worked at by {by[0] if by else 'another driver'}: wait for it, stop it, or "
            "choose another --name"
        )
    connection.autocommit = False  # as SQLAlchemy wants it
    return connection


def number_of(name: str) -> int:
    """A lock's number in the database: 64 bits with a sign."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _psycopg() -> Any:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise UsageError("--storage: psycopg is not installed: pip install 'lstm-bench[postgres]'") from None
    return psycopg


def _translate(context: "ExceptionContext") -> RecordError | None:
    """A database that is gone in mid-study, in our words; a failed ping is none of ours: a new connection follows."""
    from sqlalchemy.exc import OperationalError

    if context.is_pre_ping or not isinstance(context.sqlalchemy_exception, OperationalError):
        return None
    return RecordError(
        f"the database of --storage cannot be written: {in_one_line(context.original_exception)}; mend that, then run "
        "the same command again: what is recorded is kept"
    )
