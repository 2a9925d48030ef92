"""A run as a task of Ray's, on whichever machine: the same as in a process of our own, in a folder that is a copy.

The run writes its files into a folder of the machine's own, and what is new in them goes along with each message that
it has for the driver, which writes it into the run's folder before it hears the message. So the driver's folder says
what the run's says, and a run that goes on elsewhere begins from there.
"""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import ray
from ray.exceptions import RayError

from lstm_bench.checkpoint import Pace, asked_pace
from lstm_bench.errors import BenchError
from lstm_bench.execute import facts, one_line
from lstm_bench.pool import Job
from lstm_bench.pool.child import run_child
from lstm_bench.pool.kept import Kept
from lstm_bench.pool.parcel import Mirror, Parcel, unpack
from lstm_bench.record.files import Results
from lstm_bench.record.run import RunFiles
from lstm_bench.spec import RunSpec
from lstm_bench.task import make_task
from lstm_bench.writing import make_folder


class MailLine:
    """A run's line to its driver, by way of the mailbox.

    Args:
        mailbox: the driver's.
        name: the line's.
        root: the results folder that the run writes into.
        files: the run's.
        kept: where checkpoints are kept; None: they go along with the messages.
    """

    def __init__(self, mailbox: Any, name: str, root: Path, files: RunFiles, kept: Kept | None) -> None:
        self._mailbox, self._name, self._files, self._kept = mailbox, name, files, kept
        self._mirror = Mirror(root)
        self._pace = Pace(asked_pace())
        self._saved = self._age()

    def send_bytes(self, buf: bytes, /) -> None:
        """Tell the driver, with what is new in the run's files; a checkpoint now and then.

        Raises:
            BrokenPipeError: the driver is gone.
        """
        if not (self._pace.is_due and self._age() != self._saved):
            self._tell(buf, self._mirror.news(but=[self._files.checkpoint.name]))
            return
        self._saved = self._age()
        with self._pace.doing():
            if self._kept is None:
                self._tell(buf, self._mirror.news())
            else:  # after its reading, without which it is worth nothing
                self._tell(buf, self._mirror.news(but=[self._files.checkpoint.name]))
                self._kept.put(self._files.id, self._files.checkpoint)

    def recv_bytes(self) -> bytes:
        """Wait for the driver's next word.

        Raises:
            EOFError: the driver is gone, or has no more to say.
        """
        try:
            word: bytes | None = _waited_for(self._mailbox.word.remote(self._name))
        except RayError as error:
            raise EOFError from error
        if word is None:
            raise EOFError
        return word

    def say(self, **message: Any) -> None:
        """Tell the driver what the run itself does not."""
        self.send_bytes(json.dumps(message).encode())

    def _tell(self, data: bytes, parcel: Parcel) -> None:
        try:
            _waited_for(self._mailbox.tell.remote(self._name, data, parcel))
        except RayError as error:
            raise BrokenPipeError from error

    def _age(self) -> int | None:
        """When the checkpoint was saved; None where there is none."""
        path = self._files.checkpoint
        return path.stat().st_mtime_ns if path.exists() else None


def _waited_for(called: Any) -> Any:
    """What a call gives. Not by `ray.get`: while a task waits there, Ray gives its cores to another one."""
    return called.future().result()


class Asked(NamedTuple):
    """What a task is to execute, plain.

    Attributes:
        job: see `Job.to_dict`; its path is the driver's.
        warm: the spec that the job's facts are beneath.
        here: the driver's working directory, in which relative paths mean something.
        storage_path: of checkpoints; None: they go along with the messages.
    """

    job: dict[str, Any]
    warm: dict[str, Any]
    here: str
    storage_path: str | None


def run_task(asked: Asked, parcel: Parcel, mailbox: Any, line: str) -> None:
    """Execute a job here, and go on where its files say that it was.

    Args:
        asked: which job, and how.
        parcel: the run's files so far.
        mailbox: the driver's.
        line: to it.
    """
    go_to(asked.here)
    with tempfile.TemporaryDirectory(prefix="lstm-bench-") as folder:
        results = Results(Path(folder))
        unpack(results.root, parcel)
        files = results.run(Path(asked.job["path"]).name)
        job = Job.from_dict({**asked.job, "path": files.path})
        make_folder(files.path)
        kept = Kept.at(asked.storage_path) if asked.storage_path else None
        if kept:
            kept.get(files.id, files.checkpoint)
        driver = MailLine(mailbox, line, results.root, files, kept)
        driver.say(begun=ray.get_runtime_context().get_node_id())
        if unlike := differing(job, RunSpec.from_dict(asked.warm)):
            driver.say(unlike=unlike)
        else:
            run_child(driver, job)


def go_to(here: str) -> None:
    """Be where the driver is, if that is here: in a folder that the machines share."""
    with suppress(OSError):
        os.chdir(here)


def differing(job: Job, warm: RunSpec) -> str | None:
    """What is not here as it is with the driver, in one line; None where all is, or the driver does not say."""
    there, here = facts(warm, make_task(warm).prepare()) if job.facts else {}, job.facts
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    if not names:
        return None
    unlike = [f"{name} {there.get(name, 'absent')} there, {here.get(name, 'absent')} here" for name in names]
    where = f"the machine {ray.util.get_node_ip_address()} of the Ray cluster"
    return f"{where} is not like this one: {', '.join(unlike)}; expected the same on both"


def digest_task(warm: dict[str, Any], here: str) -> dict[str, Any]:
    """The digest of a task's data as a node reads them, or why it cannot; see `Asked`."""
    go_to(here)
    try:
        return {"ready": make_task(RunSpec.from_dict(warm)).prepare()}
    except BenchError as error:
        return {"failed": str(error), "exit_code": error.exit_code}
    except Exception as error:  # noqa: BLE001  # a plugin's fault, told in one line
        return {"failed": f"the task's data cannot be read: {one_line(error)}", "exit_code": BenchError.exit_code}
