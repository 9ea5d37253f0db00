"""A proxy in front of a `Stack`, which breaks the requests that a test names.

    with Proxy(studio.url) as proxy:
        proxy.once("POST /api/v1/video-jobs", lose_answer)
        ...                          # a client that uses proxy.url
        assert not proxy.planned     # that request came

Each request has a connection of its own to the client and to the service.
"""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    missing: int = 0  # bytes at the end of the body that are not sent


Forward = Callable[[Request], Answer | None]  # None if the service does not answer
Action = Callable[[Request, Forward], Answer | None]  # None closes the connection


def drop(request: Request, forward: Forward) -> None:
    """The connection breaks before the service gets the request."""


def lose_answer(request: Request, forward: Forward) -> None:
    """The service does what the request says, and the connection breaks."""
    forward(request)


def cut_answer(request: Request, forward: Forward) -> Answer | None:
    """The connection breaks in the middle of the answer."""
    answer = forward(request)
    return answer and replace(answer, missing=len(answer.body) // 2)


def bad_gateway(request: Request, forward: Forward) -> Answer:
    """The page of a proxy that does not reach the service."""
    return Answer(502, {"Content-Type": "text/html"}, b"<html><h1>502 Bad Gateway</h1></html>")


def hang(request: Request, forward: Forward) -> None:
    """No answer for longer than a client of the tests waits (ten seconds)."""
    forward(request)
    time.sleep(12)


@dataclass
class Proxy:
    target: str
    planned: list[tuple[str, Action]] = field(default_factory=list)
    seen: list[tuple[str, int]] = field(default_factory=list)  # requests, and their statuses

    def __enter__(self) -> Self:
        self.server = _Server(("127.0.0.1", 0), self)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def once(self, prefix: str, action: Action) -> None:
        """Do that to the next request that begins so ("GET /media/")."""
        self.planned.append((prefix, action))

    def answer(self, request: Request) -> Answer | None:
        name = f"{request.method} {request.path}"
        action = self._action(name)
        answer = action(request, self.forward) if action else self.forward(request)
        self.seen.append((name, answer.status if answer else 0))
        return answer

    def forward(self, request: Request) -> Answer | None:
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=30)
        headers = {name: value for name, value in request.headers.items() if name != "connection"}
        try:
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def _action(self, name: str) -> Action | None:
        for planned in self.planned:
            if name.startswith(planned[0]):
                self.planned.remove(planned)
                return planned[1]
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, address: tuple[str, int], proxy: Proxy) -> None:
        super().__init__(address, _Handler)
        self.proxy = proxy


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.proxy.answer(Request(self.command, self.path, headers, body))
        if answer:
            with contextlib.suppress(ConnectionError):  # the client has gone
                self._send(answer)
        self.close_connection = True
        return False  # nothing is left to handle

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body[: len(answer.body) - answer.missing])
