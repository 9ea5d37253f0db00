"""`manage.py demo`, started as the Makefile does: with a key and a file for its database."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.postgres import free_port
from tests.run import ENVIRONMENT, PROJECT
from tests.stack import until

pytestmark = pytest.mark.live


@pytest.fixture
def demo(tmp_path):
    """Starts `manage.py demo` with `arguments`; its processes are known by a mark."""
    mark = f"TEST_DEMO={tmp_path}"
    env = ENVIRONMENT | dict([mark.split("=", 1)]) | {"MOCK_SECONDS": "1", "LOG_FORMAT": "text"}
    env |= {"DATABASE_URL": f"sqlite:///{tmp_path / 'demo.sqlite3'}", "TMPDIR": str(tmp_path)}
    env |= {"MEDIA_ROOT": str(tmp_path / "media"), "PYTHONUNBUFFERED": "1"}

    def start(*arguments):
        return subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=PROJECT,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    yield start
    assert until(lambda: not _marked(mark.encode()), seconds=30), "a process was left"


def _marked(mark):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                if mark in environ.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


class TestDemo:
    def test_makes_a_video_and_ends_and_does_so_again(self, demo):
        for balance in ("450", "900"):
            process = demo("--once", "--port", str(free_port()))
            said, _ = process.communicate(timeout=120)
            assert process.returncode == 0, said
            assert "☁️  Calling Google Veo API..." in said
            assert "An MP4 of 1280 x 720, 8 seconds" in said
            assert f"charge        -50  balance    {balance}" in said
            assert "/admin/" in said
            assert "/video-monitor" in said

    def test_names_a_busy_port_in_one_line(self, demo):
        with socket.socket() as taken:
            taken.bind(("0.0.0.0", 0))
            taken.listen()
            process = demo("--once", "--port", str(taken.getsockname()[1]))
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert len(said.splitlines()) == 1
        assert "PORT=" in said

    def test_stays_up_until_ctrl_c_which_ends_every_child(self, demo):
        process = demo("--port", str(free_port()))
        assert process.stdout
        for line in process.stdout:
            if "Ctrl-C" in line:
                break
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "Traceback" not in said
