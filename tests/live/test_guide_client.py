"""The integration guide's own client in a browser, on a page of another origin, and its curl lines.

They send no `mockMode`, so the service sets VIDEO_DEFAULT_MOCK_MODE.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page

from tests.api import NO_JOBS
from tests.client import ApiClient
from tests.run import PROJECT, SQLITE
from tests.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.once]

CLIENT = PROJECT / "examples/frontend/video-generation.js"  # the guide's class, word for word
PAGE = b"""<!doctype html><title>A front end</title><link rel="icon" href="data:,">
<input type="file"><video controls></video><script src="video-generation.js"></script>"""
ORDER = {
    "prompt": "A sunset over mountains",
    "model": "veo-3.1-fast-generate-preview",
    "resolution": "1080p",
    "aspectRatio": "16:9",
    "durationSeconds": 8,
}
SHORT_OF_TOKENS = (
    "Insufficient tokens. Operation 'video_generation' costs 50 tokens but you have 20."
)
CURL = {
    "create": """\
curl -X POST http://localhost:8000/api/v1/video-jobs \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -F "prompt=A beautiful sunset over mountains" \\
  -F "model=veo-3.1-fast-generate-preview" \\
  -F "resolution=1080p" \\
  -F "aspectRatio=16:9"
""",
    "poll": """\
curl http://localhost:8000/api/v1/video-jobs/JOB_ID \\
  -H "Authorization: Bearer YOUR_TOKEN"
""",
    "list": """\
curl http://localhost:8000/api/v1/video-jobs \\
  -H "Authorization: Bearer YOUR_TOKEN"
""",
}


class FrontEnd(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_script = self.path == "/video-generation.js"
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if is_script else "text/html")
        self.end_headers()
        self.wfile.write(CLIENT.read_bytes() if is_script else PAGE)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: the test's own output is enough."""


@pytest.fixture(scope="module")
def serve():
    """Starts a server of the page; its origin."""
    servers = []

    def serve() -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), FrontEnd)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def origin(serve):
    return serve()


@pytest.fixture(scope="module")
def studio(origin):
    env = {
        "VIDEO_DEFAULT_MOCK_MODE": "true",
        "MOCK_SECONDS": "1",
        "CORS_ALLOWED_ORIGINS": f"https://app.example.com,{origin}",
    }
    with Stack(server=SQLITE, env=env) as stack:
        yield stack


@pytest.fixture
def visit(open_page, origin, studio):
    """Opens the front end, signed in as this user; console errors that match are expected."""

    def visit(user: ApiClient, *, at: str = origin, tolerate: str = r"(?!)") -> Page:
        page = open_page(tolerate=tolerate)
        page.goto(at)
        assert page.evaluate("location.origin") != studio.url
        token = user.headers["Authorization"].removeprefix("Bearer ")
        page.evaluate(
            "([base, token]) => { window.client = new VideoGenerationClient(base, token); }",
            [f"{studio.url}/api/v1", token],
        )
        return page

    return visit


def choose_image(page: Page) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 36), "red").save(file, "PNG")
    image: Any = {"name": "first.png", "mimeType": "image/png", "buffer": file.getvalue()}
    page.locator("input[type=file]").set_input_files(image)


class TestGuideClient:
    def test_creates_polls_lists_plays_and_deletes_from_another_origin(self, visit, studio):
        page = visit(studio.user("alice", tokens=100))
        choose_image(page)
        created, guided = page.evaluate(
            """async order => {
                const [image] = document.querySelector('input').files;
                return [
                    await client.createJob({...order, initialImage: image, endFrame: image}),
                    await client.createJob({...order, referenceImages: [image, image]}),
                ];
            }""",
            ORDER,
        )
        assert (created["status"], created["mockMode"]) == ("PENDING", True)
        framed = {"initialImage": True, "endFrame": True, "referenceImages": 0}
        assert created["inputs"] == framed
        assert guided["inputs"] == {"initialImage": False, "endFrame": False, "referenceImages": 2}
        page.evaluate("id => client.deleteJob(id)", guided["id"])
        updates = page.evaluate(
            """id => new Promise(done => {
                const updates = [];
                client.pollJob(id, job => {
                    updates.push(job);
                    if (!['PENDING', 'RUNNING'].includes(job.status)) done(updates);
                });
            })""",
            created["id"],
        )
        ended = updates[-1]
        assert (ended["id"], ended["status"]) == (created["id"], "SUCCEEDED")
        page_of_jobs = {"jobs": [ended], "total": 1, "nextCursor": None, "hasMore": False}
        assert page.evaluate("client.listJobs()") == page_of_jobs
        assert page.evaluate("client.listJobs('SUCCEEDED', 10)") == page_of_jobs
        assert page.evaluate("client.listJobs('FAILED', 10)") == NO_JOBS
        assert plays(page, ended["cloudinaryUrl"])
        page.evaluate("id => client.deleteJob(id)", ended["id"])
        assert page.evaluate("client.listJobs()") == NO_JOBS

    def test_reads_why_an_order_was_refused(self, visit, studio):
        page = visit(studio.user("bob", tokens=20), tolerate="402|400")
        refused = [
            page.evaluate("order => client.createJob(order).catch(error => error.message)", order)
            for order in (ORDER, ORDER | {"resolution": "480p"})
        ]
        assert refused == [
            f"Insufficient tokens: {SHORT_OF_TOKENS}",
            "Failed to create job: Bad Request",
        ]

    def test_fails_on_a_page_of_an_origin_that_is_not_listed(self, visit, studio, serve):
        page = visit(studio.user("mallory"), at=serve(), tolerate="CORS policy|ERR_FAILED")
        said = page.evaluate("client.listJobs().catch(error => error.message)")
        assert said == "Failed to fetch"


