"""A receiver of webhooks on this machine. It keeps what it gets and answers as it is told."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float  # of the monotonic clock


@dataclass
class Receiver:
    """`answer` gets the handler of each request, after its body was read; its `got` is that."""

    url: str = ""
    answer: Callable[[Any], None] = field(default=lambda handler: reply(handler, 204))
    received: list[Received] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def counted(self) -> Iterator[Callable[[], None]]:
        """Counts a request as open until its end, or until the function that it yields is called:
        the client may open the next one while this thread still runs."""
        with self.lock:
            self.open += 1
            self.most_open = max(self.open, self.most_open)
        done: list[bool] = []

        def leave() -> None:
            with self.lock:
                self.open -= not done
                done.append(True)

        try:
            yield leave
        finally:
            leave()


def reply(handler: Any, status: int, headers: dict[str, str] | None = None) -> None:
    handler.leave()
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def slowly(seconds: float, status: int = 204) -> Callable[[Any], None]:
    def answer(handler: Any) -> None:
        time.sleep(seconds)
        reply(handler, status)

    return answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closed its connection is none."""


@contextlib.contextmanager
def receiver(
    *, host: str = "127.0.0.1", wrap: Callable[[Any], Any] | None = None
) -> Iterator[Receiver]:
    """`wrap` makes the listening socket one that speaks TLS."""
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def setup(self) -> None:
            state.connections += 1
            super().setup()

        def do_POST(self) -> None:
            with state.counted() as self.leave:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self.got = Received(self.path, headers, body, time.monotonic())
                state.received.append(self.got)
                state.answer(self)

        def log_message(self, format: str, *args: Any) -> None:
            """Not to the terminal."""

    server = _Server((host, 0), Handler)
    scheme = "http"
    if wrap:
        server.socket = wrap(server.socket)
        scheme = "https"
    state.url = f"{scheme}://{host}:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
