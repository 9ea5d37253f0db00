"""The threads that run Django, and their database connections."""

import logging
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue

from django.db import connections
from waitress.channel import HTTPChannel

IDLE_SECONDS = 30

logger = logging.getLogger("gunicorn.error")
Inbox = SimpleQueue[HTTPChannel | None]


class Dispatcher:
    """Gives each task to the thread that became idle last, or to the first that becomes idle.

    So little traffic uses few threads, and the others close their database connections after
    IDLE_SECONDS.
    """

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._idle: list[Inbox] = []
        self._waiting: deque[HTTPChannel | None] = deque()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def add_task(self, task: HTTPChannel | None) -> None:
        """Run `task.service()` in a thread. None ends a thread."""
        with self._lock:
            if self._idle:
                self._idle.pop().put(task)
            else:
                self._waiting.append(task)

    def shutdown(self, seconds: float) -> None:
        """End the threads; those that are still busy after `seconds` end with the process."""
        for _ in self._threads:
            self.add_task(None)
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        inbox: Inbox = SimpleQueue()
        while (task := self._next(inbox)) is not None:
            try:
                task.service()
            except Exception:
                logger.exception("a request failed outside Django")
        connections.close_all()

    def _next(self, inbox: Inbox) -> HTTPChannel | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._idle.append(inbox)
        try:
            return inbox.get(timeout=IDLE_SECONDS)
        except Empty:
            connections.close_all()
            return inbox.get()
