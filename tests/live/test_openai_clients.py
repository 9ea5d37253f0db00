"""openai-python and openai-node, unmodified, make a video with a running service."""

import itertools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests import openai_sdk
from tests.client import ApiClient
from tests.clients import mcp_tools, node_tools
from tests.clients.node_tools import HERE
from tests.docs.markdown import blocks
from tests.openai_sdk import MOCK, VEO
from tests.proxy import Proxy, lose_answer
from tests.run import PROJECT
from tests.uploads import picture

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore:The Sora API:DeprecationWarning"),
]

POLL = 3  # seconds
PAGE = PROJECT / "docs" / "openai.md"


@pytest.fixture
def alice(service):
    return service.user(f"openai-{time.time_ns()}")


@pytest.fixture
def key(alice):
    return alice.post("/api/v1/keys", json={"name": "SDK"}).json()["key"]


def is_mp4(content: bytes) -> bool:
    return content[4:8] == b"ftyp"


def is_jpeg(content: bytes) -> bool:
    return content[:2] == b"\xff\xd8"


class TestPython:
    @pytest.fixture
    def sdk(self, service, key):
        with openai_sdk.client(key, url=service.url) as sdk:
            yield sdk

    def test_makes_a_video_of_an_image(self, sdk, alice):
        polls: list[float] = []
        sdk._client.event_hooks["response"] = [lambda response: polls.append(time.monotonic())]
        video = sdk.videos.create_and_poll(
            prompt="A kite [[slow:4]]",
            model=VEO,
            size="1280x720",
            seconds="4",
            input_reference=("first.png", picture("PNG").read()),
            extra_body=MOCK | {"private": True, "seed": 7},
        )
        assert (video.status, video.progress, video.error) == ("completed", 100, None)
        gaps = [later - earlier for earlier, later in itertools.pairwise(polls[1:])]
        assert gaps
        assert min(gaps) >= POLL
        assert is_mp4(sdk.videos.download_content(video.id).read())
        assert is_jpeg(sdk.videos.download_content(video.id, variant="thumbnail").read())
        assert self.job(alice, video.id)["inputs"]["initialImage"] is True
        assert sdk.videos.delete(video.id).deleted
        assert list(sdk.videos.list()) == []

    def job(self, alice: ApiClient, id: str) -> dict[str, Any]:
        job = alice.job(id)
        assert (job["private"], job["seed"], job["status"]) == (True, 7, "SUCCEEDED")
        return job

    def test_failed_video_has_its_error(self, sdk):
        video = sdk.videos.create_and_poll(
            prompt="A kite [[fail:safety]]", model=VEO, extra_body=MOCK
        )
        assert (video.status, video.error.code) == ("failed", "safety.output")


class TestDocumentation:
    @pytest.fixture
    def program(self, service, tmp_path):
        """Writes the page's example that contains `text`, as a program for the service at `url`."""

        def program(text: str, url: str = service.url) -> Path:
            [example] = [block.text for block in blocks(PAGE) if text in block.text]
            file = tmp_path / "example.py"
            file.write_text(example.replace("http://localhost:8000", url))
            return file

        return program

    @pytest.fixture
    def run(self, key, tmp_path):
        def run(*command: str | Path) -> str:
            done = subprocess.run(
                command,
                cwd=tmp_path,
                env={"PATH": os.defpath, "STUDIO_KEY": key, "NO_PROXY": "*", "HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=100,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        return run

    def test_every_example_has_a_test(self):
        python = [block.text for block in blocks(PAGE) if block.language == "python"]
        names = ["create_and_poll", "uuid4", "FastMCP"]
        assert [[name for name in names if name in text] for text in python] == [
            [name] for name in names
        ]

    def test_example_makes_a_video(self, program, run, tmp_path):
        seen = run(sys.executable, "-W", "ignore", program("create_and_poll"))
        assert seen == "completed 1280x720\n"
        assert is_mp4((tmp_path / "video.mp4").read_bytes())
        assert is_jpeg((tmp_path / "poster.jpg").read_bytes())

    def test_example_of_retries_orders_one_video_though_its_answer_is_lost(
        self, service, alice, program, run
    ):
        with Proxy(service.url) as proxy:
            proxy.once("POST /v1/videos", lose_answer)
            seen = run(sys.executable, "-W", "ignore", program("uuid4", proxy.url))
            assert [name for name, _ in proxy.seen] == ["POST /v1/videos"] * 2
        [job] = alice.get("/api/v1/video-jobs").json()["jobs"]
        assert seen == f"{job['id']}\n"

    def test_example_of_mcp_makes_a_video(self, program, run):
        server = program("FastMCP")
        seen = json.loads(run(mcp_tools.python(), HERE / "mcp_video.py", server))
        assert {"createVideoJob", "getVideoJob", "listVideoModels"} <= set(seen["tools"])
        assert not [name for name in seen["tools"] if "OpenAI" in name]
        assert seen["status"] == "SUCCEEDED"
        assert seen["video"].endswith(".mp4")

    def test_error_is_what_the_service_sends(self, service, key):
        shown = next(block for block in blocks(PAGE) if block.language == "json")
        headers = {"Authorization": f"Bearer {key}"}
        order = MOCK | {"prompt": "A kite", "model": VEO, "size": "1024x1792"}
        answer = ApiClient(service.url).post("/v1/videos", json=order, headers=headers)
        assert answer.json() == json.loads(shown.text)


class TestNode:
    def test_makes_a_video_of_an_image(self, service, key, tmp_path):
        node_tools.link_packages(tmp_path)
        program = tmp_path / "openai_video.mjs"
        program.write_text((HERE / "openai_video.mjs").read_text())
        image = tmp_path / "first.png"
        image.write_bytes(picture("PNG").read())
        output = node_tools.run_script(program, f"{service.url}/v1", key, VEO, image, cwd=tmp_path)
        seen = json.loads(output)
        assert seen["statuses"][-1] == "completed"
        assert seen["pace"] == ["3000"]
        assert is_mp4(bytes(seen["video"]))
        assert is_jpeg(bytes(seen["thumbnail"]))
        assert seen["refused"] == [400, "size", "invalid"]
        assert seen["listed"] == [seen["id"]]
        assert seen["deleted"] is True
        assert seen["missing"] == [404, "not_found"]
