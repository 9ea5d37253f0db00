"""The integration guide's own client and its curl lines, unchanged, against the service.

They send no `mockMode`, so the service sets VIDEO_DEFAULT_MOCK_MODE.
"""

import io
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests.api import NO_JOBS
from tests.client import ApiClient
from tests.stack import Stack

pytestmark = pytest.mark.live

HERE = Path(__file__).parent
ENV = {"VIDEO_DEFAULT_MOCK_MODE": "true", "MOCK_SECONDS": "1"}
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


@pytest.fixture(scope="module")
def studio():
    with Stack(env=ENV) as stack:
        yield stack


@pytest.fixture(scope="module")
def alice(studio):
    return studio.user("alice", tokens=500)


@pytest.fixture(scope="module")
def node():
    """The path of Node, which the guide's client needs in version 18 or later (fetch, FormData)."""
    path = shutil.which("node")
    if path is None:
        pytest.fail("these tests need Node 18 or later, and there is no `node` on the PATH")
    version = subprocess.check_output([path, "--version"], text=True)
    if int(version.lstrip("v").partition(".")[0]) < 18:
        pytest.fail(f"these tests need Node 18 or later; {path} is {version}")
    return path


@pytest.fixture
def run(node):
    """`run("usage", client)`: what that scenario of use_client.js saw."""

    def run(scenario: str, client: ApiClient, given: bytes = b"") -> dict:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        done = subprocess.run(
            [node, HERE / "use_client.js", scenario, f"{client.url}/api/v1", token],
            input=given,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    return run


class TestJavaScriptClient:
    def test_creates_polls_lists_and_deletes(self, run, studio):
        saw = run("usage", studio.user("carol", tokens=50))
        created, updates = saw["created"], saw["updates"]
        assert created["status"] == "PENDING"
        assert created["statusMessage"] == "Job queued for processing"
        assert created["tokensConsumed"] == 50
        assert created["mockMode"] is True
        assert [line["message"] for line in created["logs"]] == ["📝 Job created"]
        assert {update["id"] for update in updates} == {created["id"]}
        end = updates[-1]
        assert (end["status"], end["progressPercentage"]) == ("SUCCEEDED", 100)
        assert end["statusMessage"] == "Video generation completed successfully!"
        video = ApiClient("").get(end["cloudinaryUrl"])
        assert video.content[4:8] == b"ftyp"
        for answer, ids in {"all": [end["id"]], "succeeded": [end["id"]], "failed": []}.items():
            assert [job["id"] for job in saw[answer]["jobs"]] == ids
            assert saw[answer]["total"] == len(ids)
        assert saw["left"] == NO_JOBS

    def test_sends_pictures(self, run, alice):
        file = io.BytesIO()
        Image.new("RGB", (64, 36), "red").save(file, "PNG")
        saw = run("images", alice, given=file.getvalue())
        framed, guided = saw["framed"], saw["guided"]
        assert framed["inputs"] == {"initialImage": True, "endFrame": True, "referenceImages": 0}
        assert guided["inputs"] == {"initialImage": False, "endFrame": False, "referenceImages": 2}
        for job in (framed, guided):
            assert alice.wait(job["id"])["status"] == "SUCCEEDED"

    def test_tells_why_it_was_refused(self, run, studio):
        bob = studio.user("bob", tokens=20)
        assert run("refusals", bob)["refused"] == [
            f"Insufficient tokens: {SHORT_OF_TOKENS}",
            "Failed to create job: Bad Request",
        ]


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
    @pytest.fixture
    def curl(self, studio, alice):
        def curl(line, job_id=""):
            token = alice.headers["Authorization"].removeprefix("Bearer ")
            known = {"http://localhost:8000": studio.url, "YOUR_TOKEN": token, "JOB_ID": job_id}
            return json.loads(send(re.sub("|".join(known), lambda found: known[found[0]], line)))

        return curl

    def test_creates_polls_and_lists(self, curl, alice):
        created = curl(CURL["create"])
        assert created["prompt"] == "A beautiful sunset over mountains"
        assert (created["resolution"], created["aspectRatio"]) == ("1080p", "16:9")
        assert created["durationSeconds"] == 8
        assert curl(CURL["poll"], created["id"])["id"] == created["id"]
        ended = alice.wait(created["id"])
        assert curl(CURL["poll"], created["id"]) == ended
        listed = curl(CURL["list"])
        assert ended in listed["jobs"]
        assert listed["total"] == len(listed["jobs"])
