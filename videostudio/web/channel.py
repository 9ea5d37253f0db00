"""A client's connection, and how long it may take."""

import socket
import time
from typing import Any

from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer

from videostudio.web.parser import Parser
from videostudio.web.task import DjangoTask, RefusalTask

HEAD_SECONDS = 10  # for the whole head of a request; an idle connection is closed as well
BODY_SECONDS = 30  # without progress
REQUEST_SECONDS = 900  # for the whole request: 60 MB at 70 kB a second
ANSWER_SECONDS = 60  # without progress
SENT_BYTES = 65_536  # read from a file for one call of send

# A client that is still sending its body would lose the answer if the connection was closed at
# once (RFC 9112, 9.6): what it sends is read and thrown away.
DISCARDED_BYTES = 100_000_000
DISCARDING_SECONDS = 30
DISCARDING_IDLE_SECONDS = 2


class Channel(HTTPChannel):
    """`discards` is true if the last answer came before the end of the body."""

    parser_class = Parser
    task_class = DjangoTask
    error_task_class = RefusalTask
    request: Parser | None
    discards = False
    discarding_since = 0.0
    discarded = 0

    def __init__(self, server: BaseWSGIServer, sock: socket.socket, *arguments: Any, **named: Any):
        super().__init__(server, sock, *arguments, **named)
        self.sendbuf_len = SENT_BYTES

    def is_idle(self) -> bool:
        return not self.requests and self.request is None and not self.total_outbufs_len

    def is_overdue(self, now: float) -> bool:
        without_progress = now - self.last_activity
        if self.discarding_since:
            return (
                without_progress > DISCARDING_IDLE_SECONDS
                or now - self.discarding_since > DISCARDING_SECONDS
            )
        if self.total_outbufs_len:
            return without_progress > ANSWER_SECONDS
        if self.requests:
            return False
        request = self.request
        if request is None:
            return without_progress > HEAD_SECONDS
        if not request.headers_finished:
            return now - request.began > HEAD_SECONDS
        return without_progress > BODY_SECONDS or now - request.began > REQUEST_SECONDS

    def readable(self) -> bool:
        return bool(self.discarding_since) or super().readable()

    def writable(self) -> bool:
        return self.will_close if self.discarding_since else bool(super().writable())

    def received(self, data: bytes) -> bool:
        """Take one request; what a client sent after it (pipelining) is dropped, and its answer
        closes the connection, as RFC 9112, 9.3.2, allows.

        waitress would queue all of them. Then their answers could fill its buffers for a client
        that reads nothing, and it would park the thread that answers.
        """
        with self.requests_lock:
            if self.will_close or self.close_when_flushed or self.requests:
                return False
            while data:
                if self.request is None:
                    # waitress skips blank lines one by one, and copies what follows each of them.
                    if not (data := data.lstrip()):
                        break
                    self.request = self.parser_class(self.adj)
                request = self.request
                taken = request.received(data)
                data = data[taken:]
                if request.completed:
                    self.request, self.sent_continue = None, False
                    if data.strip(b"\r\n"):
                        request.headers["CONNECTION"] = "close"
                    self.requests.append(request)
                    self.server.add_task(self)
                    return True
                if request.expect_continue and request.headers_finished:
                    if not self.sent_continue:
                        self.send_continue()
                elif not taken:
                    break
        return True

    def handle_read(self) -> None:
        if not self.discarding_since:
            super().handle_read()
            return
        try:
            data = self.recv(self.adj.recv_bytes)
        except OSError:
            data = b""
        self.last_activity = time.time()
        self.discarded += len(data)
        if not data or self.discarded > DISCARDED_BYTES:
            self.handle_close()

    def handle_close(self) -> None:
        if self.discards and self.connected and not self.discarding_since:
            self.discarding_since = self.last_activity = time.time()
            self.will_close = False
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:
                self.abort()
        else:
            self.abort()

    def abort(self) -> None:
        """Close at once, even if nothing more can be sent (`will_close` waits for that)."""
        self.will_close = True
        super().handle_close()
        if self.request is not None:
            self.request.close()
            self.request = None
