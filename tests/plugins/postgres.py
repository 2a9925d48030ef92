"""A real PostgreSQL server in a temporary folder, heard at a socket alone; as another user where we are root."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

USER = "nobody"  # the server refuses to be root's
PATIENCE = 60.0  # seconds until it must answer


def binaries() -> Path | None:
    """Where the server's programs are: Debian keeps them off the path. None where there are none."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = kept[-1] if kept else shutil.which("initdb")
    return Path(found).parent if found else None


class Postgres:
    """A server that runs; the same folder each time that it is started.

    Args:
        programs: see `binaries`.
        folder: of its data and its socket, which it can write to.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self.folder = programs, folder
        self._user = USER if os.geteuid() == 0 else None
        data = str(folder / "data")
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
            user=self._user,
            check=True,
            capture_output=True,
        )
        self.start()

    @property
    def address(self) -> str:
        """Of its database."""
        return self.database("postgres")

    def database(self, name: str) -> str:
        """The address of one of its databases, made if need be."""
        made = [self._programs / "createdb", "-h", str(self.folder), "-U", "postgres", name]
        subprocess.run(made, check=False, capture_output=True)
        return f"postgresql+psycopg://postgres@/{name}?host={self.folder}"

    def start(self) -> None:
        """Let it run; it answers when this returns."""
        heard = ["-k", str(self.folder), "-c", "listen_addresses="]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", str(self.folder / "data"), "-c", "fsync=off", *heard],
                user=self._user,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end = time.monotonic() + PATIENCE
        while subprocess.run([self._programs / "pg_isready", "-q", "-h", str(self.folder)], check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                raise RuntimeError(f"no PostgreSQL server:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it at once, with every connection that it has."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE)


@contextlib.contextmanager
def postgres_server(programs: Path) -> Iterator[Postgres]:
    """A server that answers; ended when the context is left. `stop` and `start` may be called meanwhile."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:  # not pytest's, which is its owner's alone
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        server = Postgres(programs, folder)
        try:
            yield server
        finally:
            server.stop()
