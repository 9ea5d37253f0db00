"""Connections to PostgreSQL where there are few, and behind a pooler in transaction mode."""

import contextlib
import secrets
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.run import PROJECT
from tests.stack import Stack, until

pytestmark = pytest.mark.live

RESTART_TICKS = "from jobs.worker import tasks; tasks.restart_ticks(); print('done')"
CURSORS = """
from django.db import connection
from accounts.models import User
for _ in User.objects.iterator():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE '\\_django%%'")
        print("cursors", cursor.fetchone()[0])
    break
"""


@pytest.fixture(scope="module")
def studio():
    with Stack(clusters=0) as stack:
        stack.user("alice")
        yield stack


@pytest.fixture
def limited(studio):
    """A function that makes a role with a connection limit; it returns the database's URL."""
    with contextlib.ExitStack() as ending:

        def make(limit):
            name = f"limited_{secrets.token_hex(4)}"
            groups = "pg_read_all_data, pg_write_all_data"
            options = f"LOGIN PASSWORD '{name}' CONNECTION LIMIT {limit} IN ROLE {groups}"
            studio.sql(f"CREATE ROLE {name} {options}")
            ending.callback(studio.sql, f"DROP ROLE {name}")
            parts = urlsplit(studio.database_url)
            host = parts.netloc.rpartition("@")[2]
            return parts._replace(netloc=f"{name}:{name}@{host}").geturl()

        yield make


def test_task_waits_for_a_free_connection(studio, limited):
    url = limited(1)
    with psycopg.connect(url) as last:
        task = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", RESTART_TICKS],
            cwd=PROJECT,
            env=studio.env | {"DATABASE_URL": url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(5)
        assert task.poll() is None
        last.close()
    output, _ = task.communicate(timeout=60)
    assert task.returncode == 0, output
    assert output.rstrip().endswith("done")
    assert "waiting for a connection to the database" in output


class TestCheck:
    def test_warning_where_one_web_and_one_cluster_need_more(self, studio, limited):
        log = self.start(studio, DATABASE_URL=limited(10), WEB_THREADS="8", WEB_CONCURRENCY="2")
        assert "(jobs.W004) One web and one qcluster may open 18 + 7 connections" in log
        assert "PostgreSQL allows 10." in log

    def test_none_where_they_fit(self, studio, limited):
        assert "jobs.W004" not in self.start(studio, DATABASE_URL=limited(25))

    def test_none_behind_a_pooler(self, studio, limited):
        found = self.start(studio, DATABASE_URL=limited(10), DATABASE_TRANSACTION_POOLING="true")
        assert "jobs.W004" not in found

    def start(self, studio, **env):
        """What `check` with the database, and web when it starts, say."""
        done = subprocess.run(
            [sys.executable, "manage.py", "check", "--database", "default"],
            cwd=PROJECT,
            env=studio.env | env,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0
        return done.stdout + done.stderr


@pytest.mark.parametrize(("pooled", "cursors"), [("false", 1), ("true", 0)])
def test_no_server_side_cursor_behind_a_pooler(studio, pooled, cursors):
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", CURSORS],
        cwd=PROJECT,
        env=studio.env | {"DATABASE_TRANSACTION_POOLING": pooled},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.split()[-2:] == ["cursors", str(cursors)], done.stderr


def test_web_warns_at_its_start(studio, limited):
    environment = studio.env
    studio.env = environment | {"DATABASE_URL": limited(20), "WEB_THREADS": "16"}
    try:
        web = studio.start_web()
        assert until(lambda: "jobs.W004" in studio.output(), seconds=20)
        web.terminate()
        web.wait(30)
    finally:
        studio.env = environment
