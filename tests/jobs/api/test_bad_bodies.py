"""Invalid bodies: each a 4xx of the usual shape; nothing is stored or charged."""

import io
import json
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import RequestFactory

from jobs.models import VideoJob
from tests.api import FORM, JOBS, Client, assert_fault, assert_problem
from tests.uploads import picture, upload
from videostudio.wsgi import application

MULTIPART = "multipart/form-data; boundary=x"
JSON = "application/json"
pytestmark = pytest.mark.usefixtures("nothing_happens")


def part(name, value, more=b""):
    return b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, more, value)


def form(*parts, **fields):
    """FORM as the bytes of a multipart body with the boundary x, other `parts` at its end."""
    given = (part(name.encode(), str(v).encode()) for name, v in (FORM | fields).items())
    return b"".join((*given, *parts, b"--x--\r\n"))


class TestJson:
    @pytest.mark.parametrize(
        "text",
        [
            *("{", "}", '{"a"', '{"a": 1,}', "{'a': 1}", "{} {}", "nonsense", "\x00", "\ufeff{}"),
            *("[]", "[{}]", "null", "true", "1", '"text"', '[{"prompt": "x"}]'),
            *('{"durationSeconds": NaN}', '{"durationSeconds": Infinity}', '{"a": -Infinity}'),
            *('{"prompt": "a\nb"}', '{"prompt": "\0"}', r'{"prompt": "\x"}', r'{"prompt": "\u1"}'),
            f'{{"durationSeconds": {"9" * 5000}}}',
            "[" * 100_000,
            '{"a":' * 50_000,
            f'{{"prompt": {"[" * 100_000}1{"]" * 100_000}}}',
        ],
        ids=lambda text: ascii(text)[:25],
    )
    def test_that_cannot_be_read_or_is_no_object_is_malformed(self, client, text):
        assert_fault(client.create_json(text), code="malformed")

    @pytest.mark.parametrize("field", [*FORM, "generateAudio", "referenceImages", "nonsense"])
    @pytest.mark.parametrize("depth", [50, 300, 600, 800, 850, 900, 920, 940, 960, 980])
    def test_may_be_nested_as_it_likes(self, client, field, depth):
        """However deep: what the parser still reads must not break what comes after it."""
        whole = json.dumps(FORM | {"resolution": "4k"})[:-1]
        deep = "[" * depth + "]" * depth
        answer = client.create_json(f'{whole}, "{field}": {deep}}}')
        assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])
        assert answer.json()["code"] in ("malformed", "invalid")

    @pytest.mark.parametrize("body", [b'{"prompt": "\xff"}', b"\xff\xfe{}", b"\xed\xa0\x80"])
    def test_that_is_no_utf8_is_malformed(self, client, body):
        assert_fault(client.send(body, JSON), code="malformed")

    def test_up_to_20_mb_is_read(self, client):
        empty = len(json.dumps(FORM | {"nonsense": "", "resolution": "4k"}))
        answer = client.create_json(nonsense="x" * (20_000_000 - empty), resolution="4k")
        faults = assert_fault(answer, field="nonsense")["errors"]
        assert [fault["field"] for fault in faults] == ["nonsense", "resolution"]

    def test_that_is_cut_is_malformed(self, client):
        whole = json.dumps(FORM).encode()
        for end in range(1, len(whole), 7):
            assert_fault(client.send(whole[:end], JSON, length=len(whole)), code="malformed")


