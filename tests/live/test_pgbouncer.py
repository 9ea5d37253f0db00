"""The service behind a real PgBouncer in transaction mode, with three connections to PostgreSQL."""

import csv
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from tests import debian
from tests.fakes import CloudinaryImitation, VertexImitation
from tests.postgres import free_port
from tests.stack import Stack, until

pytestmark = pytest.mark.live

CONNECTIONS = 3
CONFIGURATION = """
[databases]
* = host={server.hostname} port={port} user={server.username} password={server.password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
"""
EXPORT = """
from django.contrib.auth import get_user_model
from django.test import Client
from jobs.models import VideoJob
client = Client()
client.force_login(get_user_model().objects.create_superuser("root", "root@example.com", "x"))
form = {"action": "export", "_selected_action": VideoJob.objects.values_list("pk", flat=True)}
answer = client.post("/admin/jobs/videojob/", form)
print(b"".join(answer.streaming_content).decode())
"""
OPEN = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"


@pytest.fixture(scope="module")
def studio():
    """One web and one cluster."""
    with ExitStack() as opened:
        google = opened.enter_context(VertexImitation(seconds=0))
        cloudinary = opened.enter_context(CloudinaryImitation())
        env = {"DATABASE_TRANSACTION_POOLING": "true", "VIDEO_MAX_ACTIVE_JOBS": "20"}
        stack = opened.enter_context(
            Stack(webs=0, clusters=0, google=google.url, cloudinary=cloudinary.url, env=env)
        )
        stack.env["DATABASE_URL"] = opened.enter_context(pgbouncer(stack.database_url))
        opened.callback(stack.stop)  # before PgBouncer
        stack.start_web()
        stack.start_cluster()
        stack.wait_until_ready()
        yield stack


@contextmanager
def pgbouncer(database_url: str) -> Iterator[str]:
    """The URL of the same database through PgBouncer, which refuses to run as root."""
    program = debian.find("pgbouncer")
    file = Path(tempfile.gettempdir(), f"pgbouncer-{secrets.token_hex(8)}.ini")
    server, listen = urlsplit(database_url), free_port()
    values = {"server": server, "port": server.port or 5432, "connections": CONNECTIONS}
    file.write_text(CONFIGURATION.format(listen=listen, **values))
    file.chmod(0o644)
    user: dict[str, Any] = {"user": "nobody", "extra_groups": []} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, "--quiet", file], env=debian.environment(), **user)
    url = server._replace(netloc=f"{server.username}@127.0.0.1:{listen}").geturl()

    def answers() -> bool:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        assert until(answers, seconds=10)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)
        file.unlink()


def test_jobs_succeed(studio):
    alice = studio.user("alice", tokens=500)
    jobs = [alice.order(f"lighthouse {n}", mockMode="false")["id"] for n in range(10)]
    assert {alice.wait(job, seconds=60)["status"] for job in jobs} == {"SUCCEEDED"}
    assert studio.sql(OPEN)[0][0] <= CONNECTIONS + 1  # this connection


def test_jobs_are_exported(studio):
    text = studio.manage("shell", "--verbosity", 0, "-c", EXPORT).stdout
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["status"] for row in rows} == {"SUCCEEDED"}
    assert len(rows) == 10


def test_database_is_migrated_and_its_ledger_checked(studio):
    studio.manage("migrate")
    studio.manage("check_ledger")
