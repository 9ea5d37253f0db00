"""Send HTTP requests over a few connections, with little CPU of its own.

    python -m bench.speed.client < plans > figures

Each input line is a plan in JSON, each output line its figures (see `drive`). It uses one thread,
plain sockets and prepared requests, and reads only the end of each response: about 0.05 ms a
request. It connects to this machine only.
"""

import json
import re
import select
import socket
import sys
import time
from itertools import cycle
from typing import Any

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATIENCE = 30  # seconds for the last answers


class Line:
    """A persistent connection that sends the requests of `script` in a loop."""

    def __init__(self, port: int, script: list[str]) -> None:
        self.port = port
        self.script = cycle([request.encode("latin-1") for request in script])
        self.socket = self._connect()

    def send(self) -> None:
        self.request = next(self.script)
        self._begin()

    def receive(self) -> int:
        """The status of the response if it is complete, else 0."""
        piece = self.socket.recv(262_144)
        if not piece:
            raise ConnectionResetError
        self.answer += piece
        end = self.answer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        length = LENGTH.search(self.answer, 0, end + 2)
        whole = end + 4 + (int(length[1]) if length else 0)
        return int(self.answer[9:12]) if len(self.answer) >= whole else 0

    def send_again(self) -> None:
        """Send again on a new connection, since a server may close a persistent one at any time."""
        self.socket.close()
        self.socket = self._connect()
        self._begin()

    def _begin(self) -> None:
        self.answer = b""
        self.began = time.perf_counter()
        self.socket.sendall(self.request)

    def _connect(self) -> socket.socket:
        connected = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected


def drive(*, port: int, scripts: list[list[str]], seconds: float, status: int) -> dict[str, Any]:
    """Keep one request in flight on every connection for `seconds`; an unexpected status stops
    it.
    """
    lines: dict[int, Line] = {}
    ready = select.epoll()

    def listen(line: Line) -> None:
        lines[line.socket.fileno()] = line
        ready.register(line.socket, select.EPOLLIN)

    took: list[float] = []
    again = 0
    began = time.perf_counter()
    for script in scripts:
        line = Line(port, script)
        line.send()
        listen(line)
    while lines:
        if time.perf_counter() > began + seconds + PATIENCE:
            raise TimeoutError(f"{len(lines)} answers did not come")
        for number, _ in ready.poll(1):
            line = lines[number]
            try:
                got = line.receive()
            except ConnectionResetError:
                again += 1
                del lines[number]  # the closed socket is no longer in `ready`
                line.send_again()
                listen(line)
                continue
            if not got:
                continue
            if got != status:
                raise RuntimeError(line.answer.decode(errors="replace")[:2_000])
            now = time.perf_counter()
            took.append(now - line.began)
            if now < began + seconds:
                line.send()
            else:
                del lines[number]
                line.socket.close()
    return _figures(sorted(took), time.perf_counter() - began) | {"again": again}


def _figures(took: list[float], seconds: float) -> dict[str, float]:
    parts = {f"p{part}": took[len(took) * part // 100] * 1000 for part in (50, 95, 99)}
    return {"requests": len(took), "seconds": seconds, "rate": len(took) / seconds} | parts


if __name__ == "__main__":
    for plan in sys.stdin:
        before = time.process_time()
        figures = drive(**json.loads(plan))
        print(json.dumps(figures | {"client": 1000 * (time.process_time() - before)}), flush=True)
