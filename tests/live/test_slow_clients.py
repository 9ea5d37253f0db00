"""Two hundred slow clients of each kind: all others are answered within a second."""

import contextlib
import io
import json
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from PIL import Image

from tests.client import ApiClient
from tests.slow_clients import BODY, HEAD, KINDS, READER, slow_clients
from tests.stack import Stack

pytestmark = pytest.mark.live

CLIENTS = 200
SECONDS = 1.0
ROUNDS = 4


@pytest.fixture(scope="module")
def studio():
    env = {"VIDEO_MAX_ACTIVE_JOBS": "1000", "WEB_CONCURRENCY": "2"}
    with Stack(clusters=0, env=env) as stack:
        yield stack


@pytest.fixture(scope="module")
def alice(studio):
    return studio.user("alice", tokens=100_000)


@pytest.fixture(scope="module")
def video(studio):
    """The path of a video of 20 MB."""
    name = f"ai_studio/videos/{uuid.uuid4()}.mp4"
    file = Path(studio.env["MEDIA_ROOT"]) / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(os.urandom(20_000_000))
    return f"/media/{name}"


@pytest.fixture(scope="module")
def picture():
    content = io.BytesIO()
    Image.frombytes("RGB", (300, 300), os.urandom(270_000)).save(content, "PNG")
    return ("first.png", content.getvalue(), "image/png")


def slowest(alice, picture):
    """The seconds of the slowest answer to polls, orders with an image, and pages."""
    job = alice.create(prompt="A kite").json()["id"]
    took = []

    def ask(call):
        began = time.monotonic()
        assert call().status_code in (200, 202)
        took.append(time.monotonic() - began)

    for _ in range(ROUNDS):
        ask(lambda: alice.get(f"/api/v1/video-jobs/{job}"))
        ask(lambda: alice.create(prompt="A boat", files={"initialImage": picture}))
        ask(lambda: alice.get("/video-monitor"))
    return max(took)


def access(user):
    return user.headers["Authorization"].split()[1]


@pytest.mark.alone
@pytest.mark.parametrize("kinds", [(HEAD,), (BODY,), (READER,), KINDS], ids="-".join)
def test_other_clients_are_answered_within_a_second(studio, alice, video, picture, kinds):
    slowest(alice, picture)  # the first requests of a process load modules
    counts = dict.fromkeys(kinds, CLIENTS)
    with slow_clients(studio.url, counts=counts, access=access(alice), video=video):
        assert slowest(alice, picture) < SECONDS


ORDER = b"POST /v1/videos HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n"
CHUNKED = ORDER + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "blank lines": (b"", b"\r\n"),
    "blank lines with a space": (b"", b" \r\n\r\n"),
    "chunks of one byte": (CHUNKED, b"1\r\na\r\n"),
}


@pytest.mark.alone
@pytest.mark.parametrize("flood", FLOODS)
def test_floods_of_what_is_no_request_delay_nobody(studio, alice, picture, flood):
    """Twenty clients without a login send 2 MB each, which is slow to read in small parts."""
    begin, part = FLOODS[flood]
    sent = begin + part * (2_000_000 // len(part))
    slowest(alice, picture)

    def send():
        parts = urlsplit(studio.url)
        address = (parts.hostname, parts.port)
        with (
            socket.create_connection(address, 10) as connection,
            contextlib.suppress(OSError),  # closed, or not read in time
        ):
            connection.sendall(sent)

    clients = [threading.Thread(target=send) for _ in range(20)]
    for client in clients:
        client.start()
    assert slowest(alice, picture) < SECONDS
    for client in clients:
        client.join()


class TestErrorsOfTheWebServer:
    """Before Django is called; JSON under /api/."""

    def answer(self, studio, sent):
        parts = urlsplit(studio.url)
        with socket.create_connection((parts.hostname, parts.port), 10) as connection:
            connection.sendall(sent.replace(b"HOST", parts.netloc.encode()))
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
        head, _, body = answer.decode().partition("\r\n\r\n")
        return head.split()[1], head.lower(), body

    @pytest.mark.parametrize(
        ("status", "code", "request_"),
        [
            ("400", "malformed", b"GET /api/v1/video-jobs HTTP/1.1\r\nno header\r\n\r\n"),
            ("400", "malformed", b"GET http://HOST/api/v1/x HTTP/1.1\r\nno header\r\n\r\n"),
            ("414", "uri_too_long", b"GET /api/v1/" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n"),
            ("414", "uri_too_long", b"GET /api/v1/" + b"a" * 5_000),
            (
                "431",
                "headers_too_large",
                b"GET /api/v1/x HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
            ),
            (
                "431",
                "headers_too_large",
                b"GET /api/v1/x HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
            ),
        ],
    )
    def test_under_api_they_are_json(self, studio, status, code, request_):
        seen, head, body = self.answer(studio, request_)
        assert seen == status
        assert "content-type: application/json" in head
        assert "connection: close" in head
        problem = json.loads(body)
        assert (problem["code"], problem["field"]) == (code, None)
        [error] = problem["errors"]
        assert error == {"field": None, "message": problem["detail"], "code": code}

    def test_elsewhere_they_are_text(self, studio):
        seen, head, body = self.answer(studio, b"GET /" + b"a" * 5_000 + b" HTTP/1.1\r\n\r\n")
        assert (seen, body) == ("414", "414 URI Too Long\n")
        assert "content-type: text/plain" in head

    def test_chunked_body_needs_a_length(self, studio, alice):
        head = f"Host: HOST\r\nAuthorization: Bearer {access(alice)}\r\nTransfer-Encoding: chunked"
        sent = f"POST /api/v1/video-jobs HTTP/1.1\r\n{head}\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
        seen, head, body = self.answer(studio, sent.encode())
        assert seen == "411"
        assert json.loads(body)["code"] == "length_required"
        assert "connection: close" in head


class TestAnswersBeforeTheBody:
    """The client gets the answer, though it is still sending."""

    def test_body_of_seventy_megabytes(self, alice):
        answer = alice.post("/api/v1/video-jobs", data=bytes(70_000_000))
        assert answer.status_code in (413, 415)
        assert answer.headers["Connection"] == "close"

    def test_large_body_without_login(self, studio):
        answer = ApiClient(studio.url).post("/api/v1/video-jobs", data=bytes(20_000_000))
        assert answer.status_code == 401
        assert answer.headers["Connection"] == "close"

    def test_form_with_many_files_keeps_its_connection(self, studio, alice):
        files = [("referenceImages", (f"{n}.png", bytes(10_000))) for n in range(25)]
        headers = {"Authorization": alice.headers["Authorization"]}
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(3):
                answer = session.post(
                    f"{studio.url}/api/v1/video-jobs", files=files, headers=headers, timeout=10
                )
                assert answer.status_code == 400
                assert "at most 20 files" in answer.json()["detail"]
                assert "Connection" not in answer.headers