class TestPage:
    def test_reads_the_headers_that_a_client_needs(self, visit, studio):
        page = visit(studio.user("carol", tokens=50))
        seen = page.evaluate(
            """async order => {
                const form = new FormData();
                for (const name in order) form.append(name, order[name]);
                const headers = {
                    Authorization: `Bearer ${client.authToken}`,
                    'Idempotency-Key': 'mine', 'X-Request-ID': 'from-the-page',
                };
                const url = `${client.apiBase}/video-jobs`;
                const order_ = () => fetch(url, {method: 'POST', headers, body: form});
                const first = await (await order_()).json();
                const replay = await order_();
                const job = `${url}/${first.id}`;
                const poll = await fetch(job, {headers});
                let known, again;
                do {
                    known = (await fetch(job, {headers, cache: 'no-store'})).headers.get('ETag');
                    again = await fetch(job, {
                        headers: {...headers, 'If-None-Match': known}, cache: 'no-store'
                    });
                } while (again.status === 200);
                return {
                    replayed: replay.headers.get('Idempotency-Replayed'),
                    retryAfter: poll.headers.get('Retry-After'),
                    id: poll.headers.get('X-Request-ID'),
                    again: again.status,
                };
            }""",
            ORDER,
        )
        assert seen == {"replayed": "true", "retryAfter": "3", "id": "from-the-page", "again": 304}

    def test_reads_the_bytes_of_a_video(self, visit, studio):
        user = studio.user("dora", tokens=50)
        job = user.wait(user.create(prompt="A kite").json()["id"])
        page = visit(user)
        first = page.evaluate(
            """async url => {
                const answer = await fetch(url, {headers: {Range: 'bytes=4-7'}});
                return [answer.status, await answer.text()];
            }""",
            job["cloudinaryUrl"],
        )
        assert first == [206, "ftyp"]


def plays(page: Page, url: str) -> bool:
    """Whether the page's <video> moves on, and its pictures can be read (so with CORS)."""
    return page.evaluate(
        """async url => {
            const video = document.querySelector('video');
            video.muted = true;
            video.crossOrigin = 'anonymous';
            video.src = url;
            await video.play();
            await new Promise(done => video.ontimeupdate = () => video.currentTime > 0 && done());
            const canvas = document.createElement('canvas').getContext('2d');
            canvas.drawImage(video, 0, 0);
            canvas.getImageData(0, 0, 1, 1);
            return true;
        }""",
        url,
    )


def send(line: str) -> bytes:
    """The body of the answer to a line of curl; where there is none, requests stands in for it."""
    command, *arguments = shlex.split(line.replace("\\\n", ""))
    if shutil.which(command):
        return subprocess.check_output([command, "--silent", *arguments], timeout=60)
    given: dict[str, list[str]] = {"-X": [], "-H": [], "-F": [], "": []}
    for argument in (each := iter(arguments)):
        given[argument if argument in given else ""].append(
            next(each) if argument in given else argument
        )
    headers = dict(header.split(": ", 1) for header in given["-H"])
    parts = dict(part.split("=", 1) for part in given["-F"])
    form = [(name, (None, value)) for name, value in parts.items()]
    method, [url] = (given["-X"] or ["GET"])[0], given[""]
    return requests.request(method, url, headers=headers, files=form or None, timeout=30).content


class TestCurl:
    def test_creates_polls_and_lists(self, studio):
        user = studio.user("emma", tokens=50)

        def curl(line: str, job_id: str = "") -> Any:
            token = user.headers["Authorization"].removeprefix("Bearer ")
            known = {"http://localhost:8000": studio.url, "YOUR_TOKEN": token, "JOB_ID": job_id}
            return json.loads(send(re.sub("|".join(known), lambda found: known[found[0]], line)))

        created = curl(CURL["create"])
        assert created["prompt"] == "A beautiful sunset over mountains"
        assert (created["resolution"], created["aspectRatio"]) == ("1080p", "16:9")
        assert created["durationSeconds"] == 8
        assert curl(CURL["poll"], created["id"])["id"] == created["id"]
        ended = user.wait(created["id"])
        assert curl(CURL["poll"], created["id"]) == ended
        listed = curl(CURL["list"])
        assert (listed["jobs"], listed["total"]) == ([ended], 1)
