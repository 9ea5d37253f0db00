"""The commands on the front page make a video."""

import html
import re
import subprocess

import pytest
import requests

pytestmark = [pytest.mark.live, pytest.mark.once]

ACCOUNT = ("first-minute", "correct-horse-battery")


@pytest.fixture
def commands(service):
    """The commands, with the name and the password of a new user."""
    name, password = ACCOUNT
    body = {"username": name, "password": password, "email": f"{name}@example.com"}
    requests.post(f"{service.url}/api/v1/auth/register", json=body, timeout=30).raise_for_status()
    page = requests.get(service.url, timeout=30).text
    found = re.findall(r"<pre[^>]*><code>(.*?)</code></pre>", page, re.DOTALL)
    return [
        html.unescape(each).replace("NAME", name).replace("PASSWORD", password) for each in found
    ]


def test_commands_of_the_front_page_make_a_video(service, commands):
    *first, poll = commands
    repeat = f"until {poll} | grep SUCCEEDED; do sleep 1; done"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join([*first, repeat])],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert '"cloudinaryUrl":"http' in done.stdout
