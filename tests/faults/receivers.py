"""The faults of webhooks' receivers, and the table of their results.

`python -m pytest tests/faults/test_receivers.py --write-faults` writes the table.
"""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from tests.receiver import reply, slowly

FILE = Path(__file__).parents[2] / "docs" / "receivers.md"
INTRODUCTION = """\
# Faults of webhook receivers
The result of one try to deliver an event, for each fault of the customer's server. The tests in
`tests/faults` cause each fault with a real server and compare the result with this table, which
`python -m pytest tests/faults/test_receivers.py --write-faults` writes. Their time-out is one
second; in the service it is 15 seconds.

| fault | delivery | last status | last error | next try after | webhook |
|---|---|---|---|---|---|
"""


class Fault(NamedTuple):
    name: str
    answer: Callable[[Any], None] = lambda handler: reply(handler, 204)
    url: str = ""  # the webhook's, if it is not the receiver's


def status(code: int, **headers: str) -> Callable[[Any], None]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: reply(handler, code, sent)


def endless(handler: Any) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 1000)


def dripping(handler: Any) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 30:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.1)


def reset(handler: Any) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


FAULTS = [
    Fault("none: 204", status(204)),
    Fault("200 after the time-out", slowly(1.5, status=200)),
    Fault("500", status(500)),
    Fault("301", status(301, Location="https://example.com/")),
    Fault("410", status(410)),
    Fault("429 with `Retry-After: 120`", status(429, Retry_After="120")),
    Fault("connection closed without an answer", reset),
    Fault("200 with a body without end", endless),
    Fault("headers that arrive byte by byte", dripping),
    Fault("a certificate of an unknown authority", url="https://127.0.0.1:{secure}/"),
    Fault("a name that does not resolve", url="https://nowhere.example.com/"),
    Fault("a name that resolves to a private address", url="https://inside.example.com/"),
    Fault("nobody listens", url="http://127.0.0.1:9/"),
]
