"""A listening socket that web processes inherit, as from deploy/systemd/videostudio-web.socket.

It stays open while they restart, so their requests wait and none is refused.
"""

import socket
from pathlib import Path
from typing import Self

from tests.stack import Stack, until

SERVER = ("-m", "gunicorn", "-c", "python:videostudio.gunicorn", "videostudio.wsgi")
ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""
STARTED = "Booting worker with pid"  # gunicorn's line; the code is loaded


class SharedSocket:
    """Its address becomes an URL of `stack`, which has no web process of its own."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack

    def __enter__(self) -> Self:
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.stack.inherited = (self.listener.fileno(),)
        self.stack.urls.append(f"http://127.0.0.1:{self.listener.getsockname()[1]}")
        return self

    def __exit__(self, *exception: object) -> None:
        self.stack.inherited = ()
        self.listener.close()

    def start_web(self) -> Path:
        """Start a web process and wait until it serves; return its log, its key in the stack."""
        fd = str(self.listener.fileno())
        log = self.stack.start("web", "-c", ACTIVATE, fd, *SERVER)
        self._wait_until_started(log, 0)
        return log

    def restart(self, log: Path) -> None:
        """Restart a web process with the code that is now the stack's, and wait until it serves."""
        before = log.stat().st_size
        self.stack.restart(log)
        self._wait_until_started(log, before)

    def _wait_until_started(self, log: Path, offset: int) -> None:
        started = until(lambda: STARTED in log.read_bytes()[offset:].decode(), seconds=60)
        assert started, f"web does not start\n{self.stack.output()}"
