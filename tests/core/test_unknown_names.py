"""Unknown fields and query parameters are refused."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.core.cache import cache
from django.urls import URLPattern, get_resolver

from jobs.models import VideoJob
from tests.api import COST, FORM, JOBS, TOKENS, assert_fault, assert_problem
from tests.uploads import picture
from videostudio.core.api import errors

JSON = "application/json"


def patterns(resolver: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for each in resolver.url_patterns:
        path = prefix + str(each.pattern)
        if isinstance(each, URLPattern):
            yield path, each.callback
        else:
            yield from patterns(each, path)


def calls() -> Iterator[tuple[str, str]]:
    """Every path and method of the API, as the URLs have them."""
    for pattern, callback in patterns(get_resolver()):
        path = simplify_regex(pattern)
        if path.startswith("/api/") and callback is not errors.not_found:
            yield from ((path, method) for method in methods(callback))


def methods(callback: Any) -> list[str]:
    """A viewset's route names them; any other view has a function for each."""
    view = callback.cls
    handled = [method for method in view.http_method_names if hasattr(view, method)]
    return [*(getattr(callback, "actions", None) or set(handled) - {"options"})]


CALLS = sorted(set(calls()))
WRITING = [(path, method) for path, method in CALLS if method != "get"]


@pytest.fixture
def send(client, new_job):
    """Alice's call; a path with an id names her job."""

    job = new_job()

    def send(path: str, method: str, query: str = "", **fields: Any) -> Any:
        cache.clear()  # the throttles' counts
        path = path.replace("<pk>", str(job.pk))
        assert "<" not in path
        body = json.dumps(fields) if fields else ""
        return client.generic(method.upper(), path + query, body, JSON)

    return send


def fault(answer: Any, *, field: str, message: str | None = None) -> dict[str, Any]:
    """The first fault of an answer that begins with an unknown name."""
    first = assert_fault(answer, field=field)["errors"][0]
    assert first["code"] == "unknown_field"
    assert message is None or first["message"] == message
    return first


@pytest.mark.once
class TestEveryCall:
    def test_calls_are_found_in_the_urls(self):
        assert {("/api/v1/video-jobs/<pk>", "delete"), ("/api/v1/schema", "get")} <= set(CALLS)
        assert len(CALLS) >= 16
        assert len(WRITING) >= 7

    @pytest.mark.parametrize(("path", "method"), CALLS)
    def test_unknown_query_parameter_is_refused(self, send, alice, path, method, tokens):
        message = "Unknown query parameter 'zzz'"
        fault(send(path, method, "?zzz=1"), field="zzz", message=message)
        if path in ("/api/v1/schema", "/api/v1/docs"):
            assert send(path, method, "?format=").status_code == 200
        else:
            fault(send(path, method, "?format=xml"), field="format")
        if method == "get":
            assert send(path, "head", "?zzz=1").status_code == 400
        assert VideoJob.objects.get().status == "PENDING"  # and nothing else has changed
        assert tokens(alice) == TOKENS - COST

    @pytest.mark.parametrize(("path", "method"), WRITING)
    def test_unknown_field_is_refused(self, send, settings, path, method):
        settings.EMAIL_URL = "memorymail:"  # without it, the reset of a password is 404
        fault(send(path, method, zzz=1), field="zzz", message="Unknown field 'zzz'")


class TestOrderOfChecks:
    def test_authentication_is_checked_before_names(self, anonymous, new_job):
        job = new_job()
        for path in (JOBS, f"{JOBS}/{job.pk}", "/api/v1/auth/me"):
            for query in ("?zzz=1", "?format=xml"):
                assert_problem(anonymous.get(path + query), 401, "not_authenticated")
        answer = anonymous.post(JOBS, FORM | {"zzz": "1"}, format="json")
        assert_problem(answer, 401, "not_authenticated")

    def test_names_are_checked_before_the_job_is_read(self, stranger, new_job):
        """So nobody learns by it whether a job exists."""
        for id in (new_job().pk, "550e8400-e29b-41d4-a716-446655440000", "nonsense"):
            fault(stranger.get(f"{JOBS}/{id}?zzz=1"), field="zzz")
            fault(stranger.delete(f"{JOBS}/{id}?zzz=1"), field="zzz")

    def test_names_are_checked_before_tokens_and_active_jobs(self, client, alice, tokens, new_job):
        for _ in range(3):
            new_job()
        tokens(alice, 0)
        fault(client.create(zzz="1"), field="zzz")

    def test_method_is_checked_before_names(self, client):
        answer = client.put(f"{JOBS}?zzz=1", {"zzz": 1}, format="json")
        assert_problem(answer, 405, "method_not_allowed")


