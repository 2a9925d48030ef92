"""A run's own process: executes one job, writes its files, then tells the driver.

It hears the driver in a thread. When the driver is gone, so is the run: its end of the pipe says so at once.
"""

import _thread
import contextlib
import json
import os
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lstm_bench.execute import execute, one_line
from lstm_bench.meter import machine
from lstm_bench.pool import Job
from lstm_bench.record.files import RunFiles
from lstm_bench.result import Reading, RunResult, Status

OOM_SCORE = "500"  # the kernel, short of memory, takes a run before the driver


class Notifying:
    """A recorder: the reading goes to the run's file, then the driver is told."""

    def __init__(self, files: RunFiles, driver: Connection) -> None:
        self._files, self._driver = files, driver

    def log(self, reading: Reading) -> None:
        """Keep a reading, then tell of it."""
        self._files.log(reading)
        tell(self._driver, "reading", reading.to_dict())


class Inbox:
    """What the driver said last, heard in a thread."""

    def __init__(self, driver: Connection) -> None:
        self._driver = driver
        self._word: Status | None = None
        threading.Thread(target=self._listen, name="inbox", daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                self._word = Status(self._driver.recv_bytes().decode())
            except (EOFError, OSError):
                os._exit(1)  # the driver is gone: nobody waits for this run
            if self._word is Status.KILLED:
                _thread.interrupt_main()

    def verdict(self, _: Reading) -> Status | None:
        """The status that the driver wants the run to end with, if any."""
        return self._word


def run_child(driver: Connection, job: Job) -> None:
    """Execute a job in this process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE)
    files = RunFiles(job.path)
    files.begin(job.spec, machine())
    _redirect_output(job.path / "output.log")
    try:
        result = execute(job.spec, Notifying(files, driver), Inbox(driver).verdict, test=job.test)
    except Exception as error:  # noqa: BLE001  # a fault of the harness: still one run's alone
        result = RunResult(Status.CRASHED, reason=one_line(error), traceback=traceback.format_exc())
    except KeyboardInterrupt:
        result = RunResult(Status.KILLED)
    files.end(result)
    tell(driver, "result", result.to_dict())


def tell(driver: Connection, kind: str, values: dict[str, Any]) -> None:
    """Send the driver a message; a driver that is gone ends this process."""
    try:
        driver.send_bytes(json.dumps({kind: values}).encode())
    except OSError:
        os._exit(1)


def _redirect_output(path: Path) -> None:
    """What a plugin or a library prints goes to the run's folder, not onto the driver's screen."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    os.close(log)