class TestMultipart:
    def test_that_is_cut_is_malformed_wherever_that_is(self, client):
        whole = form(part(b"initialImage", picture().read(), b'; filename="a.jpg"'))
        ends = {*range(0, len(whole) - 4, 37), *range(len(whole) - 60, len(whole) - 4)}
        for end in sorted(ends):
            assert_fault(client.send(whole[:end], MULTIPART, length=len(whole)), code="malformed")

    def test_that_is_shorter_than_it_says_is_malformed(self, client):
        whole = form()
        assert_fault(client.send(whole, MULTIPART, length=len(whole) + 9), code="malformed")

    def test_that_says_it_is_as_short_as_it_was_cut_is_malformed(self, client):
        whole = form()
        for end in range(1, len(whole) - 4, 11):
            assert_fault(client.send(whole[:end], MULTIPART), code="malformed")

    @pytest.mark.parametrize(
        "content_type",
        [
            *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"),
            *("multipart/form-data; boundary=y", f"multipart/form-data; boundary={'x' * 201}"),
            *(
                "multipart/form-data; boundary=é",
                'multipart/form-data; boundary="',
                "multipart/form-data; x",
            ),
        ],
    )
    def test_with_a_boundary_missing_or_wrong_is_malformed(self, client, content_type):
        assert_fault(client.send(form(), content_type), code="malformed")

    @pytest.mark.parametrize(
        "body",
        [
            b"nonsense",
            b"--x--\r\n--x--",
            b"\r\n" * 100,
            b"--x\r\n\r\n\r\n--x\r\n",
            b'{"prompt": "JSON"}',
            form().replace(b"\r\n", b"\n"),
            part(b"a", b"b", b"\r\nContent-Transfer-Encoding: base64") + b"!!!\r\n--x--",
            b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 5000 + b"\r\n\r\nb\r\n--x--",
        ],
        ids=lambda body: ascii(body[:20]),
    )
    def test_that_is_nonsense_is_400(self, client, body):
        answer = client.send(body, MULTIPART)
        assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])

    def test_with_fields_of_more_than_1_mb_is_too_large(self, client):
        assert_fault(client.create(prompt="x" * 1_000_001), 413, "too_large")

    def test_with_too_many_fields_is_malformed(self, client):
        assert_fault(client.create(**{f"f{n}": "" for n in range(1000)}), code="malformed")

    @pytest.mark.parametrize("field", ["referenceImages", "nonsense"])
    def test_with_more_than_20_files_is_malformed(self, client, field):
        files = [upload(b"x") for _ in range(21)]
        assert_fault(client.create(**{field: files}), code="malformed")

    def test_with_20_files_is_refused_for_the_images_alone(self, client):
        files = [upload(b"x") for _ in range(20)]
        assert_fault(client.create(referenceImages=files), field="referenceImages")

    def test_with_bytes_that_are_no_utf8_is_400(self, client):
        for bad in (b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"):
            body = form(part(b"prompt", bad)).replace(part(b"prompt", FORM["prompt"].encode()), b"")
            sentence = assert_fault(client.send(body, MULTIPART), field="prompt")["detail"]
            assert sentence == "Prompt must be valid UTF-8"

    @pytest.mark.parametrize(
        ("name", "shown"),
        [(b"", ""), (b"a\x00b", "a�b"), (b"x" * 900, "x" * 60 + "…"), ("é".encode(), "é")],
    )
    def test_with_an_odd_name_of_a_field_is_refused_by_that_name(self, client, name, shown):
        assert_fault(client.send(form(part(name, b"1")), MULTIPART), field=shown)

    def test_with_a_name_that_is_no_utf8_is_judged_by_the_others(self, client):
        body = form(part(b"\xff", b"1"), resolution="4k")
        assert_fault(client.send(body, MULTIPART), field="resolution")

    @pytest.mark.parametrize(
        "name",
        [
            *(b"../../../etc/passwd", b"..", b".", b"/", b"C:\\x\\a.jpg", b"a\x00b", b"\xff.jpg"),
            *(b"x" * 900, "🎬.jpg".encode(), b"<script>.jpg", b"a%0d%0ab", b"CON"),
        ],
    )
    def test_with_an_odd_name_of_a_file_is_judged_by_its_fields(self, client, name):
        file = part(b"initialImage", picture().read(), b'; filename="%s"' % name)
        assert_fault(client.send(form(file, resolution="4k"), MULTIPART), field="resolution")


class TestSize:
    @pytest.mark.parametrize("length", [60_000_001, 10**12])
    def test_over_60_mb_is_too_large_before_anything_is_read(self, client, length):
        body = assert_fault(client.send(b"", MULTIPART, length=length), 413, "too_large")
        assert body["detail"] == "The request body must be at most 60 MB"

    def test_over_20_mb_is_too_large_for_json_before_anything_is_read(self, client):
        assert_fault(client.send(b"", JSON, length=20_000_001), 413, "too_large")

    def test_over_1_mb_is_too_large_for_a_form(self, client):
        body = b"prompt=" + b"x" * 1_000_000
        assert_fault(client.send(body, "application/x-www-form-urlencoded"), 413, "too_large")

    def test_that_nobody_tells_is_asked_for(self, client):
        for body, content_type in ((form(), MULTIPART), (json.dumps(FORM).encode(), JSON)):
            environ = {"wsgi.input": io.BytesIO(body), "HTTP_TRANSFER_ENCODING": "chunked"}
            answer = client.generic("POST", JOBS, b"", content_type, **environ)
            assert_fault(answer, 411, "length_required")

    @pytest.mark.parametrize("length", ["-1", "abc", "", "1.5"])
    def test_that_is_nonsense_is_400(self, client, length):
        answer = client.generic("POST", JOBS, b"{", JSON, CONTENT_LENGTH=length)
        assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])


