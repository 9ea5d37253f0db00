"""Connections to PostgreSQL where there are few, and behind a pooler in transaction mode."""

import contextlib
import secrets
import subprocess
import sys
from urllib.parse import urlsplit

import psycopg
import pytest

from jobs import checks
from tests.run import PROJECT
from tests.stack import Stack, until

pytestmark = pytest.mark.live

RESTART_TICKS = "from jobs.worker import tasks; tasks.restart_ticks(); print('done')"
CURSORS = """
from django.db import connection
from django.contrib.contenttypes.models import ContentType
for _ in ContentType.objects.iterator():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE name LIKE '\\_django%%'")
        print("cursors", cursor.fetchone()[0])
    break
"""


@pytest.fixture(scope="module")
def studio():
    with Stack(webs=0, clusters=0) as stack:
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


def test_task_waits_for_a_free_connection(studio, limited, tmp_path):
    url = limited(1)
    log = tmp_path / "log"
    with psycopg.connect(url) as last, log.open("wb") as output:
        task = subprocess.Popen(
            [sys.executable, "manage.py", "shell", "-v", "0", "-c", RESTART_TICKS],
            cwd=PROJECT,
            env=studio.env | {"DATABASE_URL": url},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        assert until(
            lambda: "waiting for a connection to the database" in log.read_text(), seconds=60
        )
        assert task.poll() is None
        last.close()
    assert task.wait(timeout=60) == 0, log.read_text()
    assert log.read_text().rstrip().endswith("done")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limit", "pooled", "warns"), [(24, False, 1), (25, False, 0), (24, True, 0)]
)
def test_check_warns_where_one_web_and_one_cluster_need_more(settings, sql, limit, pooled, warns):
    sql(f"ALTER ROLE CURRENT_USER CONNECTION LIMIT {limit}")  # until the end of the transaction
    settings.WEB_THREADS, settings.WEB_CONCURRENCY = 8, 2
    settings.DATABASE_TRANSACTION_POOLING = pooled
    found = [check.msg for check in checks.connections_suffice(None, ["default"])]
    needed = "One web and one qcluster may open 18 + 7 connections, and PostgreSQL allows 24."
    assert found == [needed] * warns


def test_no_server_side_cursor_behind_a_pooler(studio):
    studio.env["DATABASE_TRANSACTION_POOLING"] = "true"
    assert studio.manage("shell", "-v", "0", "-c", CURSORS).stdout.split() == ["cursors", "0"]
    del studio.env["DATABASE_TRANSACTION_POOLING"]


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
