"""`make demo`: the command behind it, in the environment that the Makefile gives it."""

import os
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

from jobs.management.commands.demo import settings_of_services
from tests.client import ApiClient
from tests.fakes import VertexImitation
from tests.postgres import free_port
from tests.processes import alive
from tests.run import PROJECT, SQLITE, fresh_database
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

SLOW_FORKS = """
import multiprocessing, time
real = multiprocessing.Process.start
multiprocessing.Process.start = lambda self: (time.sleep(1), real(self))
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

    def cluster(self) -> set[int]:
        return {pid for pid, line in alive(self.mark).items() if "qcluster" in line}

    def sign_in(self) -> ApiClient:
        client = ApiClient(f"http://localhost:{self.port}")
        [password] = re.findall(r"demo / (\S+)", self.said)
        client.sign_in("demo", password)
        return client

    def ends(self) -> int:
        """The exit code, once the command has ended; soon after no process of its may be left."""
        code = self.process.wait(timeout=60)
        assert until(lambda: not alive(self.mark), seconds=35), alive(self.mark)
        return code


@pytest.fixture
def start(tmp_path):
    """Starts the command, on a migrated database; a failed test shows what it said."""
    started: list[Demo] = []

    def start(*arguments: str, env: Mapping[str, str] | None = None, **options: Any) -> Demo:
        env = {"DATABASE_URL": url} | dict(env or {})
        started.append(Demo(tmp_path, *arguments, env=env, **options))
        return started[-1]

    with fresh_database(SQLITE) as url:
        yield start
        for demo in started:
            print(demo.said)
            demo.process.kill()
            assert demo.ends() is not None


class TestOnce:
    def test_demo_makes_a_video_shows_it_and_ends(self, start, tmp_path):
        database = tmp_path / "demo.sqlite3"
        demo = start("--once", env={"DATABASE_URL": f"sqlite:///{database}"})
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
            r"The last ledger entries:",
            r"charge +-50 +balance +450",
            r"grant +500 +balance +500",
        ]:
            assert re.search(said, demo.said), said
        assert "Traceback" not in demo.said
        assert not [*tmp_path.glob("videostudio-demo-*")]
        with sqlite3.connect(database) as connection:
            checks = connection.execute("SELECT completed, findings FROM tokens_ledger_ledgercheck")
            assert checks.fetchall()[:1] == [(1, 0)]


class TestSettings:
    def test_settings_of_the_operator_are_kept(self, settings):
        settings.CORS_ALLOWED_ORIGINS = ["https://app.example.com"]
        settings.VIDEO_DEFAULT_MOCK_MODE = False
        settings.WEBHOOK_ALLOWED_HOSTS = ["hooks.example.com"]
        assert settings_of_services(mock=True) == {}


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
    """ORIGIN is that of a page that sends no `mockMode`, as the integration guide's client."""

    def test_demo_serves_pages_and_survives_a_killed_process_until_ctrl_c(self, start):
        demo = start()
        demo.wait_for("Running. Ctrl-C ends it.")
        web = demo.sign_in()
        assert web.get("/video-monitor").status_code == 200
        assert web.get("/api/v1/docs").status_code == 200
        assert web.get("/api/v1/tokens").json()["availableTokens"] == 450
        [key] = re.findall(r"API key +(\S+)", demo.said)
        program = ApiClient(web.url, key)
        assert program.get("/api/v1/tokens").json()["availableTokens"] == 450
        before = demo.cluster()
        os.kill(max(before), signal.SIGKILL)
        assert until(lambda: demo.cluster() - before, seconds=20)
        answer = web.create(prompt="A kite", mockMode=None, headers=ORIGIN)
        assert answer.status_code == 202, answer.text
        assert answer.json()["mockMode"] is True
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert web.wait(answer.json()["id"])["status"] == "SUCCEEDED"
        demo.process.send_signal(signal.SIGINT)
        assert demo.ends() == 0
        assert "Ended." in demo.said
        assert "Traceback" not in demo.said

    def test_real_videos_need_mock_mode_and_sigterm_ends_all_processes_meanwhile(self, start):
        """SIGKILL does too: the fixture `start` kills each demo and waits for its processes."""
        with VertexImitation(seconds=60) as google:
            veo = {
                "GOOGLE_API_KEY": "test-google-key",
                "GOOGLE_CLOUD_PROJECT": "test-project",
                "GOOGLE_VERTEX_BASE_URL": google.url,
            }
            demo = start("--no-mock", env=veo)
            demo.wait_for("Job ")
            client = demo.sign_in()
            answer = client.create(prompt="A kite", mockMode=None, headers=ORIGIN)
            assert answer.status_code == 400
            assert answer.json()["detail"] == "Mock mode is required"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            jobs = client.get("/api/v1/video-jobs").json()["jobs"]
            assert [(job["mockMode"], job["completedAt"]) for job in jobs] == [(False, None)]
            assert len(alive(demo.mark)) >= 8  # it, gunicorn and two, the cluster and its three
            demo.process.send_signal(signal.SIGTERM)
            assert demo.ends() == 0
            assert "Traceback" not in demo.said

    def test_ctrl_c_before_the_service_is_ready_ends_all_processes(self, start):
        demo = start("--once")
        assert until(lambda: len(alive(demo.mark)) > 1, seconds=30)
        demo.process.send_signal(signal.SIGINT)
        demo.ends()
        assert "Traceback" not in demo.said

    def test_ctrl_c_before_honcho_has_started_both_processes_ends_all(self, start, tmp_path):
        (tmp_path / "sitecustomize.py").write_text(SLOW_FORKS)
        demo = start("--once", env={"PYTHONPATH": str(tmp_path)})
        assert until(lambda: "gunicorn" in str(alive(demo.mark)), seconds=30)  # not the worker yet
        demo.process.send_signal(signal.SIGINT)
        assert demo.ends() == 0

    def test_ctrl_c_while_a_process_is_forked_ends_all_processes(self, start, tmp_path):
        program = tmp_path / "manage.py"
        program.write_text(INTERRUPTED)
        demo = start(program=str(program))
        assert demo.ends() == 0
        assert demo.said.strip() == "Ended."