class TestContentType:
    @pytest.mark.parametrize(
        "content_type",
        [
            *("text/plain", "text/html", "application/xml"),
            *("image/png", "multipart/mixed; boundary=x", "application/octet-stream", ""),
            *("nonsense", "/", "application/", ";", "application/json-seq", "é", "a/b/c"),
        ],
    )
    def test_that_is_neither_multipart_nor_json_is_415(self, client, content_type):
        assert_fault(client.send(form(), content_type), 415, "unsupported_media_type")

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [(form(), JSON), (json.dumps(FORM).encode(), MULTIPART), (b"\x89PNG\r\n\x1a\n", JSON)],
    )
    def test_that_the_body_is_not_of_is_malformed(self, client, body, content_type):
        assert_fault(client.send(body, content_type), code="malformed")

    @pytest.mark.parametrize(
        "charset",
        [
            *("zlib", "hex", "bz2", "base64", "rot13", "uu", "quopri", "idna", "punycode"),
            *("utf-16", "utf-32", "utf-7", "nonsense", "undefined", "", "\\", "x" * 3000, "é"),
            *("raw_unicode_escape", "unicode_escape", "cp037", "mbcs"),
        ],
    )
    def test_with_an_odd_charset_is_a_4xx_or_ignored(self, client, charset):
        for body, content_type in ((form(resolution="4k"), MULTIPART), (b'{"a": "%41"}', JSON)):
            answer = client.send(body, f"{content_type}; charset={charset}")
            assert 400 <= answer.status_code < 500, answer.content
            assert set(answer.json()) == {"detail", "code", "field", "errors"}

    @pytest.mark.once
    @pytest.mark.parametrize("charset", ["zlib", "hex", "rot13", "idna", "nonsense"])
    def test_with_an_odd_charset_does_not_break_what_comes_before_django(self, charset):
        """As the web server calls it: Django itself reads the query by that charset."""
        environ = RequestFactory().get("/api/v1/docs?version=%c3").environ
        environ["CONTENT_TYPE"] = f"text/plain; charset={charset}"
        statuses: list[str] = []

        def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
            statuses.append(status)

        request_finished.disconnect(close_old_connections)  # the test's own is still in use
        try:
            application(environ, start_response).close()
        finally:
            request_finished.connect(close_old_connections)
        assert statuses == ["200 OK"]


class TestOtherEndpoints:
    """The shape serves every endpoint, the accounts' too."""

    @pytest.mark.parametrize("path", ["register", "token", "token/refresh", "logout"])
    @pytest.mark.parametrize(
        ("body", "content_type", "status", "code"),
        [
            (b"{", JSON, 400, "malformed"),
            (b"[]", JSON, 400, "malformed"),
            (b"[" * 100_000, JSON, 400, "malformed"),
            (b'{"username": NaN}', JSON, 400, "malformed"),
            (b'"%s"' % (b"x" * 1_000_000), JSON, 413, "too_large"),
            (b"x", "text/plain", 415, "unsupported_media_type"),
        ],
    )
    def test_refuse_in_the_same_shape(self, client: Client, path, body, content_type, status, code):
        answer = client.generic("POST", f"/api/v1/auth/{path}", body, content_type)
        assert_fault(answer, status, code)

    @pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
    def test_that_read_no_body_refuse_what_may_hold_a_field(self, client, body):
        for method, path in (("GET", JOBS), ("GET", "/api/v1/tokens")):
            assert client.generic(method, path, body, JSON).status_code == 200
        for method, path in (("POST", f"{JOBS}/nonsense/cancel"), ("DELETE", f"{JOBS}/nonsense")):
            assert_fault(client.generic(method, path, body, JSON), code="malformed")

    @pytest.mark.parametrize("body", [b"", b"{}"])
    def test_that_read_no_body_take_an_empty_one(self, client, body):
        answer = client.generic("POST", f"{JOBS}/nonsense/cancel", body, JSON)
        assert_problem(answer, 404, "not_found")
        assert not VideoJob.objects.exists()