@pytest.mark.once
@pytest.mark.usefixtures("nothing_happens")
class TestField:
    @pytest.mark.parametrize(
        ("name", "near"),
        [
            *(("aspect_ratio", "aspectRatio"), ("duration", "durationSeconds")),
            *(("referenceImage", "referenceImages"), ("end-frame", "endFrame")),
            *(("promt", "prompt"), ("Prompt", "prompt")),
            *((name, None) for name in ("zzz", "n", "日本", "non_field_errors")),
        ],
    )
    def test_unknown_field_is_refused_with_the_nearest_name(self, client, name, near):
        hint = f": did you mean '{near}'?" if near else ""
        message = f"Unknown field '{name}'{hint}"
        for answer in (client.create(**{name: "4"}), client.create_json(**{name: 4})):
            fault(answer, field=name, message=message)

    def test_unknown_file_is_refused(self, client):
        fault(client.create(image=picture()), field="image")
        fault(client.create(initialimage=picture()), field="initialimage")

    @pytest.mark.parametrize("name", ["referenceImages[]", "referenceImages[0]"])
    def test_brackets_of_a_forms_list_are_unknown_in_json(self, client, name):
        message = f"Unknown field '{name}': did you mean 'referenceImages'?"
        fault(client.create_json(**{name: []}), field=name, message=message)

    @pytest.mark.parametrize(
        "name", ["prompt[]", "referenceImages[x]", "referenceImages[0]x", "referenceImages[99999]"]
    )
    def test_invalid_brackets_of_a_list_are_refused(self, client, name):
        fault(client.create(**{name: "x"}), field=name)

    def test_unknown_fields_are_listed_before_other_faults(self, client):
        answer = client.create(aspect_ratio="16:9", aspectRatio=None, resolution="4k", zzz="1")
        faults = assert_fault(answer, field="aspect_ratio")["errors"]
        assert [(each["field"], each["code"]) for each in faults] == [
            ("aspect_ratio", "unknown_field"),
            ("zzz", "unknown_field"),
            ("resolution", "invalid_choice"),
            ("aspectRatio", "required"),
        ]

    def test_unknown_field_and_refused_combination_are_both_listed(self, client):
        answer = client.create(zzz="1", resolution="1080p", durationSeconds="4")
        codes = [each["code"] for each in answer.json()["errors"]]
        assert len(codes) == 2
        assert "combination" in codes

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("x" * 900_000, "x" * 60 + "…"),
            ("a\n\r\x00\x1b[31m\u202eb", "a����[31m�b"),
            ("\ud800", "�"),
            ("", ""),
            ("<script>'\"", "<script>'\""),
            ("message", "message"),
            ("code", "code"),
        ],
        ids=lambda text: ascii(text)[:20],
    )
    def test_unknown_field_is_shown_short_and_printable(self, client, name, shown):
        answer = client.create_json(**{name: 1})
        message = fault(answer, field=shown)["message"]
        assert message.startswith(f"Unknown field '{shown}'")
        assert len(answer.content) < 1_000

    def test_thousands_of_unknown_fields_are_refused_quickly(self, client):
        body = json.dumps(FORM | {f"f{n}": 1 for n in range(900)})
        started = time.process_time()
        faults = assert_fault(client.create_json(body), field="f0")["errors"]
        assert time.process_time() - started < 2
        assert len(faults) == 20


