"""What a process sends to Sentry about an error, received by a fake Sentry."""

import gzip
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.run import ENVIRONMENT, PROJECT

BROKEN_REQUEST = """
import logging
import django; django.setup()
from django.http import HttpRequest
from django.test import Client
from videostudio import health

def fail(request):
    prompt = request.body.decode()
    logging.getLogger("somewhere").warning("on the way with %s", "AIzaSy-google-key")
    logging.getLogger("somewhere").warning("webhook %s", "whsec_bm90IGEgcmVhbCBzZWNyZXQ=")
    raise RuntimeError("the key is AIzaSy-google-key")

from videostudio import urls
from django.urls import path
urls.urlpatterns.insert(0, path("broken", fail))
answer = Client(raise_request_exception=False).post(
    "/broken?x=cloudinary-secret&token=7d3f0c7e2c864f0b9a525f2f7f2c9b1d.cx5j2k-"
    "0123456789abcdef0123456789abcdef", {"prompt": "A private prompt"}, "application/json",
    headers={"Authorization": "Bearer hunter2", "Cookie": "sessionid=hunter2"},
)
assert answer.status_code == 500, answer.status_code
import sentry_sdk; sentry_sdk.flush(timeout=10)
"""


@pytest.fixture
def sentry():
    """A Sentry's DSN, and all that it was sent."""
    received = []

    class Sentry(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            packed = self.headers.get("Content-Encoding") == "gzip"
            received.append((gzip.decompress(body) if packed else body).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with HTTPServer(("127.0.0.1", 0), Sentry) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://public@127.0.0.1:{server.server_port}/1", received
        server.shutdown()


@pytest.mark.once
@pytest.mark.slow
def test_sentry_gets_errors_without_secrets_and_prompts(sentry):
    dsn, received = sentry
    environment = {
        "DJANGO_SETTINGS_MODULE": "videostudio.settings",
        "DATABASE_URL": "sqlite://:memory:",
        "SENTRY_DSN": dsn,
        "GOOGLE_API_KEY": "AIzaSy-google-key",
        "CLOUDINARY_API_SECRET": "cloudinary-secret",
    }
    done = subprocess.run(
        [sys.executable, "-c", BROKEN_REQUEST],
        cwd=PROJECT,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    reported = "\n".join(received)
    assert "cx5j2k-" not in reported
    assert "whsec_" not in reported
    assert "RuntimeError" in reported
    assert "the key is [secret]" in reported
    assert "on the way with [secret]" in reported
    assert "request_id" in reported
    for secret in ("AIzaSy", "cloudinary-secret", "hunter2", "private"):
        assert secret not in reported
        assert secret not in done.stderr
