"""A door in front of a web server that goes wrong on demand: a proxy whose faults are switched while it runs."""

import base64
import random
import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

HOST = "127.0.0.1"
# NNN_before answers that status and forwards nothing; NNN_after forwards first: the server HAS done it.
STATUS = re.compile(r"(\d{3})_(before|after)")
WORDS = {
    "ok",  # forwards, and gives the answer
    "refuse",  # does not listen
    "drop",  # forwards nothing, and closes the connection without an answer
    "drop_after",  # forwards, and closes the connection without an answer
    "hang",  # forwards nothing, and says nothing until it is told something else; then it closes the connection
    "hang_after",  # forwards, and then likewise
    "slow",  # forwards, and gives the answer some seconds later
    "mix",  # one of several faults by chance
}
OF_ALL = {"refuse", "mix"}  # what no single request can meet with
MIXED = ("500_before", "500_after", "503_before", "drop", "drop_after")
OF_ONE_CONNECTION = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "host",
    "proxy-connection",
    "te",
}


@dataclass(frozen=True, slots=True)
class Mode:
    """How requests are met. See `Faulty.be`."""

    name: str = "ok"
    only: str = ""
    seconds: float = 0.0
    probability: float = 0.0
    faults: Sequence[str] = ()
    chance: random.Random = field(default_factory=random.Random)


class Faulty:
    """A proxy in front of `target`. Use as a context; it listens on the same port as long as that lasts.

    Args:
        target: the address of the server behind it, such as `http://127.0.0.1:5000`.
        login: user and password that it asks for (HTTP basic authentication), or nobody is asked.
    """

    def __init__(self, target: str, login: tuple[str, str] | None = None) -> None:
        self.target = target
        self.counts: Counter[tuple[str, str]] = Counter()  # requests by path, without its query, and what was done
        self._login = "Basic " + base64.b64encode(":".join(login).encode()).decode() if login else None
        self._mode, self._left = Mode(), 0
        self._told = threading.Condition()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *exception: object) -> None:
        self.be("refuse")  # what hangs is let go, too

    @property
    def address(self) -> str:
        """Where clients find it, whatever its mode."""
        return f"http://{HOST}:{self._port}"

    def be(
        self,
        mode: str,
        *,
        only: str = "",
        times: int | None = None,
        seconds: float = 0.0,
        probability: float = 0.5,
        faults: Sequence[str] = MIXED,
        seed: int = 0,
    ) -> None:
        """Meet requests in another way from now on; what hangs or is slow ends at once.

        Args:
            mode: one of `WORDS`, or such as `500_before`, `403_after`.
            only: requests whose path holds this; the others go through.
            times: so many faults, and what comes after them goes through.
            seconds: of waiting, where it is `slow`.
            probability: that a request meets with a fault, where it is a `mix`.
            faults: of a `mix`, each as likely.
            seed: of a `mix`; requests that come one after another meet the same faults again.
        """
        for name, known in ((mode, WORDS), *((fault, WORDS - OF_ALL) for fault in faults)):
            if name not in known and not STATUS.fullmatch(name):
                raise ValueError(f"{name!r}: expected one of {', '.join(sorted(known))}, or such as 500_before")
        with self._told:
            self._mode = Mode(mode, only, seconds, probability, faults, random.Random(seed))
            self._left = -1 if times is None else times
            self._told.notify_all()
        if mode == "refuse":
            self._close()
        else:
            self._listen()

    def requests(self, path: str = "", mode: str = "") -> int:
        """How many have come whose path holds `path`, and with which `mode` was done; all where they are empty."""
        with self._told:
            found = list(self.counts.items())
        return sum(count for (at, done), count in found if path in at and mode in ("", done))

    def meet(self, path: str, login: str | None) -> tuple[str, Mode]:
        """What is to be done with a request, which is counted; and the mode that says so."""
        with self._told:
            mode = self._mode
            done = mode.name if mode.only in path and self._left else "ok"
            if done == "mix":
                done = mode.chance.choice(mode.faults) if mode.chance.random() < mode.probability else "ok"
            if self._login and login != self._login:
                done = "401_before"
            elif done != "ok":
                self._left -= 1
            self.counts[path, done] += 1
            return done, mode

    def wait(self, mode: Mode, seconds: float | None = None) -> None:
        """Return when the mode is no longer this one, or after some seconds."""
        with self._told:
            self._told.wait_for(lambda: self._mode is not mode, seconds)

    def _listen(self) -> None:
        if self._server is None:
            proxy = self

            class Handler(_Handler):
                faulty = proxy

            self._server = ThreadingHTTPServer((HOST, self._port), Handler)
            self._port = self._server.server_port
            threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Handler(BaseHTTPRequestHandler):
    """One request. Each has a connection of its own, so that a mode holds from the next request on."""

    faulty: Faulty

    def _handle(self) -> None:
        self.close_connection = True
        body = self._body()
        done, mode = self.faulty.meet(urlsplit(self.path).path, self.headers.get("Authorization"))
        status = STATUS.fullmatch(done)
        forwards = status[2] == "after" if status else done in ("ok", "slow", "drop_after", "hang_after")
        answer = self._forwarded(body) if forwards else None
        if done in ("hang", "hang_after"):
            self.faulty.wait(mode)
        elif status:
            wanted = {"WWW-Authenticate": 'Basic realm="faulty"'} if status[1] == "401" else {}
            self._answer(int(status[1]), {"Content-Type": "text/plain", **wanted}, f"the proxy says {done}\n".encode())
        elif answer and done in ("ok", "slow"):
            if done == "slow":
                self.faulty.wait(mode, mode.seconds)
            self._answer(*answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  # as http.server wants them

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _forwarded(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """What the server behind it answers, or 502 where there is none."""
        server = HTTPConnection(urlsplit(self.faulty.target).netloc, timeout=60)
        try:
            server.request(self.command, self.path, body, _end_to_end(self.headers))
            found = server.getresponse()
            return found.status, _end_to_end(found.headers), found.read()
        except (OSError, HTTPException) as error:
            return 502, {"Content-Type": "text/plain"}, f"no server behind the proxy: {error}\n".encode()
        finally:
            server.close()

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            pass  # the client has gone

    def log_message(self, *_: Any) -> None:
        """Say nothing on the screen."""


def _end_to_end(headers: Any) -> dict[str, str]:
    """The headers that are not of one connection alone."""
    return {name: value for name, value in headers.items() if name.lower() not in OF_ONE_CONNECTION}
