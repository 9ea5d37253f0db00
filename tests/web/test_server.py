"""The web server's limits on time and size, without Django: a real server within this process."""

import contextlib
import logging
import socket
import threading
import time
from typing import Any

import pytest
from waitress import wasyncore

from tests.slow_clients import is_closed
from videostudio.web import channel, worker
from videostudio.web.dispatcher import Dispatcher
from videostudio.web.worker import Server

pytestmark = [pytest.mark.once, pytest.mark.slow]

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"


def application(environ, start_response):
    """Answers the length of the body it can read, or 40 MB, or no body."""
    read = len(environ["wsgi.input"].read())
    path = environ["PATH_INFO"]
    if path == "/nothing":
        start_response("204 No Content", [])
        return []
    if path == "/parts":
        start_response("200 OK", [])
        return iter([b"one ", b"two"])
    if path == "/breaks":
        raise ValueError
    body = bytes(40_000_000) if path == "/large" else str(read).encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("ETag", "x")])
    return [body]


@pytest.fixture
def server():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sockets: dict[int, Any] = {}
        dispatcher = Dispatcher(2)
        server = Server(
            application=application,
            listener=listener,
            map=sockets,
            dispatcher=dispatcher,
            backlog=100,
        )
        over = threading.Event()

        def serve():
            while not over.is_set():
                server.next_channel_cleanup = 0  # the limits below are shorter than a second
                wasyncore.poll2(0.05, sockets)

        loop = threading.Thread(target=serve)
        loop.start()
        yield server
        over.set()
        loop.join()
        dispatcher.shutdown(1)
        for channel in list(server.active_channels.values()):
            channel.abort()
        wasyncore.close_all(sockets)


@pytest.fixture
def connect(server):
    with contextlib.ExitStack() as opened:

        def connect(sent):
            address = ("127.0.0.1", int(server.effective_port))
            connection = opened.enter_context(socket.create_connection(address, 5))
            connection.sendall(sent)
            return connection

        yield connect


def answer(connection, until=b"\r\n\r\n"):
    """What arrives, up to the end of `until`."""
    got = b""
    while until not in got:
        data = connection.recv(65_536)
        assert data, got
        got += data
    return got.decode()


def post(length, sent=b"", path="/"):
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + sent


class TestTime:
    def test_slow_head_is_closed_though_it_continues(self, connect, monkeypatch):
        monkeypatch.setattr(channel, "HEAD_SECONDS", 0.6)
        slow = connect(b"GET / HTTP/1.1\r\n")
        assert not is_closed(slow, 0.3)
        slow.sendall(b"X: 1\r\n")
        assert is_closed(slow, 1)

    def test_idle_connection_is_closed(self, connect, monkeypatch):
        monkeypatch.setattr(channel, "HEAD_SECONDS", 0.3)
        idle = connect(HELLO)
        assert answer(idle, b"0").startswith("HTTP/1.1 200 OK")
        assert is_closed(idle, 1)

    def test_body_is_closed_once_it_stops(self, connect, monkeypatch):
        monkeypatch.setattr(channel, "HEAD_SECONDS", 0.1)
        monkeypatch.setattr(channel, "BODY_SECONDS", 0.6)
        slow = connect(post(100, b"half"))
        for _ in range(4):
            assert not is_closed(slow, 0.3)
            slow.sendall(b"x")
        assert is_closed(slow, 1.5)

    def test_body_is_closed_after_its_whole_time(self, connect, monkeypatch):
        monkeypatch.setattr(channel, "REQUEST_SECONDS", 0.5)
        slow = connect(post(100, b"half"))
        assert not is_closed(slow, 0.3)
        slow.sendall(b"x")
        assert is_closed(slow, 1)

    def test_reader_is_closed_once_it_stops(self, server, connect, monkeypatch):
        monkeypatch.setattr(channel, "ANSWER_SECONDS", 0.3)
        connect(HELLO.replace(b"/hello", b"/large"))
        end = time.monotonic() + 5
        seen = 0
        while (now := len(server.active_channels)) or not seen:
            seen = seen or now
            assert time.monotonic() < end
            time.sleep(0.02)


class TestSize:
    def test_incomplete_bodies_are_bounded_in_all(self, connect, monkeypatch):
        monkeypatch.setattr(worker, "MAX_BODIES_BYTES", 500_000)
        small = connect(post(900_000, bytes(200_000)))
        large = connect(post(900_000, bytes(400_000)))
        assert is_closed(large, 2)
        assert not is_closed(small, 0.3)

    def test_full_folder_for_bodies_is_503(self, connect, monkeypatch):
        def full(*arguments, **named):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("waitress.buffers.TemporaryFile", full, raising=False)
        monkeypatch.setattr("tempfile.TemporaryFile", full)
        seen = answer(connect(post(100_000, bytes(100_000), "/api/v1/video-jobs")), b"}")
        assert seen.startswith("HTTP/1.1 503 Service Unavailable")
        assert '"code": "unavailable"' in seen
        assert "Retry-After: 5" in seen


