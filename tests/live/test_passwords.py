"""Passwords under simultaneous requests to two web processes, with mails as files."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.client import ApiClient
from tests.live.test_concurrency import at_once, statuses
from tests.stack import Stack, until

pytestmark = pytest.mark.live

PASSWORD = "tall ships at anchor"


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    return tmp_path_factory.mktemp("mails")


@pytest.fixture(scope="module")
def studio(mails):
    limits = {"THROTTLE_AUTH": "1000/min", "THROTTLE_LOGIN_NAME": "1000/min"}
    env = {"WEB_CONCURRENCY": "2", "EMAIL_URL": f"file:///{mails}"}
    with Stack(clusters=0, env=env | limits) as stack:
        yield stack


@pytest.fixture
def alice(studio, request):
    """A user of this test alone, logged in."""
    client = ApiClient(studio.url)
    client.register(request.node.name[:30], PASSWORD)
    client.sign_in(request.node.name[:30], PASSWORD)
    return client


def test_one_of_many_changes_succeeds(alice):
    def change(number: int):
        body = {"currentPassword": PASSWORD, "newPassword": f"another ship {number}"}
        return alice.post("/api/v1/auth/password", json=body)

    answers = at_once(*[lambda number=number: change(number) for number in range(8)])
    assert statuses(answers)[200] == 1
    assert set(statuses(answers)) <= {200, 400, 401}  # 401: its token had stopped already


def test_mailed_link_works_once(alice, studio, mails, request):
    address = f"{request.node.name[:30]}@example.com"
    assert alice.post("/api/v1/auth/password/reset", json={"email": address}).status_code == 204
    assert until(lambda: [*mails.glob("*.log")], 20)
    [file] = mails.glob("*.log")
    assert until(lambda: "token=" in file.read_text(), 20)
    text = file.read_text().replace("=\n", "").replace("=3D", "=")
    link = re.search(r"http\S+", text)
    assert link
    assert link[0].startswith(f"{studio.url}/account/password?token=")
    token = parse_qs(urlsplit(link[0]).query)["token"][0]

    def reset(number: int):
        body = {"token": token, "newPassword": f"another ship {number}"}
        return alice.post("/api/v1/auth/password/reset/confirm", json=body)

    answers = at_once(*[lambda number=number: reset(number) for number in range(8)])
    assert statuses(answers) == {204: 1, 400: 7}
    assert alice.get("/api/v1/auth/me").status_code == 401
