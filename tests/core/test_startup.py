"""Web does not import what only the workers, or only uploads, use."""

import subprocess
import sys

import pytest

from tests.run import ENVIRONMENT, PROJECT

HEAVY = ("google.genai", "cloudinary", "PIL")
CONFIGURED = {
    "GOOGLE_API_KEY": "known to nobody",
    "USE_CLOUDINARY": "true",
    "CLOUDINARY_CLOUD_NAME": "a",
    "CLOUDINARY_API_KEY": "b",
    "CLOUDINARY_API_SECRET": "c",
    "DATABASE_URL": "sqlite://:memory:",
}
# gunicorn's master, which loads the application and runs the checks before it forks.
START = """
import sys
import videostudio.gunicorn
import videostudio.wsgi
videostudio.gunicorn.on_starting(None)
"""
VISIT = """
from django.test import Client
for path in ("/healthz", "/", "/api/v1/video-models", "/api/v1/video-jobs", "/admin/login/"):
    status = Client().get(path, headers={"host": "localhost"}).status_code
    assert status in (200, 401), (path, status)
"""
REPORT = f"""
print([name for name in {HEAVY} if name in sys.modules])
"""

pytestmark = pytest.mark.once


def imported(code):
    """Which of the heavy packages are there after `code`, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT],
        cwd=PROJECT,
        env=ENVIRONMENT | CONFIGURED,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


class TestWeb:
    def test_starts_without_the_heavy_packages(self):
        assert imported(START) == "[]"

    def test_loads_before_its_processes_what_each_of_them_needs(self):
        later = "before = set(sys.modules)\n" + VISIT + "assert 'jwt' not in "
        imported(START + later + "set(sys.modules) - before\n")

    def test_does_without_them_where_no_image_is_sent(self):
        assert imported(START + VISIT) == "[]"


ASK = """
from concurrent.futures import ThreadPoolExecutor
from django.test import Client
def ask(accept):
    headers = {"host": "localhost", "accept": accept}
    return Client(raise_request_exception=False).get("/api/v1/schema", headers=headers).status_code
with ThreadPoolExecutor(24) as pool:
    found = set(pool.map(ask, ["application/yaml", "application/json"] * 12))
assert found == {200}, found
"""
# From here on nobody can generate it.
UNABLE = """
from drf_spectacular.generators import SchemaGenerator
SchemaGenerator.get_schema = None
"""


class TestSchema:
    def test_is_generated_before_gunicorn_forks(self):
        assert imported(START + UNABLE + ASK) == "[]"

    def test_is_generated_once_where_many_threads_ask_first(self):
        """As under runserver."""
        imported("import sys, videostudio.wsgi\n" + ASK)


SHARE = (
    "import sys, videostudio.wsgi, jobs.worker.supervisor\n"
    "jobs.worker.supervisor._load_before_fork()\n"
)
MADE = "from jobs.providers import _make\nassert _make.cache_info().currsize == {}\n"


class TestCluster:
    def test_has_them_before_it_forks(self):
        """Imported once, their memory is shared by all workers."""
        assert imported(SHARE).startswith("['google.genai', 'cloudinary'")

    def test_makes_googles_client_before_it_forks(self):
        imported(SHARE + MADE.format(1))

    def test_does_not_die_of_a_client_that_cannot_be_made(self):
        """Jobs of the mock go on; each of Google's fails with what is in the log."""
        broken = "import os\nos.environ['SSL_CERT_FILE'] = '/nowhere'\n"
        imported(broken + SHARE + MADE.format(0))
