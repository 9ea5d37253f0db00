"""Clients that send a request, or read an answer, a few bytes a second."""

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

HEAD = "heads"  # half of a request's head
BODY = "bodies"  # half of an order's body
READER = "readers"  # a video's first bytes
KINDS = (HEAD, BODY, READER)
BODY_BYTES = 2_000_000


@contextlib.contextmanager
def slow_clients(url: str, *, counts: dict[str, int], access: str, video: str) -> Iterator[None]:
    """Keep `counts[kind]` connections of each kind open. `access` is an access token, `video` the
    path of a video that is larger than the buffers of a connection.
    """
    requests = _requests(urlsplit(url).netloc, access, video)
    sockets = [
        (kind, _connect(url, requests[kind]))
        for kind, count in counts.items()
        for _ in range(count)
    ]
    over = threading.Event()
    dripping = threading.Thread(target=_drip, args=(sockets, over))
    dripping.start()
    try:
        yield
    finally:
        over.set()
        dripping.join()
        for _, each in sockets:
            each.close()


def _requests(host: str, access: str, video: str) -> dict[str, bytes]:
    order = (
        f"POST /api/v1/video-jobs HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {access}\r\n"
    )
    json = f"Content-Type: application/json\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    return {
        HEAD: order.encode(),
        BODY: (order + json).encode() + b"x" * (BODY_BYTES // 2),
        READER: f"GET {video} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
    }


def _connect(url: str, request: bytes) -> socket.socket:
    """A connection that has sent as much of `request` as the server takes within a second."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(1)
    parts = urlsplit(url)
    with contextlib.suppress(OSError):  # the server is busy: it counts nonetheless
        connection.connect((parts.hostname, parts.port))
        connection.sendall(request)
    connection.setblocking(False)
    return connection


def _drip(sockets: list[tuple[str, socket.socket]], over: threading.Event) -> None:
    """Once a second each sends one byte more, or reads a thousand."""
    while not over.wait(1):
        for kind, each in sockets:
            with contextlib.suppress(OSError):
                if kind == READER:
                    each.recv(1000)
                else:
                    each.send(b"x")


def is_closed(connection: socket.socket, seconds: float) -> bool:
    """Whether the server closes the connection within `seconds`."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        while (left := end - time.monotonic()) > 0:
            if selector.select(left):
                with contextlib.suppress(BlockingIOError):
                    try:
                        if not connection.recv(65_536):
                            return True
                    except ConnectionError:
                        return True
    return False
