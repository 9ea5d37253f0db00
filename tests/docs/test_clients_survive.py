"""The clients that docs/api.md prints, over a bad connection: each makes its video all the same."""

import shutil
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from PIL import Image

from tests.api import PASSWORD
from tests.client import ApiClient
from tests.docs.markdown import blocks
from tests.proxy import (
    Answer,
    Forward,
    Proxy,
    Request,
    bad_gateway,
    cut_answer,
    drop,
    hang,
    lose_answer,
)
from tests.run import PROJECT, SQLITE
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

GUIDE = PROJECT / "docs" / "api.md"
LANGUAGES = {"python": ("studio.py", "python.mp4"), "js": ("studio.mjs", "javascript.mp4")}
PATIENCE = {
    "python": {"timeout=60": "timeout=10", "sleep(3)": "sleep(0.5)", "pause = 3": "pause = 1"},
    "js": {"(60_000)": "(10_000)", "pause(3)": "pause(0.5)", "let seconds = 3": "let seconds = 1"},
}
ORDER, POLL, VIDEO = "POST /api/v1/video-jobs", "GET /api/v1/video-jobs/", "GET /media/"
EACH = (ORDER, POLL, VIDEO)
SHORT = (drop, bad_gateway, cut_answer)  # the connection breaks, a proxy's page, half an answer


@pytest.fixture(scope="module")
def studio():
    """Somebody new has tokens for one video: a second order would be refused."""
    with Stack(server=SQLITE, env={"MOCK_SECONDS": "3", "SIGNUP_GRANT_TOKENS": "50"}) as stack:
        yield stack


@pytest.fixture
def proxy(studio):
    with Proxy(studio.url) as proxy:
        yield proxy


@pytest.fixture
def key(studio, request):
    """An API key of a user of this test alone."""
    name = f"alice{abs(hash(request.node.nodeid)) % 10**9}"
    client = ApiClient(studio.url)
    client.register(name, PASSWORD)
    client.sign_in(name, PASSWORD)
    return client.post("/api/v1/keys", json={"name": "Client"}).json()["key"]


@pytest.fixture(params=LANGUAGES)
def run(request, studio, proxy, key, tmp_path):
    """Runs the printed client with another address and shorter waits; returns its output."""
    source = [each.text for each in blocks(GUIDE) if each.language == request.param][-1]
    source = source.replace("http://localhost:8000", proxy.url)
    for old, new in PATIENCE[request.param].items():
        assert old in source
        source = source.replace(old, new)
    file, video = LANGUAGES[request.param]
    (tmp_path / file).write_text(source)
    Image.new("RGB", (64, 36), "navy").save(tmp_path / "first.png")
    program = sys.executable if request.param == "python" else shutil.which("node")
    assert program, "this test needs Node 20 or later, and there is no `node` on the PATH"

    def run(*, ends_well: bool = True) -> str:
        done = subprocess.run(
            [program, file],
            cwd=tmp_path,
            env={"PATH": studio.env["PATH"], "NO_PROXY": "*", "STUDIO_KEY": key},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (done.returncode == 0) == ends_well, f"{done.stderr}\n{proxy.seen}"
        if ends_well:
            assert "SUCCEEDED 100 % Video generation completed successfully!" in done.stdout
            assert (tmp_path / video).read_bytes()[4:8] == b"ftyp"
        assert not proxy.planned, proxy.seen  # all that was planned has happened
        return done.stdout + done.stderr

    return run


class TestClient:
    def test_makes_its_video_although_each_request_fails_in_each_way(self, run, proxy):
        proxy.planned += [(request, fault) for request in EACH for fault in SHORT]
        proxy.once(POLL, hang)
        run()

    def test_outlives_a_restart_of_the_service(self, run, proxy, studio):
        def restart(request: Request, forward: Forward) -> None:
            [web] = [each for log, each in studio.started.items() if log.name.startswith("web")]
            web.terminate()
            web.wait(timeout=30)
            start_again.start()

        start_again = threading.Timer(4, studio.restart_ended)
        proxy.once(POLL, restart)
        try:
            run()
        finally:
            start_again.join()
        assert [status for _, status in proxy.seen].count(0) >= 2

    def test_says_that_its_key_was_revoked(self, run, proxy, studio, key):
        def revoke(request: Request, forward: Forward) -> Answer | None:
            revoking = "UPDATE accounts_apikey SET revoked_at = CURRENT_TIMESTAMP WHERE prefix = %s"
            studio.sql(revoking, key[:12])
            return forward(request)

        proxy.once(POLL, revoke)
        assert "token_not_valid: The API key has been revoked." in run(ends_well=False)

    def test_pays_once_for_a_lost_answer_and_understands_304(self, run, proxy):
        def ask_for_changes(request: Request, forward: Forward) -> Answer | None:
            current = forward(request)
            etag = current.headers["ETag"] if current else ""
            return forward(replace(request, headers={**request.headers, "if-none-match": etag}))

        proxy.once(ORDER, lose_answer)
        proxy.once(POLL, ask_for_changes)
        run()
        assert [status for request, status in proxy.seen if request == ORDER] == [0, 202]
        assert 304 in [status for _, status in proxy.seen]
        refused = run(ends_well=False)  # the tokens are spent
        assert "insufficient_tokens: Insufficient tokens. Operation 'video_generation'" in refused
