"""An interpreter is begun early, taken once, and never left behind."""

import json
import os
import signal
import socket
import sys

import pytest
from shell import descendants, gone_in_time

from lstm_bench import interpreter
from lstm_bench.execute import spec_of
from lstm_bench.interpreter import SERVER, WRITER, begun, give_back, start, take
from lstm_bench.pool import nursery
from lstm_bench.pool.nursery import NurseryDiedError, WarmServer
from lstm_bench.pool.server import LONGEST

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a warm server forks")


def test_the_one_begun_is_taken_first_and_no_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(interpreter, "start", lambda module: made.append((module, start(module))) or made[-1][1])
    with begun():
        one, other, writer = take(SERVER), take(SERVER), take(WRITER)
    assert made == [(SERVER, one), (WRITER, writer), (SERVER, other)]
    for mine in (one, other, writer):
        assert mine.process.poll() is None, "who takes it ends it"
        mine.close()


def test_nobody_having_taken_it_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr(interpreter, "start", lambda module: made.append(start(module)) or made[-1])
    with pytest.raises(RuntimeError, match="misuse"), begun():
        raise RuntimeError("misuse")
    assert [one.process.poll() is None for one in made] == [False, False]
    assert interpreter._begun == {}


def test_one_that_is_given_back_is_taken_next_and_ends_where_nobody_will() -> None:
    with begun():
        one = take(WRITER)
        give_back(WRITER, one)
        assert take(WRITER) is one
        give_back(WRITER, one)
        other = start(WRITER)
        give_back(WRITER, other)  # one is enough
        assert other.process.poll() is not None
        assert one.process.poll() is None
    assert one.process.poll() is not None
    late = start(WRITER)
    give_back(WRITER, late)
    assert late.process.poll() is not None


def test_what_one_printed_is_gone_once_it_is_given_back() -> None:
    with begun():
        one = take(WRITER)
        one.errors.write(b"\nfirst\n \nlast\n")
        one.errors.flush()
        assert one.words() == ["first", "last"]
        give_back(WRITER, one)
        assert take(WRITER).words() == []
        one.close()


@pytest.mark.parametrize("module", [SERVER, WRITER])
def test_one_that_is_told_of_nothing_ends_quietly(module: str) -> None:
    one = start(module)
    one.control.close()
    assert one.process.wait(60) == 0
    one.errors.seek(0)
    assert one.errors.read() == b""


def test_a_server_hears_one_task_after_the_other() -> None:
    one = start(SERVER)
    for task in ("nowhere", "nobody"):
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(one.control, [json.dumps({"task": task}).encode()], [theirs.fileno()])
        theirs.close()
        assert f"unknown task '{task}'" in json.loads(control.recv(LONGEST))["failed"]
        assert json.loads(one.control.recv(LONGEST)) == {"over": True}
        assert control.recv(LONGEST) == b""
        control.close()
    one.close()


def test_the_next_study_takes_the_server_of_the_last_one() -> None:
    warm, _ = spec_of({"task": "copy"}, {})
    with begun():
        first = WarmServer(warm)
        digest = first.warm_up()
        first.close()
        second = WarmServer(warm)
        assert second._interpreter is first._interpreter
        assert second.warm_up() == digest
        (server,) = descendants(second._interpreter.process.pid)
        os.kill(server, signal.SIGTERM)
        with pytest.raises(NurseryDiedError, match="SIGTERM"):
            second.ended(second.waitables()[0])
        second.close()
        third = WarmServer(warm)
        assert third._interpreter is not first._interpreter
        third.close()


def test_a_server_that_does_not_end_is_ended_with_all_that_it_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nursery, "PATIENCE", 0.3)
    warm, _ = spec_of({"task": "copy"}, {})
    with begun():
        one = WarmServer(warm)
        one.warm_up()
        (server,) = descendants(one._interpreter.process.pid)
        os.kill(server, signal.SIGSTOP)
        one.close()
        assert one._interpreter.process.poll() is not None
        assert SERVER not in interpreter._begun
    assert gone_in_time({server}, 3)
