"""The warm server: has torch imported and the task's data read, and forks a process for each run.

It computes nothing with torch or scikit-learn: a server that has run a two-thread matrix product deadlocks its
forked child at two threads. Begun by `lstm_bench.begin`, it speaks JSON over the socket FD and ends when the
driver's end of it closes, or with the driver. Its runs end with it.
"""

import gc
import importlib
import json
import os
import selectors
import socket
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from lstm_bench.begin import die_with_parent
from lstm_bench.errors import BenchError
from lstm_bench.execute import get_warm, one_line
from lstm_bench.meter import machine
from lstm_bench.pool import Job
from lstm_bench.pool.child import run_child
from lstm_bench.spec import RunSpec
from lstm_bench.task import make_task

LONGEST = 2**18  # bytes of a message


def main() -> None:
    """Get warm, say so, then serve until the driver is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    importlib.import_module("torch._dynamo")  # the first optimiser of a process imports it, which takes 1 s
    machine()
    asked = control.recv(LONGEST)
    if not asked:  # the driver has no use for a server
        return
    try:
        spec = RunSpec.from_dict(json.loads(asked))
        digest = make_task(spec).prepare()
    except BenchError as error:
        say(control, failed=str(error), exit_code=error.exit_code)
    except Exception as error:  # noqa: BLE001  # a plugin's fault, told in one line
        say(
            control,
            failed=f"the task's data cannot be read: {one_line(error)}",
            exit_code=BenchError.exit_code,
        )
    else:
        get_warm(spec)
        gc.collect()
        gc.freeze()  # the collector of a run touches none of the shared pages
        say(control, ready=digest)
        serve(control)


def serve(control: socket.socket) -> None:
    """Fork a run for each request, and tell of each that ends."""
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    running: dict[str, tuple[int, int]] = {}  # run id: pid, and a descriptor that is ready when it ends
    while True:
        for key, _ in selector.select():
            if key.fileobj is not control:
                pid, descriptor = running.pop(key.data)
                _, status = os.waitpid(pid, 0)
                selector.unregister(descriptor)
                os.close(descriptor)
                say(control, exited=key.data, code=os.waitstatus_to_exitcode(status))
                continue
            data, descriptors, _, _ = socket.recv_fds(control, LONGEST, 1)
            if not data:
                return
            request = json.loads(data)
            if "kill" in request:
                if request["kill"] in running:
                    os.kill(running[request["kill"]][0], 9)
                continue
            job = Job.from_dict(request)
            pid = fork(control, descriptors[0], job)
            running[job.run_id] = (pid, os.pidfd_open(pid))
            selector.register(running[job.run_id][1], selectors.EVENT_READ, job.run_id)


def fork(control: socket.socket, descriptor: int, job: Job) -> int:
    """Start a run's process; returns its id. The child never comes back from here."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    code = 1
    try:
        die_with_parent(server)
        control.close()
        run_child(Connection(descriptor), job)
        code = 0
    except BaseException:  # noqa: BLE001  # this process ends here, whatever happened
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # a full disk
                stream.flush()
        os._exit(code)


def say(control: socket.socket, **message: Any) -> None:
    """Send the driver a message."""
    control.send(json.dumps(message).encode())
