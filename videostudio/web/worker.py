"""gunicorn's worker class: waitress receives requests and sends answers, threads run Django.

One loop in each process receives whole requests and sends whole answers, for all connections at
once. A thread gets a request when its body is complete, and is free again as soon as Django has
made the answer. So a slow client uses a socket and a temporary file, but no thread.
"""

import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.workers import base
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from videostudio.core import shutdown
from videostudio.web.channel import Channel
from videostudio.web.dispatcher import Dispatcher
from videostudio.web.parser import MAX_BODY_BYTES, MAX_HEAD_BYTES

CONNECTIONS = 2_000  # open at once, for each process
OPEN_FILES = 3 * CONNECTIONS + 500  # a connection's socket, its body and its answer
MAX_BODIES_BYTES = 2_000_000_000  # of all incomplete bodies, in temporary files
SEND_BUFFER = (socket.SOL_SOCKET, socket.SO_SNDBUF, 262_144)  # the kernel's, up to 4 MB by default
FINISH_SECONDS = 25  # for requests that have begun when the process stops
LINGER_SECONDS = 2  # for requests that are on their way when the process stops
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Server(TcpWSGIServer):
    """Serves one listening socket within the loop of `map`."""

    channel_class = Channel
    stopping = False

    def __init__(
        self,
        *,
        application: Callable[..., Any],
        listener: socket.socket,
        map: dict[int, Any],
        dispatcher: Dispatcher,
        backlog: int,
    ) -> None:
        adjustments = Adjustments(
            host="127.0.0.1",  # unused: the socket listens already
            ident="",
            server_name="localhost",
            backlog=backlog,
            connection_limit=CONNECTIONS,
            cleanup_interval=1,
            recv_bytes=65_536,
            inbuf_overflow=65_536,
            outbuf_overflow=1_000_000,
            outbuf_high_watermark=100_000_000,
            max_request_header_size=MAX_HEAD_BYTES,
            max_request_body_size=MAX_BODY_BYTES + 1,  # refused from this size on
            clear_untrusted_proxy_headers=False,  # Django decides (TRUSTED_PROXIES)
            log_socket_errors=False,
        )
        adjustments.socket_options = [*adjustments.socket_options, SEND_BUFFER]
        super().__init__(
            application,
            map,
            _sock=listener,
            dispatcher=dispatcher,
            adj=adjustments,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )

    def maintenance(self, now: float) -> None:
        """Close the connections of clients that do not continue. Called once a second."""
        channels = list(self.active_channels.values())
        for channel in channels:
            if channel.is_overdue(now):
                channel.abort()
        receiving = [each for each in channels if each.request and not each.will_close]
        receiving.sort(key=lambda channel: channel.request.body_bytes_received)
        total = sum(channel.request.body_bytes_received for channel in receiving)
        while total > MAX_BODIES_BYTES:
            largest = receiving.pop()
            total -= largest.request.body_bytes_received
            largest.abort()

    def stop_accepting(self) -> None:
        self.stopping = True
        self.accepting = False
        self.del_channel()
        self.socket.close()


class Worker(base.Worker):
    """A gunicorn worker that serves its sockets with waitress.

    The master forks as soon as it has made this object. Signals that end the new process are
    blocked until it handles them: the master's handlers, which it inherits, would lose them.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)

    def init_signals(self) -> None:
        super().init_signals()
        _unblock_endings()

    def run(self) -> None:
        _allow_open_files(OPEN_FILES)
        self.map: dict[int, Any] = {}
        dispatcher = Dispatcher(self.cfg.threads)
        servers = [
            Server(
                application=self.wsgi,
                listener=each.sock,
                map=self.map,
                dispatcher=dispatcher,
                backlog=self.cfg.backlog,
            )
            for each in self.sockets
        ]
        while self.alive and self.ppid == os.getppid():
            self._serve(1)
        if not self.alive:
            self._drain(servers)
        for server in servers:
            server.stop_accepting()
        self._finish(servers)
        dispatcher.shutdown(1)

    def handle_exit(self, sig: int, frame: Any) -> None:
        shutdown.requested = True
        super().handle_exit(sig, frame)

    def _drain(self, servers: list[Server]) -> None:
        """Serve until load balancers have seen that the health checks answer 503."""
        for server in servers:
            server.stopping = True  # a connection closes after its answer
        end = time.monotonic() + self.cfg.graceful_timeout - FINISH_SECONDS
        while time.monotonic() < end and self.ppid == os.getppid():
            self._serve(0.2)

    def _serve(self, seconds: float) -> None:
        self.notify()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            wasyncore.poll2(left, self.map)

    def _finish(self, servers: list[Server]) -> None:
        """Answer the requests that have begun; each connection closes after its answer."""
        began = time.monotonic()
        while time.monotonic() - began < FINISH_SECONDS:
            channels = [each for server in servers for each in server.active_channels.values()]
            if not channels:
                return
            for server in servers:
                server.maintenance(time.time())
            if time.monotonic() - began > LINGER_SECONDS:
                for channel in channels:
                    channel.will_close = channel.will_close or channel.is_idle()
            self._serve(0.2)


def _unblock_endings() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


os.register_at_fork(after_in_parent=_unblock_endings)


def _allow_open_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        most = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
