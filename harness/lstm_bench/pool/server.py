"""The warm server: has torch imported, and forks a server of a task, which reads its data and forks each of its runs.

Neither computes anything with torch or scikit-learn: a process that has run a two-thread matrix product deadlocks its
forked child at two threads. Begun by `lstm_bench.begin`, it hears JSON over the socket FD, a task and the socket of its
server each time, one after the other, and ends when the driver's end closes, with the driver, or as a task's server
that did not end in peace. What is forked ends with who has forked it.
"""

import functools
import gc
import importlib
import json
import os
import selectors
import socket
import sys
import traceback
from collections.abc import Callable
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
    """Get warm, then serve task after task until the driver is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    importlib.import_module("torch._dynamo")  # the first optimiser of a process imports it, which takes 1 s
    machine()
    while True:
        asked, descriptors, _, _ = socket.recv_fds(control, LONGEST, 1)
        if not asked:  # the driver has no use for another
            return
        own = socket.socket(fileno=descriptors[0])
        pid = forked(control, functools.partial(serve_task, own, asked))
        own.close()
        _, status = os.waitpid(pid, 0)
        if code := os.waitstatus_to_exitcode(status):
            end_as(code)
        say(control, over=True)


def serve_task(control: socket.socket, asked: bytes) -> None:
    """Read the data of a spec's task, say so, then serve its runs until the driver has no more."""
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
            pid = forked(control, functools.partial(run_job, descriptors[0], job))
            os.close(descriptors[0])
            running[job.run_id] = (pid, os.pidfd_open(pid))
            selector.register(running[job.run_id][1], selectors.EVENT_READ, job.run_id)


def run_job(descriptor: int, job: Job) -> None:
    """Execute a run whose end of its pipe this is."""
    run_child(Connection(descriptor), job)


def forked(control: socket.socket, work: Callable[[], None]) -> int:
    """Start a process that does some work without our socket; returns its id. The child never comes back from here."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        die_with_parent(parent)
        control.close()
        work()
        code = 0
    except BaseException:  # noqa: BLE001  # this process ends here, whatever happened
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):  # a full disk
                stream.flush()
        os._exit(code)


def end_as(code: int) -> None:
    """End with an exit code; a negative one is a signal."""
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def say(control: socket.socket, **message: Any) -> None:
    """Send the driver a message."""
    control.send(json.dumps(message).encode())
