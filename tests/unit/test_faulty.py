import base64
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.client import HTTPConnection, RemoteDisconnected
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from faulty import Faulty
from made import curve, log_all, make_study

from lstm_bench.record.files import Results
from lstm_bench.record.index import Index
from lstm_bench.result import Reading, Status
from lstm_bench.task import Goal


class Plain(ThreadingHTTPServer):
    """A server that keeps what reaches it, and answers with it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.reached: list[tuple[str, str, bytes]] = []
        self.headers: dict[str, str] = {}


class Echo(BaseHTTPRequestHandler):
    server: Plain

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.reached.append((self.command, self.path, body))
        self.server.headers = dict(self.headers)
        self.send_response(418 if self.path == "/odd" else 200)
        self.send_header("X-Kept", "yes")
        self.send_header("Content-Length", str(len(body) + 2))
        self.end_headers()
        self.wfile.write(b"<" + body + b">")

    do_GET = do_DELETE = do_POST  # noqa: N815  # as http.server wants them

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Plain]:
    with Plain() as found:
        threading.Thread(target=found.serve_forever, args=(0.01,), daemon=True).start()
        yield found
        found.shutdown()


@pytest.fixture
def proxy(server: Plain) -> Iterator[Faulty]:
    with Faulty(f"http://127.0.0.1:{server.server_port}") as found:
        yield found


def ask(
    proxy: Faulty, path: str = "/a", body: bytes = b"x", method: str = "POST", timeout: float = 5.0, **headers: str
):
    """The status and body that a client gets."""
    client = HTTPConnection(urlsplit(proxy.address).netloc, timeout=timeout)
    try:
        client.request(method, path, body, headers)
        answer = client.getresponse()
        return answer.status, answer.read()
    finally:
        client.close()


def test_what_is_not_faulty_goes_through_whole(proxy: Faulty, server: Plain) -> None:
    assert ask(proxy, "/a?b=c", b"\x00" * 200_000) == (200, b"<" + b"\x00" * 200_000 + b">")
    assert ask(proxy, "/odd", b"", "GET", Accept="text/odd") == (418, b"<>")
    assert server.headers["Accept"] == "text/odd"
    assert ask(proxy, "/a", b"x", "DELETE") == (200, b"<x>")
    assert [found[:2] for found in server.reached] == [
        ("POST", "/a?b=c"), ("GET", "/odd"), ("DELETE", "/a"),
    ]  # fmt: skip


def test_a_body_that_comes_in_pieces_arrives_whole(proxy: Faulty, server: Plain) -> None:
    client = HTTPConnection(urlsplit(proxy.address).netloc, timeout=5)
    client.request("POST", "/a", iter([b"one", b"two"]), encode_chunked=True)
    assert client.getresponse().read() == b"<onetwo>"
    client.close()
    assert server.reached == [("POST", "/a", b"onetwo")]


def test_before_the_server_has_not_done_it_and_after_it_has(proxy: Faulty, server: Plain) -> None:
    for status in (500, 403, 503):
        proxy.be(f"{status}_before")
        assert ask(proxy)[0] == status
    assert server.reached == []
    for number, status in enumerate((500, 502), 1):
        proxy.be(f"{status}_after")
        assert ask(proxy) == (status, f"the proxy says {status}_after\n".encode())
        assert len(server.reached) == number


def test_a_dropped_request_is_not_answered(proxy: Faulty, server: Plain) -> None:
    for mode, reached in (("drop", 0), ("drop_after", 1)):
        proxy.be(mode)
        with pytest.raises(RemoteDisconnected):
            ask(proxy)
        assert len(server.reached) == reached


def test_a_proxy_that_refuses_does_not_listen_and_then_listens_where_it_did(proxy: Faulty, server: Plain) -> None:
    address = proxy.address
    proxy.be("refuse")
    with pytest.raises(ConnectionRefusedError):
        ask(proxy)
    proxy.be("ok")
    assert proxy.address == address
    assert ask(proxy) == (200, b"<x>")
    assert (proxy.requests(), len(server.reached)) == (1, 1)


@pytest.mark.parametrize(("mode", "reached"), [("hang", 0), ("hang_after", 1)])
def test_what_hangs_says_nothing_until_the_mode_changes(proxy: Faulty, server: Plain, mode: str, reached: int) -> None:
    proxy.be(mode)
    with pytest.raises(TimeoutError):
        ask(proxy, timeout=0.1)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, proxy, timeout=30)
        while proxy.requests() < 2:
            time.sleep(0.01)
        assert not waiting.done()
        proxy.be("ok")
        assert isinstance(waiting.exception(10), RemoteDisconnected)
    assert ask(proxy) == (200, b"<x>")
    assert len(server.reached) == 2 * reached + 1


def test_a_proxy_that_is_left_lets_go_of_what_hangs(server: Plain) -> None:
    with ThreadPoolExecutor() as pool:
        with Faulty(f"http://127.0.0.1:{server.server_port}") as proxy:
            proxy.be("hang")
            waiting = pool.submit(ask, proxy, timeout=30)
            while not proxy.requests():
                time.sleep(0.01)
        assert isinstance(waiting.exception(10), RemoteDisconnected)


def test_a_slow_answer_comes_late_or_when_the_mode_changes(proxy: Faulty, server: Plain) -> None:
    proxy.be("slow", seconds=0.2)
    begun = time.monotonic()
    assert ask(proxy) == (200, b"<x>")
    assert time.monotonic() - begun >= 0.2
    proxy.be("slow", seconds=1000)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(ask, proxy, timeout=30)
        while len(server.reached) < 2:
            time.sleep(0.01)
        proxy.be("ok")
        assert waiting.result(10) == (200, b"<x>")


def test_a_mix_is_the_same_for_the_same_seed_and_fails_as_often_as_it_is_told(proxy: Faulty) -> None:
    def answers(seed: int, probability: float) -> list[int]:
        proxy.be("mix", probability=probability, faults=["500_before", "503_before"], seed=seed)
        return [ask(proxy)[0] for _ in range(60)]

    first = answers(1, 0.5)
    assert answers(1, 0.5) == first
    assert answers(2, 0.5) != first
    assert {200, 500, 503} == set(first)
    assert first.count(200) in range(15, 46)
    assert set(answers(1, 0.0)) == {200}
    assert set(answers(1, 1.0)) == {500, 503}


def test_requests_are_counted_by_path_and_by_what_was_done(proxy: Faulty) -> None:
    ask(proxy, "/runs/create?x=1")
    proxy.be("500_before")
    ask(proxy, "/runs/create")
    ask(proxy, "/runs/log-batch")
    assert proxy.counts == {
        ("/runs/create", "ok"): 1, ("/runs/create", "500_before"): 1, ("/runs/log-batch", "500_before"): 1,
    }  # fmt: skip
    found = [proxy.requests(), proxy.requests("create"), proxy.requests(mode="500_before"), proxy.requests("log", "ok")]
    assert found == [3, 2, 2, 0]


def test_a_fault_can_be_of_some_paths_and_of_some_times_alone(proxy: Faulty) -> None:
    proxy.be("500_after", only="create", times=2)
    answers = [ask(proxy, path)[0] for path in ("/log", "/create", "/log", "/create", "/create")]
    assert answers == [200, 500, 200, 500, 200]
    proxy.be("500_after", times=0)
    assert ask(proxy)[0] == 200
    proxy.be("mix", probability=0.5, times=3, faults=["500_before"])
    assert [ask(proxy)[0] for _ in range(40)].count(500) == 3


def test_who_does_not_log_in_gets_nothing(server: Plain) -> None:
    right, wrong = (base64.b64encode(f"me:{word}".encode()).decode() for word in ("secret", "guess"))
    with Faulty(f"http://127.0.0.1:{server.server_port}", login=("me", "secret")) as proxy:
        assert ask(proxy)[0] == 401
        assert ask(proxy, Authorization=f"Basic {wrong}")[0] == 401
        assert server.reached == []
        assert ask(proxy, Authorization=f"Basic {right}") == (200, b"<x>")
        assert proxy.requests(mode="401_before") == 2
        proxy.be("500_before", times=1)
        assert [ask(proxy)[0], ask(proxy, Authorization=f"Basic {right}")[0]] == [401, 500]


def test_without_a_server_behind_it_the_gateway_is_bad(server: Plain) -> None:
    with Faulty(f"http://127.0.0.1:{server.server_port}") as proxy:
        server.shutdown()
        server.server_close()
        assert ask(proxy)[0] == 502


@pytest.mark.parametrize("wrong", ["500", "before", "hangs", "5000_before", "500_beforehand", ""])
def test_an_unknown_mode_is_refused(proxy: Faulty, wrong: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        proxy.be(wrong)
    with pytest.raises(ValueError, match="expected one of"):
        proxy.be("mix", faults=[wrong])


@pytest.mark.parametrize("of_all", ["refuse", "mix"])
def test_no_single_request_of_a_mix_meets_with_what_is_of_all(proxy: Faulty, of_all: str) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        proxy.be("mix", faults=[of_all])


def test_many_clients_at_once_are_all_counted(proxy: Faulty, server: Plain) -> None:
    proxy.be("mix", probability=0.5, faults=["500_before", "500_after"])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: ask(proxy, f"/{n}")[0], range(100)))
    assert proxy.requests() == 100
    assert proxy.requests(mode="ok") == answers.count(200)
    assert len(server.reached) == 100 - proxy.requests(mode="500_before")


GOAL = Goal("accuracy", maximize=True)


def digest(results: Results) -> str:
    """Of all files of a folder, with their places in it."""
    found = sha256()
    for path in sorted(path for path in results.root.rglob("*") if path.is_file()):
        found.update(f"{path.relative_to(results.root)}\n".encode() + path.read_bytes())
    return found.hexdigest()


def test_readings_made_in_one_go_are_those_that_a_run_writes(results: Results) -> None:
    readings = list(curve(GOAL, 20, 12, 10**12, random.Random(1)))
    readings.append(Reading(7, 8, 9, 0.1, 10**12, {"train/loss": float("nan"), "valid/é": float("inf")}))
    one, other = results.run("one"), results.run("other")
    for files in (one, other):
        files.path.mkdir(parents=True)
    for reading in readings:
        one.log(reading)
    log_all(other, readings)
    assert (one.path / "readings.jsonl").read_bytes() == (other.path / "readings.jsonl").read_bytes()
    assert {len(reading.metrics) for reading in readings[:-1]} == {12}


def test_a_made_study_is_one_that_the_readers_take(results: Results) -> None:
    files = make_study(results, "first", trials=10, readings=6, metrics=9, seeds=2, confirm_seeds=3, confirm_top=2)
    assert [study.name for study in results.studies()] == ["first"]
    assert files.asked["trials"] == 10
    ends = [trial.status for trial in files.trials]
    assert ends.count(Status.FINISHED) == 7
    assert {*ends} == {Status.FINISHED, Status.PRUNED, Status.CRASHED, None}  # a killed one is taken up again
    board = files.board
    assert board is not None
    assert (len(board["contenders"]), len(board["confirmed"]["scores"]), board["ended"]) == (2, 3, "finished")
    assert all(len(one["fresh"]["seeds"]) == 3 for one in board["contenders"])
    for line in files.lines:
        run = results.run(line.run)
        assert run.result is not None
        assert (run.spec.seed, run.result.status) == (line.seed, line.status)
        assert run.spec.model.hidden == line.settings["model.hidden"]
        assert {len(reading.metrics) for reading in run.readings} == {9}
        assert line.status is None or not line.status.complete or len(run.readings) == 6
        assert run.checkpoint.exists() == (line.status is Status.KILLED)
    best = files.lines[0]
    assert Index(results).find(results.run(best.run).machine["fingerprint"], best.seed) == best.run


def test_a_made_study_is_the_same_for_the_same_seed(tmp_path) -> None:
    found = []
    for number, seed in enumerate((1, 1, 2)):
        results = Results(tmp_path / str(number))
        make_study(results, "first", trials=3, readings=3, seed=seed)
        found.append(digest(results))
    assert found[0] == found[1] != found[2]


def test_two_made_studies_share_no_run(results: Results) -> None:
    one, other = (make_study(results, name, trials=3, readings=3) for name in ("one", "other"))
    assert not {line.run for line in one.lines} & {line.run for line in other.lines}
    assert one.asked["id"] != other.asked["id"]
