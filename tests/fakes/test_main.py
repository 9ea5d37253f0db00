"""The fake servers as processes."""

import contextlib
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen, str]]:
    command = [sys.executable, "-m", "tests.fakes", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield process, process.stdout.readline().split()[1]
        finally:
            process.kill()


@pytest.mark.parametrize(
    "arguments",
    [("vertex", "--seconds", "0.5,2", "--video-bytes", "100000"), ("cloudinary",)],
)
def test_serves_until_sigterm(arguments):
    with running(*arguments) as (process, url):
        with urllib.request.urlopen(f"{url}/_records") as answer:
            assert json.load(answer)["errors"] == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=5) == 0