class TestParameter:
    @pytest.mark.parametrize(
        ("query", "name", "near"),
        [
            ("?status=RUNNING", "status", "status_filter"),
            ("?statusFilter=RUNNING", "statusFilter", "status_filter"),
            ("?Limit=5", "Limit", "limit"),
            ("?offest=5", "offest", "offset"),
            ("?page=2", "page", None),
            ("?kind=charge", "kind", None),
        ],
    )
    def test_unknown_parameter_is_refused_with_the_nearest_name(self, client, query, name, near):
        hint = f": did you mean '{near}'?" if near else ""
        message = f"Unknown query parameter '{name}'{hint}"
        fault(client.get(JOBS + query), field=name, message=message)

    def test_unknown_parameters_are_listed_before_other_faults(self, client):
        for path in (JOBS, "/api/v1/tokens/entries"):
            answer = client.get(f"{path}?limit=0&page=2&offset=x")
            faults = assert_fault(answer, field="page")["errors"]
            assert [each["field"] for each in faults] == ["page", "limit", "offset"]

    def test_unknown_parameter_is_shown_short_and_printable(self, client):
        fault(client.get(f"{JOBS}?{'x' * 3000}=1"), field="x" * 60 + "…")
        fault(client.get(f"{JOBS}?a%0d%0ab%ff=1"), field="a��b�")

    @pytest.mark.parametrize("query", ["?x=1", "?x", "?x=&limit=1", "?&x=1", "?x=1&x=2"])
    def test_poll_with_unknown_parameter_is_refused(self, client, new_job, query):
        fault(client.get(f"{JOBS}/{new_job().pk}{query}"), field="x")

    @pytest.mark.parametrize("query", ["?", "?&&"])
    def test_poll_with_empty_query_is_answered(self, client, new_job, query):
        path = f"{JOBS}/{new_job().pk}"
        assert client.get(path + query).json() == client.get(path).json()


class TestSchema:
    @pytest.mark.parametrize(
        ("query", "starts"),
        [("", b"openapi:"), ("?format=json", b"{"), ("?format=yaml", b"openapi:")],
    )
    def test_parameters_of_schema_and_docs_are_accepted(self, anonymous, query, starts):
        answer = anonymous.get(f"/api/v1/schema{query}")
        assert answer.status_code == 200
        assert answer.content.startswith(starts)
        assert anonymous.get("/api/v1/schema?version=1&lang=en").status_code == 200
        assert anonymous.get("/api/v1/docs?version=1&lang=en&script=").status_code == 200


class TestRepeatedName:
    @pytest.mark.parametrize(
        ("query", "name"),
        [
            ("?limit=5&limit=6", "limit"),
            ("?limit=5&limit=5", "limit"),
            ("?status_filter=running&status_filter=failed", "status_filter"),
        ],
    )
    def test_repeated_query_parameter_is_refused(self, client, query, name):
        repeated(client.get(JOBS + query), field=name)

    @pytest.mark.usefixtures("nothing_happens")
    def test_repeated_json_field_is_refused(self, client):
        body = json.dumps(FORM).removesuffix("}") + ', "prompt": "another"}'
        repeated(client.create_json(body), field="prompt")

    @pytest.mark.usefixtures("nothing_happens")
    def test_repeated_form_field_is_refused(self, client):
        repeated(client.create(prompt=["A", "B"]), field="prompt")

    def test_thousands_of_repeated_json_fields_are_refused_quickly(self, client):
        body = "{" + ",".join(f'"f{n}":1,"f{n}":2' for n in range(450)) + "}"
        started = time.process_time()
        assert len(assert_fault(client.create_json(body), field="f0")["errors"]) == 20
        assert time.process_time() - started < 2


def repeated(answer: Any, *, field: str) -> None:
    first = assert_fault(answer, field=field)["errors"][0]
    assert first["code"] == "repeated"
    assert first["message"].endswith("was sent more than once")


FORM_TYPE = "application/x-www-form-urlencoded"
WITHOUT_BODY = [("post", "/cancel", 200), ("delete", "", 204)]


@pytest.mark.once
@pytest.mark.parametrize(("method", "suffix", "status"), WITHOUT_BODY)
class TestCallWithoutBody:
    @pytest.fixture
    def send_body(self, client, new_job, method, suffix):
        path = f"{JOBS}/{new_job().pk}{suffix}"
        return lambda body, kind: client.generic(method.upper(), path, body, kind)

    @pytest.mark.parametrize(
        ("body", "kind"),
        [("null", JSON), ("{}", JSON), *(("", kind) for kind in (JSON, FORM_TYPE, "text/plain"))],
    )
    def test_empty_body_is_accepted(self, send_body, status, body, kind):
        assert send_body(body, kind).status_code == status

    def test_field_or_other_body_is_refused_in_every_format(self, send_body, status):
        part = '--b\r\nContent-Disposition: form-data; name="zzz"\r\n\r\n1\r\n--b--\r\n'
        fault(send_body('{"zzz": 1}', JSON), field="zzz")
        fault(send_body("zzz=1", FORM_TYPE), field="zzz")
        fault(send_body(part, "multipart/form-data; boundary=b"), field="zzz")
        assert_fault(send_body("x", "text/plain"), 415, "unsupported_media_type")
        assert_fault(send_body("[]", JSON), 400, "malformed")
