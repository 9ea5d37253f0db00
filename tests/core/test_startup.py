"""What is loaded before processes fork, and what web processes never load."""

import json
import os
import subprocess
import sys

import pytest

from tests.run import ENVIRONMENT, PROJECT, fresh_database

HEAVY = ("google.genai", "cloudinary", "PIL", "sentry_sdk")
CONFIGURED = {
    "GOOGLE_API_KEY": "known to nobody",
    "USE_CLOUDINARY": "true",
    "CLOUDINARY_CLOUD_NAME": "a",
    "CLOUDINARY_API_KEY": "b",
    "CLOUDINARY_API_SECRET": "c",
    "DATABASE_URL": "sqlite://:memory:",
}
PREAMBLE = f"""
import json, sys
from concurrent.futures import ThreadPoolExecutor
facts = {{}}
def heavy():
    return [name for name in {HEAVY} if name in sys.modules]
def ask(accept, path="/api/v1/schema"):
    from django.test import Client
    client = Client(raise_request_exception=False)
    return client.get(path, headers={{"host": "localhost", "accept": accept}}).status_code
def ask_for_the_schema():
    with ThreadPoolExecutor(24) as pool:
        return sorted(set(pool.map(ask, ["application/yaml", "application/json"] * 12)))
"""
# gunicorn's master, which loads the application and runs the checks before it forks.
WEB = """
import videostudio.gunicorn, videostudio.wsgi
from django.db import connections
videostudio.gunicorn.on_starting(None)
facts["connected"] = [each.alias for each in connections.all() if each.connection is not None]
facts["heavy"], loaded = heavy(), set(sys.modules)
paths = ("/healthz", "/", "/api/v1/video-models", "/api/v1/video-jobs", "/admin/login/")
facts["statuses"] = [ask("*/*", path) for path in paths]
facts["loaded later"] = "jwt" in set(sys.modules) - loaded
facts["heavy later"] = heavy()
from videostudio import guide
made = guide.load.cache_info().misses
facts["guides"] = [ask("*/*", path) for path in ("/docs", "/docs/openai")]
facts["guides made later"] = guide.load.cache_info().misses - made
from drf_spectacular.generators import SchemaGenerator
SchemaGenerator.get_schema = None  # from here on nobody can generate it
facts["schema"] = ask_for_the_schema()
"""
RUNSERVER = """
import videostudio.wsgi
facts["schema"] = ask_for_the_schema()
"""
CLUSTER = """
import videostudio.wsgi, jobs.worker.supervisor
jobs.worker.supervisor._load_before_fork()
from jobs.providers import _make
facts["heavy"], facts["clients"] = heavy(), _make.cache_info().currsize
"""

pytestmark = [pytest.mark.once, pytest.mark.slow]


def facts_of(code, **environment):
    """What `code` finds out, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + code + "print(json.dumps(facts))"],
        cwd=PROJECT,
        env=ENVIRONMENT | CONFIGURED | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def web():
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        return facts_of(WEB, DATABASE_URL=url)


class TestWeb:
    def test_master_opens_no_database_connection_before_the_fork(self, web):
        assert web["connected"] == []

    def test_web_never_imports_what_only_workers_and_uploads_use(self, web):
        assert web["statuses"] == [200, 200, 200, 401, 200]
        assert (web["heavy"], web["heavy later"]) == ([], [])

    def test_jwt_is_imported_before_the_fork(self, web):
        assert not web["loaded later"]

    def test_guides_are_made_before_the_fork(self, web):
        assert (web["guides"], web["guides made later"]) == ([200, 200], 0)

    def test_schema_is_generated_before_the_fork(self, web):
        assert web["schema"] == [200]

    def test_schema_is_generated_once_for_many_threads(self):
        """As under runserver, where nothing is generated at the start."""
        assert facts_of(RUNSERVER)["schema"] == [200]


class TestCluster:
    def test_cluster_imports_sdks_and_makes_googles_client_before_the_fork(self):
        facts = facts_of(CLUSTER)
        assert {"google.genai", "cloudinary"} <= set(facts["heavy"])
        assert facts["clients"] == 1

    def test_cluster_survives_a_client_that_cannot_be_made(self):
        """Mock jobs continue; each of Google's fails with the error in the log."""
        assert facts_of(CLUSTER, SSL_CERT_FILE="/nowhere")["clients"] == 0
