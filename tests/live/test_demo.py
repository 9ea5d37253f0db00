"""`make demo`: the command behind it, in the environment that the Makefile gives it."""

import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jobs.providers.mock import SAMPLES
from tests.client import ApiClient
from tests.fakes import VertexImitation
from tests.postgres import free_port
from tests.processes import alive
from tests.run import PROJECT
from tests.stack import until

pytestmark = [pytest.mark.live, pytest.mark.once]

ORIGIN = {"Origin": "http://localhost:3000"}
INTERRUPTED = """
import os, signal, sys
sys.path.insert(0, os.getcwd())
from manage import main
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
main()
"""


class Demo:
    """One run of the command, in a folder of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        port: int = 0,
        program: str = "manage.py",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.mark = f"TEST_DEMO={secrets.token_hex(8)}"
        self.port = port or free_port()
        self.log = folder / "said.txt"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, program, "demo", "--port", str(self.port), *arguments],
                cwd=PROJECT,
                env={
                    "PATH": "/usr/bin:/bin",
                    "SECRET_KEY": secrets.token_hex(32),
                    "ALLOWED_HOSTS": "localhost,127.0.0.1",
                    "HTTPS_ONLY": "false",
                    "LOG_FORMAT": "text",
                    "DATABASE_URL": f"sqlite:///{folder / 'demo.sqlite3'}",
                    # The rest keeps the test out of this checkout and of /tmp, and finds its own.
                    "MEDIA_ROOT": str(folder / "media"),
                    "TMPDIR": str(folder),
                    "MOCK_SECONDS": "2",
                    "PYTHONUNBUFFERED": "1",
                    **dict([self.mark.split("=")]),
                    **(env or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # As in a terminal; a shell has what it starts in the background ignore it.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        assert until(lambda: text in self.said or self.process.poll() is not None, seconds=60)
        assert text in self.said, self.said

    def ends(self) -> int:
        """The exit code, once the command has ended; soon after no process of its may be left."""
        code = self.process.wait(timeout=60)
        assert until(lambda: not alive(self.mark), seconds=35), alive(self.mark)
        return code


@pytest.fixture
def start(tmp_path):
    """Starts the command; a failed test shows what it said."""
    started = []

    def start(*arguments: str, **options: Any) -> Demo:
        started.append(Demo(tmp_path, *arguments, **options))
        return started[-1]

    yield start
    for demo in started:
        print(demo.said)
        demo.process.kill()
        assert demo.ends() is not None


@pytest.fixture
def sign_in():
    """Waits until a demo is running, and signs its user in."""

    def sign_in(demo: Demo) -> ApiClient:
        demo.wait_for("Running. Ctrl-C ends it.")
        client = ApiClient(f"http://localhost:{demo.port}")
        [password] = re.findall(r"demo / (\S+)", demo.said)
        client.sign_in("demo", password)
        return client

    return sign_in


class TestOnce:
    def test_demo_makes_a_video_shows_it_and_ends(self, start, tmp_path):
        demo = start("--once")
        assert demo.ends() == 0, demo.said
        base = f"http://localhost:{demo.port}"
        for said in [
            rf"Monitor +{base}/video-monitor",
            rf"API docs +{base}/api/v1/docs +demo / \S+",
            rf"Admin +{base}/admin/ +admin / \S+",
            r"API key +vsk_\w{8}_\w{43}",
            r"Job [0-9a-f-]{36}: A cinematic shot of a sunset over mountains",
            r"\d\d:\d\d:\d\d +📝 Job created",
            r"\d\d:\d\d:\d\d +🚀 Starting video generation",
            r"\d\d:\d\d:\d\d +☁️  Calling Google Veo API\.\.\.",
            r"\[#*\.*\] +\d+ %",
            r"\d\d:\d\d:\d\d +✅ Video generation completed successfully!",
            r"An MP4 of \d[\d,]+ bytes:",
            rf"{base}/media/ai_studio/videos/[0-9a-f-]{{69}}\.mp4",
            r"The ledger's last lines:",
            r"charge +-50 +balance +450",
            r"grant +500 +balance +500",
        ]:
            assert re.search(said, demo.said), said
        assert "Traceback" not in demo.said
        assert not [*tmp_path.glob("videostudio-demo-*")]
        with sqlite3.connect(tmp_path / "demo.sqlite3") as database:
            checks = database.execute("SELECT completed, findings FROM tokens_ledger_ledgercheck")
            assert checks.fetchall()[:1] == [(1, 0)]


class TestFrontEnd:
    """A page of another origin that sends no `mockMode`, as the integration guide's client."""

    def test_mock_mode_is_required_where_real_videos_are_made(self, start, sign_in):
        sample = (SAMPLES / "720p-16x9-8s-audio.mp4").read_bytes()
        with VertexImitation(seconds=1, video=lambda record: sample) as google:
            veo = {
                "GOOGLE_API_KEY": "test-google-key",
                "GOOGLE_CLOUD_PROJECT": "test-project",
                "GOOGLE_VERTEX_BASE_URL": google.url,
            }
            client = sign_in(start("--no-mock", env=veo))
            answer = client.create(prompt="A kite", mockMode=None, headers=ORIGIN)
            assert answer.status_code == 400
            assert answer.json()["detail"] == "Mock mode is required"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert [job["mockMode"] for job in client.get("/api/v1/video-jobs").json()["jobs"]] == [
                False
            ]

    def test_settings_of_the_operator_are_kept(self, start, sign_in):
        env = {
            "CORS_ALLOWED_ORIGINS": "https://app.example.com",
            "VIDEO_DEFAULT_MOCK_MODE": "false",
        }
        client = sign_in(start(env=env))
        answer = client.create(prompt="A kite", mockMode=None, headers=ORIGIN)
        assert answer.json()["code"] == "provider.not_configured"
        assert "Access-Control-Allow-Origin" not in answer.headers


