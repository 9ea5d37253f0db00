"""Cross-origin requests: what a browser allows a page on another origin."""

from typing import Any

import pytest
from django.db import OperationalError

from jobs import job_creation, lifecycle
from tests.api import FORM, JOBS
from tests.core.test_errors import ALL
from tests.jobs.storage.test_serve_video import CONTENT, URL, folder  # noqa: F401  # a fixture

pytestmark = pytest.mark.once

APP = "https://app.example.com"
OTHER = "https://other.example.com"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
EXPOSED = [
    *("ETag", "Location", "Retry-After", "Idempotency-Replayed"),
    *("RateLimit", "RateLimit-Policy", "X-Request-ID"),
]
NEEDED = {
    *("authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"),
    *("range", "cache-control", "traceparent"),
}
UNKNOWN = ["/api/v1/nope", "/api/nope", "/v1/videos", "/media/nope", "/api"]
INSIDE = [*ALL, *UNKNOWN, URL]
OUTSIDE = ["/", "/video-monitor", "/admin/", "/healthz", "/metrics", "/apis/x", "/static/x.js"]


@pytest.fixture
def allowed(settings):
    """Pages of APP may call the API."""
    settings.CORS_ALLOWED_ORIGINS = ["http://localhost:3000", APP]


def preflight(client: Any, path: str, method: str = "GET", origin: str = APP) -> Any:
    headers = {"origin": origin, "access-control-request-method": method}
    return client.options(path, headers=headers)


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def cors_headers(answer: Any) -> list[str]:
    return [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.usefixtures("allowed")
class TestPreflight:
    def test_is_answered_under_a_doubled_slash(self, anonymous):
        headers = {"origin": APP, "access-control-request-method": "POST"}
        answer = anonymous.options("/", headers=headers, PATH_INFO="//api/v1/video-jobs")
        assert (answer.status_code, answer[ALLOW_ORIGIN]) == (200, APP)

    @pytest.mark.parametrize("slash", ["", "/"])
    @pytest.mark.parametrize("path", INSIDE)
    def test_is_answered_without_a_token(self, anonymous, path, slash):
        answer = preflight(anonymous, path + slash, "POST")
        assert answer.status_code in (200, 204)
        assert answer[ALLOW_ORIGIN] == APP
        assert names(answer["Access-Control-Allow-Headers"]) >= NEEDED
        assert answer["X-Request-ID"]
        assert answer.content == b""

    @pytest.mark.parametrize(
        ("path", "method"), [(path, method) for path, methods in ALL.items() for method in methods]
    )
    def test_allows_the_methods_of_every_endpoint(self, anonymous, path, method):
        answer = preflight(anonymous, path, method.upper())
        assert method in names(answer["Access-Control-Allow-Methods"])

    def test_may_be_remembered(self, anonymous):
        assert int(preflight(anonymous, JOBS)["Access-Control-Max-Age"]) > 60

    def test_asks_no_database(self, anonymous, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert preflight(anonymous, JOBS, "POST").status_code == 200

    def test_is_not_redirected_to_https(self, anonymous, settings):
        """Browsers follow no redirect of a preflight."""
        settings.SECURE_SSL_REDIRECT = True
        assert preflight(anonymous, JOBS)[ALLOW_ORIGIN] == APP

    def test_of_an_origin_that_is_not_listed_gets_no_header(self, anonymous):
        for origin in (OTHER, "http://app.example.com", f"{APP}:8443", f"{APP}.evil.test", "null"):
            assert not cors_headers(preflight(anonymous, JOBS, origin=origin)), origin

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_outside_the_api_gets_no_header(self, anonymous, path):
        assert not cors_headers(preflight(anonymous, path))

    def test_is_no_ordinary_options_request(self, anonymous):
        assert anonymous.options(JOBS, headers={"origin": APP}).status_code == 401


@pytest.mark.usefixtures("allowed")
class TestAnswer:
    @pytest.fixture
    def get(self, client):
        """Alice's GET, from a page of APP."""

        def get(path: str, **headers: str) -> Any:
            return client.get(path, headers={"origin": APP, **headers})

        return get

    def check(self, answer: Any, status: int) -> None:
        assert answer.status_code == status
        assert answer[ALLOW_ORIGIN] == APP
        assert answer["Access-Control-Expose-Headers"].split(", ") == EXPOSED
        assert "Access-Control-Allow-Credentials" not in answer
        assert "origin" in names(answer["Vary"])

    def test_can_be_read(self, get, new_job):
        path = f"{JOBS}/{new_job().pk}"
        for each in (path, path.upper().replace(JOBS.upper(), JOBS), JOBS, "/api/v1/tokens"):
            self.check(get(each), 200)

    def test_not_modified_can_be_read(self, get, new_job):
        path = f"{JOBS}/{new_job().pk}"
        self.check(get(path, **{"if-none-match": get(path)["ETag"]}), 304)

    def test_of_a_new_job_can_be_read(self, client):
        self.check(client.create(headers={"origin": APP}), 202)

    @pytest.mark.parametrize("path", ["/api/v1/nope", f"{JOBS}/nope", "/media/nope", "/v1/videos"])
    def test_not_found_can_be_read(self, get, path):
        self.check(get(path), 404)

    def test_unauthorized_can_be_read(self, anonymous):
        self.check(anonymous.get(JOBS, headers={"origin": APP}), 401)

    def test_too_large_can_be_read(self, client):
        headers = {"origin": APP}
        answer = client.post(
            JOBS, FORM | {"prompt": "x" * 1_000_000}, format="multipart", headers=headers
        )
        self.check(answer, 413)

    def test_of_an_unknown_host_can_be_read(self, client):
        answer = client.get(JOBS, headers={"origin": APP}, HTTP_HOST="evil.example")
        self.check(answer, 400)

    def test_unavailable_can_be_read(self, client, monkeypatch):
        def gone(**options):
            raise OperationalError("the server closed the connection unexpectedly")

        monkeypatch.setattr(job_creation, "create", gone)
        self.check(client.create(headers={"origin": APP}), 503)

    def test_internal_error_can_be_read(self, client, new_job, monkeypatch):
        def broken(**options):
            raise RuntimeError

        monkeypatch.setattr(lifecycle, "cancel", broken)
        answer = client.post(f"{JOBS}/{new_job().pk}/cancel", headers={"origin": APP})
        self.check(answer, 500)

    @pytest.mark.usefixtures("folder")
    @pytest.mark.parametrize(
        ("headers", "status"),
        [({}, 200), ({"range": "bytes=0-9"}, 206), ({"range": f"bytes={len(CONTENT)}-"}, 416)],
    )
    def test_with_a_video_can_be_read(self, get, headers, status):
        answer = get(URL, **headers)
        self.check(answer, status)
        if answer.streaming:
            answer.close()

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_outside_the_api_gets_no_header(self, get, path):
        assert not cors_headers(get(path))

    def test_for_an_origin_that_is_not_listed_gets_no_header(self, get):
        for path in (JOBS, "/api/v1/video-models", "/media/nope"):
            assert not cors_headers(get(path, origin=OTHER))

    def test_tells_caches_that_it_depends_on_the_origin(self, client):
        """Also where none was sent: that answer would not do for a page of another origin."""
        for headers in ({}, {"origin": OTHER}, {"origin": APP}):
            answer = client.get("/api/v1/video-models", headers=headers)
            assert "origin" in names(answer["Vary"])


class TestEveryOrigin:
    @pytest.mark.parametrize("origin", [APP, OTHER, "null", "http://localhost:3000"])
    def test_may_call_the_api(self, anonymous, settings, origin):
        settings.CORS_ALLOW_ALL_ORIGINS = True
        for answer in (
            preflight(anonymous, JOBS, origin=origin),
            anonymous.get("/api/v1/video-models", headers={"origin": origin}),
        ):
            assert answer.status_code == 200
            assert answer[ALLOW_ORIGIN] == "*"
            assert "Access-Control-Allow-Credentials" not in answer
            assert "origin" in names(answer["Vary"])

    @pytest.mark.parametrize("path", OUTSIDE)
    def test_may_call_nothing_else(self, anonymous, settings, path):
        settings.CORS_ALLOW_ALL_ORIGINS = True
        assert not cors_headers(anonymous.get(path, headers={"origin": APP}))


class TestDefault:
    @pytest.mark.parametrize("path", INSIDE)
    def test_lets_no_other_origin_in(self, client, path):
        assert not cors_headers(preflight(client, path))
        assert not cors_headers(client.get(path, headers={"origin": APP}))
