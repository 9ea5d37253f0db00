"""Which thread runs a request, and how long it keeps its database connection."""

import threading
import time
from functools import partial
from queue import SimpleQueue

import pytest
from django.db import connection, connections

from tests.stack import until
from videostudio.web import dispatcher
from videostudio.web.dispatcher import Dispatcher

pytestmark = pytest.mark.live  # SQLite's database in memory would stay open


class Request:
    """Reads the database, and reports the thread and its connection."""

    def __init__(self, seen, hold=None):
        self.seen, self.hold = seen, hold

    def service(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        self.seen.put((threading.get_ident(), connections["default"]))
        if self.hold:
            self.hold.wait(5)


def is_closed(used):
    return used.connection is None


@pytest.fixture
def threads():
    made = Dispatcher(3)
    yield made
    made.shutdown(5)


@pytest.mark.django_db
class TestThreads:
    def test_one_request_at_a_time_uses_one_thread(self, threads):
        seen: SimpleQueue = SimpleQueue()
        idents = set()
        for _ in range(10):
            threads.add_task(Request(seen))
            idents.add(seen.get(timeout=5)[0])
            time.sleep(0.02)  # until it is idle
        assert len(idents) == 1

    def test_requests_beyond_the_threads_wait(self, threads):
        seen: SimpleQueue = SimpleQueue()
        hold = threading.Event()
        for _ in range(5):
            threads.add_task(Request(seen, hold))
        idents = {seen.get(timeout=5)[0] for _ in range(3)}
        assert len(idents) == 3
        assert seen.empty()
        hold.set()
        assert {seen.get(timeout=5)[0] for _ in range(2)} <= idents

    def test_idle_thread_closes_its_connection_and_goes_on(self, monkeypatch):
        monkeypatch.setattr(dispatcher, "IDLE_SECONDS", 0.2)
        threads = Dispatcher(1)
        seen: SimpleQueue = SimpleQueue()
        for _ in range(2):
            threads.add_task(Request(seen))
            _, used = seen.get(timeout=5)
            assert used.connection is not None
            assert until(partial(is_closed, used), seconds=5)
        threads.shutdown(5)
