"""The base of the fake servers: a small threaded HTTP/1.1 server with configurable faults."""

import contextlib
import json
import math
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

Json = dict[str, Any]
Match = Callable[[Json], bool]


class Cut(Exception):
    """Close the connection at once; unsent bytes are dropped."""


@dataclass
class Request:
    """One request, body read. `path` is decoded; `connection` is for `Imitation.pause`."""

    method: str
    path: str
    query: dict[str, str]
    headers: Message
    body: bytes
    connection: socket.socket

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
    """Raise this to send this response, from anywhere in a handler."""

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

    Use `with Imitation() as service:` or start/stop. `stop` keeps the service's state, and `start`
    resumes it at the same port, so both together make an outage.
    """

    SUBJECT: ClassVar[str]  # the key of a request's description that `POST /_faults` can search
    STAGES: ClassVar[tuple[str, ...]]  # the first is the default of `POST /_faults`

    def __init__(self, *, port: int = 0, hang_seconds: float = 600) -> None:
        self.port = port
        self.errors: list[str] = []  # tracebacks of bugs in the fake
        self._hang_seconds = hang_seconds
        self._lock = threading.RLock()
        self._rules: list[Rule] = []
        self._stopping = threading.Event()
        self._server: _Server | None = None

    def handle(self, request: Request) -> Answer:
        """Answer one request, or raise Answered or Cut. Each connection has its own thread."""
        raise NotImplementedError

    def snapshot(self, query: dict[str, str]) -> Json:
        """The response of `GET /_records`."""
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
        """Refuse new connections and close the open ones, hanging ones too."""
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
        """Wait; raise Cut as soon as the client disconnects or the server stops."""
        connection = request.connection
        connection.settimeout(seconds or self._hang_seconds)
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
            if request.path == "/_records":
                return Answer.json(self.snapshot(request.query) | {"errors": self.errors})
            if request.path == "/_faults":
                return self._change_faults(request)
            return self.handle(request)
        except Answered as answered:
            return answered.answer
        except Cut:
            raise
        except Exception:  # a bug of ours must not look like the service's response
            self.errors.append(traceback.format_exc())
            return Answer(599, self.errors[-1].encode(), {"Content-Type": "text/plain"})

    def _change_faults(self, request: Request) -> Answer:
        """POST {"fault", "stage", "times" (null = always), "<SUBJECT>_contains"}; DELETE clears."""
        if request.method == "DELETE":
            self.clear_faults()
            return Answer.json({})
        data = request.json()
        part = data.get(f"{self.SUBJECT}_contains", "")
        times = data.get("times", 1)
        self.fail(
            data.get("stage", self.STAGES[0]),
            data["fault"],
            times=math.inf if times is None else times,
            match=lambda subject: part in (subject[self.SUBJECT] or ""),
        )
        return Answer.json({}, status=201)


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
        until = time.monotonic() + 0.8
        while self._open and time.monotonic() < until:
            time.sleep(0.005)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that disconnects is ignored; a bug of ours is recorded."""
        if not isinstance(sys.exception(), OSError):
            self.imitation.errors.append(traceback.format_exc())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536  # headers and a small body are sent in one packet
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """No request log: tests read the records."""

    def _exchange(self) -> None:
        try:
            self._send(self.server.imitation.answer(self._read()))
        except Cut:
            self.close_connection = True

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = dict(parse_qsl(parts.query))
        path = unquote(parts.path)
        return Request(self.command, path, query, self.headers, body, self.connection)

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
