"""Invalid bodies: each a 4xx of the usual shape; nothing is stored or charged."""

import io
import json
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import RequestFactory

from tests.api import FORM, JOBS, assert_fault
from tests.uploads import picture, upload
from videostudio.wsgi import application

MULTIPART = "multipart/form-data; boundary=x"
JSON = "application/json"
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("nothing_happens")]


def part(name, value, more=b""):
    return b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n' % (name, more, value)


def form(*parts, **fields):
    """FORM as the bytes of a multipart body with the boundary x, other `parts` at its end."""
    given = (part(name.encode(), str(v).encode()) for name, v in (FORM | fields).items())
    return b"".join((*given, *parts, b"--x--\r\n"))


class TestJson:
    def test_invalid_json_or_no_object_is_malformed(self, client):
        for text in (
            *("{", "{} {}", "nonsense", "\x00", "[]", "null", "1", '"text"'),
            *('{"durationSeconds": NaN}', '{"a": -Infinity}', '{"prompt": "a\nb"}'),
            '{"a":' * 50_000,
            f'{{"prompt": {"[" * 100_000}1{"]" * 100_000}}}',
        ):
            assert_fault(client.create_json(text), code="malformed")

    @pytest.mark.parametrize("field", ["prompt", "durationSeconds", "seed", "nonsense"])
    def test_number_of_thousands_of_digits_is_refused_by_name(self, client, field):
        whole = json.dumps({name: value for name, value in FORM.items() if name != field})[:-1]
        for sign, digits in (("", 1_001), ("-", 4_301), ("", 900_000)):
            answer = client.create_json(f'{whole}, "{field}": {sign}{"9" * digits}}}')
            assert_fault(answer, field=field)
            assert len(answer.content) < 1_000

    @pytest.mark.parametrize("field", ["prompt", "durationSeconds", "referenceImages", "nonsense"])
    def test_deeply_nested_value_is_refused(self, client, field):
        """However deep: what the parser still reads must not break what comes after it."""
        whole = json.dumps(FORM | {"resolution": "4k"})[:-1]
        for depth in (50, 900, 940, 980):  # the parser's limit is between them
            deep = "[" * depth + "]" * depth
            answer = client.create_json(f'{whole}, "{field}": {deep}}}')
            assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])
            assert answer.json()["code"] in ("malformed", "invalid")

    def test_invalid_utf8_is_malformed(self, client):
        for body in (b'{"prompt": "\xff"}', b"\xff\xfe{}", b"\xed\xa0\x80"):
            assert_fault(client.send(body, JSON), code="malformed")

    def test_body_of_20_mb_is_read(self, client):
        empty = len(json.dumps(FORM | {"nonsense": "", "resolution": "4k"}))
        answer = client.create_json(nonsense="x" * (20_000_000 - empty), resolution="4k")
        faults = assert_fault(answer, field="nonsense")["errors"]
        assert [fault["field"] for fault in faults] == ["nonsense", "resolution"]

    def test_truncated_body_is_malformed(self, client):
        whole = json.dumps(FORM).encode()
        for end in range(1, len(whole), 7):
            assert_fault(client.send(whole[:end], JSON, length=len(whole)), code="malformed")


