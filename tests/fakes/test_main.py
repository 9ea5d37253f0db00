"""The fake services as processes of their own, as the benchmarks run them."""

import subprocess
import sys

import pytest
import requests

from tests.run import PROJECT

pytestmark = [pytest.mark.once, pytest.mark.slow]


@pytest.mark.parametrize(
    "arguments", [("vertex", "--seconds", "2", "--video-bytes", "100000"), ("cloudinary",)]
)
def test_fake_service_answers_until_sigterm(arguments):
    command = [sys.executable, "-m", "tests.fakes", *arguments]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = process.stdout.readline().split()[1]
        assert requests.get(url, timeout=10).status_code == 404
        process.terminate()
        assert process.wait(timeout=5) == 0