class TestConnection:
    """It stays open after each whole answer."""

    def test_after_no_content(self, connect):
        kept = connect(HELLO.replace(b"hello", b"nothing"))
        seen = answer(kept)
        assert "Connection" not in seen
        assert "Content-Length" not in seen
        kept.sendall(HELLO)
        assert "ETag: x" in answer(kept)  # a header's name is not changed

    def test_after_parts(self, connect):
        kept = connect(HELLO.replace(b"hello", b"parts"))
        seen = answer(kept, b"0\r\n\r\n")
        assert "Transfer-Encoding: chunked" in seen
        assert "4\r\none \r\n3\r\ntwo\r\n" in seen
        kept.sendall(HELLO)
        assert answer(kept, b"0").startswith("HTTP/1.1 200")

    def test_head_of_parts_has_no_body(self, connect):
        kept = connect(HELLO.replace(b"GET /hello", b"HEAD /parts"))
        assert answer(kept).endswith("\r\n\r\n")
        kept.sendall(HELLO)
        assert answer(kept, b"0").startswith("HTTP/1.1 200")

    def test_old_client_that_asks_for_it(self, connect):
        asked = HELLO.replace(b"1.1", b"1.0").replace(
            b"\r\n\r\n", b"\r\nConnection: Keep-Alive\r\n\r\n"
        )
        assert "Connection: keep-alive" in answer(connect(asked))
        assert is_closed(connect(HELLO.replace(b"1.1", b"1.0")), 1)

    def test_server_that_stops_says_that_it_closes(self, server, connect):
        kept = connect(b"")
        server.stopping = True
        kept.sendall(HELLO)
        assert "Connection: close" in answer(kept)

    def test_failed_application_is_500(self, connect):
        seen = answer(connect(HELLO.replace(b"/hello", b"/breaks")), b"500 Internal Server Error\n")
        assert "Connection: close" in seen


class TestChunks:
    HEAD = (
        b"POST /v1/videos HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )

    @pytest.mark.parametrize("size", [100, 5_000, 70_000])
    def test_chunks_of_usual_sizes_are_read(self, connect, size):
        chunk = b"%x\r\n%s\r\n" % (size, bytes(size))
        number = 1_000_000 // size
        seen = answer(
            connect(self.HEAD + chunk * number + b"0\r\n\r\n"), str(size * number).encode()
        )
        assert seen.startswith("HTTP/1.1 200 OK")

    @pytest.mark.parametrize(
        ("begin", "part"),
        [(b"", b"1\r\na\r\n"), (b"1;", b"a"), (b"", b"0"), (b"0\r\n", b"A: b\r\n")],
        ids=["tiny chunks", "long extension", "long size", "long trailer"],
    )
    def test_chunks_with_little_content_are_refused(self, connect, begin, part):
        """Its parts are slow to read, so a few clients could stop the service."""
        connection = connect(self.HEAD + begin + part * (40_000 // len(part)))
        assert answer(connection).startswith("HTTP/1.1 400 Bad Request")


class TestPipelining:
    """A hundred requests sent at once whose answers nobody reads stopped the whole service."""

    def test_second_request_of_a_packet_is_not_answered(self, connect):
        connection = connect(HELLO + HELLO)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        assert received.count(b"HTTP/1.1 200") == 1
        assert b"connection: close" in received.lower()

    def test_blank_lines_after_a_request_keep_the_connection(self, connect):
        assert "connection: close" not in answer(connect(HELLO + b"\r\n")).lower()

    def test_request_without_a_body_that_expects_100_is_answered(self, connect):
        expecting = HELLO.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
        assert answer(connect(expecting)).startswith("HTTP/1.1 200")


class TestInvalidHead:
    @pytest.mark.parametrize(
        "head",
        [
            post("9" * 4_301),
            post("9" * 5_000, path="/api/v1/video-jobs"),
            post("-1"),
            post("5x"),
            HELLO.replace(b"/hello", b"http://["),
            HELLO.replace(b"Host:", b"X:" + 8_000 * b" " + b"x\r\nHost:"),
            HELLO.replace(b"Host:", b"X:" + 95 * (b"\r\n" + 600 * b" ") + b"x\r\nHost:"),
        ],
        ids=lambda head: head[:25].decode(),
    )
    def test_is_400_without_an_error_in_the_log(self, connect, caplog, head):
        seen = answer(connect(head))
        assert seen.startswith("HTTP/1.1 400 Bad Request")
        assert "Connection: close" in seen
        assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


class TestLongHeader:
    @pytest.mark.parametrize(("length", "status"), [(8_000, 200), (9_000, 431)])
    def test_one_header_of_nine_kilobytes_is_refused(self, connect, length, status):
        """Django takes a second for a Content-Type of 60,000 semicolons."""
        head = HELLO.replace(b"Host:", b"Content-Type: " + length * b";" + b"\r\nHost:")
        assert answer(connect(head)).startswith(f"HTTP/1.1 {status}")


class TestAnswerBeforeTheBody:
    def test_large_body_without_login_is_not_received(self, connect):
        early = connect(post(5_000_000))
        seen = answer(early, b"\r\n\r\n0")  # the application could read no byte
        assert "Connection: close" in seen
        early.sendall(bytes(5_000_000))
        assert is_closed(early, 4)