class TestBusyPort:
    def test_busy_port_is_reported_in_one_line(self, start):
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = busy.getsockname()[1]
            demo = start("--once", port=port)
            assert demo.ends() == 1
        [line] = demo.said.splitlines()
        assert f"Port {port} cannot be used" in line
        assert "make demo PORT=" in line


class TestSignals:
    def test_demo_serves_pages_and_front_ends_until_ctrl_c(self, start, sign_in):
        demo = start()
        web = sign_in(demo)
        assert web.get("/video-monitor").status_code == 200
        assert web.get("/api/v1/docs").status_code == 200
        assert web.get("/api/v1/tokens").json()["availableTokens"] == 450
        [key] = re.findall(r"API key +(\S+)", demo.said)
        program = ApiClient(web.url, key)
        assert program.get("/api/v1/tokens").json()["availableTokens"] == 450
        answer = web.create(prompt="A kite", mockMode=None, headers=ORIGIN)
        assert answer.status_code == 202, answer.text
        assert answer.json()["mockMode"] is True
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        demo.process.send_signal(signal.SIGINT)
        assert demo.ends() == 0
        assert "Ended." in demo.said
        assert "Traceback" not in demo.said

    def test_ctrl_c_while_a_video_is_made_ends_all_processes(self, start):
        demo = start("--once")
        demo.wait_for("Job ")
        assert len(alive(demo.mark)) >= 8  # it, gunicorn and two, the cluster and its three
        demo.process.send_signal(signal.SIGINT)
        assert demo.ends() == 0
        assert "Traceback" not in demo.said

    def test_ctrl_c_before_the_service_is_ready_ends_all_processes(self, start):
        demo = start("--once")
        assert until(lambda: len(alive(demo.mark)) > 1, seconds=30)
        demo.process.send_signal(signal.SIGINT)
        demo.ends()
        assert "Traceback" not in demo.said

    def test_ctrl_c_while_a_process_is_forked_ends_all_processes(self, start, tmp_path):
        program = tmp_path / "manage.py"
        program.write_text(INTERRUPTED)
        demo = start(program=str(program))
        assert demo.ends() == 0
        assert demo.said.strip() == "Ended."

    def test_sigterm_ends_all_processes(self, start):
        """SIGKILL does too: the fixture `start` kills each demo and waits for its processes."""
        demo = start()
        demo.wait_for("Monitor")
        demo.process.send_signal(signal.SIGTERM)
        assert demo.ends() == 0
