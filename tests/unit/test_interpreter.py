"""An interpreter is begun early, taken once, and never left behind."""

import sys

import pytest

from lstm_bench import interpreter
from lstm_bench.interpreter import SERVER, WRITER, begun, follow, give_back, start, take
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


def test_a_server_is_followed_by_the_next_one_where_studies_follow_each_other() -> None:
    with begun(again=True):
        take(SERVER).close()
        follow(SERVER)
        following = interpreter._begun[SERVER]
        follow(SERVER)  # one is enough
        assert take(SERVER) is following
        following.close()
        follow(SERVER)
        last = interpreter._begun[SERVER]
    assert last.process.poll() is not None
    with begun():
        take(SERVER).close()
        follow(SERVER)
        assert SERVER not in interpreter._begun


@pytest.mark.parametrize("module", [SERVER, WRITER])
def test_one_that_is_told_of_nothing_ends_quietly(module: str) -> None:
    one = start(module)
    one.control.close()
    assert one.process.wait(60) == 0
    one.errors.seek(0)
    assert one.errors.read() == b""


def test_a_server_hears_its_task_when_it_is_ready_to() -> None:
    one = start(SERVER)
    one.control.send(b'{"task": "nowhere"}')
    assert b"unknown task 'nowhere'" in one.control.recv(LONGEST)
    one.close()
