"""Restarts and migrations under load, on real servers."""

import contextlib
import functools
import itertools
import signal
import subprocess
import sys
import threading
import time

import psycopg
import pytest
import requests

from tests.client import ApiClient
from tests.postgres import free_port
from tests.shared_socket import SharedSocket
from tests.stack import until

pytestmark = pytest.mark.live


class Balancer:
    """Gives requests to the web processes in turn, without those whose /healthz fails."""

    def __init__(self, urls):
        self.urls, self.healthy = urls, set(urls)
        self.turns = itertools.count()

    def probe(self):
        for url in self.urls:
            healthy = False
            with contextlib.suppress(requests.ConnectionError):
                healthy = ApiClient(url).get("/healthz").status_code == 200
            (self.healthy.add if healthy else self.healthy.discard)(url)

    def next(self):
        healthy = sorted(self.healthy)
        return healthy[next(self.turns) % len(healthy)]


@contextlib.contextmanager
def repeated(action, pause=0.0):
    """Call `action` in a thread until the block ends; an exception ends the test."""
    over, errors = threading.Event(), []

    def repeat():
        try:
            while not over.wait(pause):
                action()
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not errors


@contextlib.contextmanager
def load(user, url_of):
    """A client that orders and reads. The block gets the statuses of the answers."""
    statuses = []

    def ask():
        client = ApiClient(url_of(), user.headers["Authorization"][7:])
        statuses.append(client.create(prompt="A lighthouse").status_code)
        statuses.append(client.get("/api/v1/video-jobs").status_code)

    with repeated(ask, 0.05):
        yield statuses
    assert set(statuses) <= {202, 200, 429}, statuses
    assert {202, 200} <= set(statuses)


def is_stopping(url):
    return ApiClient(url).get("/readyz").status_code == 503


def listed(url):
    """The number of processes alive, and the names of those silent, by kind."""
    found = ApiClient(url).get("/readyz").json()["processes"]
    return {kind: (each["alive"], each["silent"]) for kind, each in found.items()}


def more_than(statuses, number):
    return lambda: len(statuses) > number


def test_webs_behind_a_load_balancer_restart_in_turn_without_a_failed_request(stack):
    running = stack(webs=2, env={"WEB_DRAIN_SECONDS": "6"})
    alice = running.user("alice", tokens=1_000_000)
    balancer = Balancer(running.urls)
    webs = [log for log in running.started if log.name.startswith("web")]
    each = int(running.env["WEB_CONCURRENCY"])
    assert until(lambda: listed(running.url) == {"web": (2 * each, []), "cluster": (1, [])}, 15)
    with repeated(balancer.probe, 0.2), load(alice, balancer.next) as statuses:
        for log, url in zip(webs, running.urls, strict=True):
            before = len(statuses)
            running.started[log].send_signal(signal.SIGTERM)
            assert until(functools.partial(is_stopping, url), 2)
            assert ApiClient(url).get("/healthz").status_code == 503
            for _ in range(8):
                assert ApiClient(url).get("/api/v1/video-models").status_code == 200
                time.sleep(0.3)
            assert running.started[log].wait(40) == 0
            [other] = set(running.urls) - {url}
            assert listed(other)["web"] == (each, [])
            assert running.restart_ended() == 1
            assert until(lambda: len(balancer.healthy) == 2, 60)
            assert len(statuses) > before


def test_single_server_keeps_its_port_while_it_restarts(stack):
    running = stack(webs=0)
    with SharedSocket(running) as shared:
        log = shared.start_web()
        alice = running.user("alice", tokens=1_000_000)
        with load(alice, lambda: running.url) as statuses:
            for _ in range(2):
                assert until(more_than(statuses, len(statuses)), 20)
                shared.restart(log)
                assert until(more_than(statuses, len(statuses) + 2), 20)


SLOW_BOOT = """
import time
from videostudio.gunicorn import *
record = post_fork
def post_fork(master, worker):
    time.sleep(1)
    record(master, worker)
"""


def test_sigterm_while_a_web_worker_boots_ends_it(stack, tmp_path):
    (tmp_path / "gunicorn_slow.py").write_text(SLOW_BOOT)
    running = stack(webs=0, clusters=0)
    env = {"PORT": str(free_port()), "PYTHONPATH": str(tmp_path), "WEB_CONCURRENCY": "1"}
    log = running.start(
        "web", "-m", "gunicorn", "-c", "python:gunicorn_slow", "videostudio.wsgi", env=env
    )
    assert until(lambda: "Booting worker" in log.read_text(), 30)
    running.started[log].terminate()
    assert running.started[log].wait(15) == 0  # else it is killed after `graceful_timeout`


@pytest.mark.only_on("postgresql")
def test_migration_that_cannot_lock_a_table_lets_others_read_it_and_is_done_later(stack):
    running = stack(webs=0, clusters=0)
    running.sql("DELETE FROM django_migrations WHERE app = 'jobs' AND name >= '0029'")
    running.sql("ALTER TABLE jobs_videojob DROP COLUMN private")
    with (
        psycopg.connect(running.database_url) as long,
        psycopg.connect(running.database_url, autocommit=True) as reader,
    ):
        long.execute("SELECT count(*) FROM jobs_videojob")  # holds its lock until it commits
        migration = subprocess.Popen(
            [sys.executable, "manage.py", "migrate", "jobs", "0029"],
            cwd=running.project,
            env=running.env,
            stderr=subprocess.PIPE,
            text=True,
        )
        blocked = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        assert until(lambda: reader.execute(blocked).fetchone() == (1,), 60)
        reader.execute("SET statement_timeout = '10s'")
        reader.execute("SELECT count(*) FROM jobs_videojob")
        assert migration.stderr
        assert migration.stderr.readline().startswith("A table is locked")
        long.commit()
        assert migration.wait(60) == 0, migration.stderr.read()
        migration.stderr.close()
    assert running.sql("SELECT private FROM jobs_videojob") == []