class TestMultipart:
    def test_truncated_body_is_malformed(self, client):
        whole = form(part(b"initialImage", picture().read(), b'; filename="a.jpg"'))
        ends = {*range(0, len(whole) - 4, 37), *range(len(whole) - 60, len(whole) - 4)}
        for end in sorted(ends):
            assert_fault(client.send(whole[:end], MULTIPART, length=len(whole)), code="malformed")

    def test_truncated_body_with_matching_length_is_malformed(self, client):
        whole = form()
        for end in range(1, len(whole) - 4, 11):
            assert_fault(client.send(whole[:end], MULTIPART), code="malformed")

    def test_missing_or_invalid_boundary_is_malformed(self, client):
        for content_type in (
            *("multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data;"),
            *("multipart/form-data; boundary=y", f"multipart/form-data; boundary={'x' * 201}"),
            *(
                "multipart/form-data; boundary=é",
                "multipart/form-data; boundary=x\x7f",
                "multipart/form-data; x=é; boundary=x",
                "Multipart/Form-Data; boundary=x",
                'multipart/form-data; boundary="',
                "multipart/form-data; x",
            ),
        ):
            assert_fault(client.send(form(), content_type), code="malformed")

    def test_body_without_valid_parts_is_400(self, client):
        for body in (
            b"nonsense",
            b"--x--\r\n--x--",
            b"\r\n" * 100,
            b"--x\r\n\r\n\r\n--x\r\n",
            b'{"prompt": "JSON"}',
            form().replace(b"\r\n", b"\n"),
            part(b"a", b"b", b"\r\nContent-Transfer-Encoding: base64") + b"!!!\r\n--x--",
            b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 5000 + b"\r\n\r\nb\r\n--x--",
        ):
            answer = client.send(body, MULTIPART)
            assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])

    def test_fields_over_1_mb_are_too_large(self, client):
        assert_fault(client.create(prompt="x" * 1_000_001), 413, "too_large")

    def test_too_many_fields_are_malformed(self, client):
        assert_fault(client.create(**{f"f{n}": "" for n in range(1000)}), code="malformed")

    def test_more_than_20_files_are_malformed(self, client):
        for field in ("referenceImages", "nonsense"):
            files = [upload(b"x") for _ in range(21)]
            body = assert_fault(client.create(**{field: files}), code="malformed")
            assert body["detail"] == "A request can have at most 20 files"

    def test_20_files_are_refused_as_images_only(self, client):
        files = [upload(b"x") for _ in range(20)]
        assert_fault(client.create(referenceImages=files), field="referenceImages")

    def test_prompt_with_invalid_utf8_is_refused(self, client):
        for bad in (b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80"):
            body = form(part(b"prompt", bad)).replace(part(b"prompt", FORM["prompt"].encode()), b"")
            sentence = assert_fault(client.send(body, MULTIPART), field="prompt")["detail"]
            assert sentence == "Prompt must be valid UTF-8"

    def test_odd_field_name_is_unknown(self, client):
        for name, shown in (
            (b"", ""),
            (b"a\x00b", "a�b"),
            (b"x" * 900, "x" * 60 + "…"),
            ("é".encode(), "é"),
        ):
            assert_fault(client.send(form(part(name, b"1")), MULTIPART), field=shown)

    def test_field_name_with_invalid_utf8_is_ignored(self, client):
        body = form(part(b"\xff", b"1"), resolution="4k")
        assert_fault(client.send(body, MULTIPART), field="resolution")

    def test_odd_file_name_is_ignored(self, client):
        for name in (
            *(b"../../../etc/passwd", b"..", b"/", b"C:\\x\\a.jpg", b"a\x00b", b"\xff.jpg"),
            *(b"x" * 900, "🎬.jpg".encode()),
        ):
            file = part(b"initialImage", picture().read(), b'; filename="%s"' % name)
            assert_fault(client.send(form(file, resolution="4k"), MULTIPART), field="resolution")


class TestSize:
    def test_claimed_length_over_60_mb_is_too_large(self, client):
        for length in (60_000_001, 10**12):
            body = assert_fault(client.send(b"", MULTIPART, length=length), 413, "too_large")
            assert body["detail"] == "The request body must be at most 60 MB"

    def test_claimed_length_of_json_over_20_mb_is_too_large(self, client):
        body = assert_fault(client.send(b"", JSON, length=20_000_001), 413, "too_large")
        assert body["detail"] == "A JSON body must be at most 20 MB"

    def test_form_over_1_mb_is_too_large(self, client):
        body = b"prompt=" + b"x" * 1_000_000
        assert_fault(client.send(body, "application/x-www-form-urlencoded"), 413, "too_large")

    def test_chunked_body_needs_a_content_length(self, client):
        for body, content_type in ((form(), MULTIPART), (json.dumps(FORM).encode(), JSON)):
            environ = {"wsgi.input": io.BytesIO(body), "HTTP_TRANSFER_ENCODING": "chunked"}
            answer = client.generic("POST", JOBS, b"", content_type, **environ)
            assert_fault(answer, 411, "length_required")

    def test_invalid_content_length_is_400(self, client):
        for length in ("-1", "abc", "", "1.5"):
            answer = client.generic("POST", JOBS, b"{", JSON, CONTENT_LENGTH=length)
            assert_fault(answer, code=answer.json()["code"], field=answer.json()["field"])


class TestContentType:
    def test_other_content_type_is_415(self, client):
        for content_type in (
            *("text/plain", "multipart/mixed; boundary=x"),
            *("nonsense", "/", ";", "application/json-seq", "é"),
        ):
            assert_fault(client.send(form(), content_type), 415, "unsupported_media_type")

    def test_body_of_another_type_is_malformed(self, client):
        assert_fault(client.send(form(), JSON), code="malformed")
        assert_fault(client.send(json.dumps(FORM).encode(), MULTIPART), code="malformed")
        assert_fault(client.send(b"\x89PNG\r\n\x1a\n", JSON), code="malformed")

    def test_odd_charset_is_refused_or_ignored(self, client):
        for charset in (
            *("zlib", "base64", "rot13", "idna", "utf-16", "utf-7", "nonsense", "undefined", ""),
            *("x" * 3000, "é", "unicode_escape", "cp037"),
        ):
            for body, content_type in ((form(resolution="4k"), MULTIPART), (b'{"a": "%41"}', JSON)):
                answer = client.send(body, f"{content_type}; charset={charset}")
                assert 400 <= answer.status_code < 500, (charset, answer.content)
                assert set(answer.json()) == {"detail", "code", "field", "errors"}

    @pytest.mark.parametrize("charset", ["zlib", "idna", "nonsense"])
    def test_odd_charset_does_not_break_the_wsgi_application(self, charset):
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
    def test_auth_endpoints_refuse_in_the_same_shape(self, client, path):
        for body, content_type, status, code in (
            (b"{", JSON, 400, "malformed"),
            (b"[]", JSON, 400, "malformed"),
            (b"\xff\xfe", JSON, 400, "malformed"),
            (b'"%s"' % (b"x" * 1_000_000), JSON, 413, "too_large"),
            (b"x", "text/plain", 415, "unsupported_media_type"),
        ):
            answer = client.generic("POST", f"/api/v1/auth/{path}", body, content_type)
            assert_fault(answer, status, code)

    def test_invalid_body_is_refused_by_endpoints_without_body(self, client):
        refusing = (("POST", f"{JOBS}/nonsense/cancel"), ("DELETE", f"{JOBS}/nonsense"))
        for body in (b"{", b"[]", b"\xff", b"[" * 100_000):
            for path in (JOBS, "/api/v1/tokens"):
                assert client.generic("GET", path, body, JSON).status_code == 200
            for method, path in refusing:
                assert_fault(client.generic(method, path, body, JSON), code="malformed")
