"""What both fake services share: a small threaded HTTP/1.1 server, and faults set in advance."""

import contextlib
import json
import socket
import socketserver
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, unquote, urlsplit

HANG_SECONDS = 600
Json = dict[str, Any]
Match = Callable[[Json], bool]


class Cut(Exception):
    """Close the connection at once, without sending the rest."""


@dataclass
class Request:
    """One request, body read. `path` is decoded; `connection` is for `Imitation.pause`."""

    method: str
    path: str
    headers: Message
    body: bytes
    connection: socket.socket
    query: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass
class Answer:
    """`body` may be an iterable that yields its parts while they are sent; then set `length`."""

    status: int
    body: bytes | Iterable[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    @classmethod
    def json(cls, data: Any, status: int = 200, headers: dict[str, str] | None = None) -> Self:
        kind = {"Content-Type": "application/json; charset=UTF-8"}
        return cls(status, json.dumps(data).encode(), kind | (headers or {}))

    @classmethod
    def html(cls, status: int, title: str) -> Self:
        page = f"<!DOCTYPE html><html><head><title>{title}</title></head><h1>{title}</h1></html>"
        return cls(status, page.encode(), {"Content-Type": "text/html; charset=UTF-8"})


class Answered(Exception):
    """Stop handling the request and send this answer."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


@dataclass(frozen=True)
class Fault:
    """`503`, `hang`, `slow:3`: a name and an optional number."""

    name: str
    argument: float | None = None

    @classmethod
    def of(cls, text: str) -> Self:
        name, _, argument = text.partition(":")
        return cls(name, float(argument) if argument else None)


@dataclass
class Rule:
    stage: str
    fault: Fault
    times: float
    match: Match


class Imitation:
    """A fake service on 127.0.0.1, in threads of this process.

    `with Imitation() as service:` or start/stop. `stop` ends the service and keeps its data;
    `start` brings it back on the same port, so that tests can simulate an outage.
    """

    STAGES: ClassVar[tuple[str, ...]]

    def __init__(self) -> None:
        self.port = 0  # any free port; `start` keeps the one it got
        self.errors: list[str] = []  # tracebacks of errors in this code
        self._lock = threading.RLock()
        self._rules: list[Rule] = []
        self._stopping = threading.Event()
        self._server: _Server | None = None

    def handle(self, request: Request) -> Answer:
        """Answer one request, or raise Answered or Cut. Each connection has its own thread."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._stopping.clear()
        self._server = _Server(self, self.port)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Refuse new connections and cut the open ones."""
        self._stopping.set()
        server, self._server = self._server, None
        if server:
            server.shutdown()
            server.server_close()
            server.cut_all()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def fail(self, stage: str, fault: str, *, times: float = 1, match: Match | None = None) -> None:
        """Apply `fault` to the next `times` requests of `stage` whose description contains
        `match`.
        """
        if stage not in self.STAGES:
            raise ValueError(f"stage must be one of {', '.join(self.STAGES)}")
        rule = Rule(stage, Fault.of(fault), times, match or (lambda subject: True))
        with self._lock:
            self._rules.append(rule)

    def clear_faults(self) -> None:
        with self._lock:
            self._rules.clear()

    def take_fault(self, stage: str, subject: Json) -> Fault | None:
        with self._lock:
            for rule in self._rules:
                if rule.stage == stage and rule.times > 0 and rule.match(subject):
                    rule.times -= 1
                    return rule.fault
        return None

    def pause(self, request: Request, seconds: float | None = None) -> None:
        """Wait; raise Cut once the client has disconnected or the service stops."""
        connection = request.connection
        connection.settimeout(seconds or HANG_SECONDS)
        try:
            gone = not connection.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            gone = False
        except OSError:
            gone = True
        if gone or self._stopping.is_set():
            raise Cut
        connection.settimeout(None)

    def answer(self, request: Request) -> Answer:
        try:
            return self.handle(request)
        except Answered as answered:
            return answered.answer
        except Cut:
            raise
        except Exception:  # must not look like an answer of the real service
            self.errors.append(traceback.format_exc())
            return Answer(599, self.errors[-1].encode(), {"Content-Type": "text/plain"})


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Not http.server.HTTPServer, which looks up its own host name; that can take seconds."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024

    def __init__(self, imitation: Imitation, port: int) -> None:
        self.imitation = imitation
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self._open.discard(request)

    def cut_all(self) -> None:
        """Close every connection and wait briefly for their threads."""
        for connection in self._open.copy():
            with contextlib.suppress(OSError):  # the client has closed it already
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 0.8
        while self._open and time.monotonic() < deadline:
            time.sleep(0.005)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that disconnects is no error; an error in this code is kept."""
        if not isinstance(sys.exception(), OSError):
            self.imitation.errors.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536  # headers and a small body are sent in one packet
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: tests read the records."""

    def _exchange(self) -> None:
        try:
            self._send(self.server.imitation.answer(self._read()))
        except Cut:
            self.close_connection = True

    def _read(self) -> Request:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), dict(parse_qsl(parts.query))
        return Request(self.command, path, self.headers, body, self.connection, query)

    def _send(self, answer: Answer) -> None:
        length = answer.length
        if length is None:
            length = len(answer.body) if isinstance(answer.body, bytes) else 0
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            for piece in _pieces(answer.body):
                self.wfile.write(piece)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT = _exchange


def _pieces(body: bytes | Iterable[bytes]) -> Iterator[bytes]:
    return iter((body,) if isinstance(body, bytes) else body)
