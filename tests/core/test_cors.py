"""Cross-origin requests: what a browser allows a page on another origin."""

from typing import Any

import pytest
from django.db import OperationalError

from jobs import job_creation, lifecycle
from tests.api import ENDPOINTS, FORM, ID, JOBS

pytestmark = pytest.mark.once

APP = "https://app.example.com"
OTHER = "https://other.example.com"
ALLOW_ORIGIN = "Access-Control-Allow-Origin"
VIDEO = f"/media/ai_studio/videos/{ID}.mp4"
EXPOSED = [
    *("ETag", "Location", "Retry-After", "Idempotency-Replayed"),
    *("RateLimit", "RateLimit-Policy", "X-Request-ID"),
    *("openai-poll-after-ms", "X-Should-Retry"),
]
NEEDED = {
    *("authorization", "content-type", "idempotency-key", "if-none-match", "x-request-id"),
    *("range", "cache-control", "traceparent"),
    *("x-stainless-retry-count", "x-stainless-lang", "x-stainless-runtime-version", "user-agent"),
}
INSIDE = [*ENDPOINTS, "/api/v1/nope", "/api/nope", "/v1/videos", "/media/nope", "/api", VIDEO]
OUTSIDE = ["/", "/video-monitor", "/admin/", "/healthz", "/metrics", "/apis/x", "/static/x.js"]


@pytest.fixture
def app_allowed(settings):
    """Pages of APP may call the API."""
    settings.CORS_ALLOWED_ORIGINS = ["http://localhost:3000", APP]


def preflight(client: Any, path: str, method: str = "GET", origin: str = APP) -> Any:
    headers = {"origin": origin, "access-control-request-method": method}
    return client.options(path, headers=headers)


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


def cors_headers(answer: Any) -> list[str]:
    return [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.usefixtures("app_allowed")
class TestPreflight:
    @pytest.mark.parametrize("path", [*INSIDE, f"{JOBS}/", "/v1/videos/"])
    def test_path_of_the_api_is_answered_without_login(self, anonymous, path):
        answer = preflight(anonymous, path, "POST")
        assert answer.status_code in (200, 204)
        assert answer[ALLOW_ORIGIN] == APP
        assert names(answer["Access-Control-Allow-Headers"]) >= NEEDED
        assert names(answer["Access-Control-Allow-Methods"]) >= {"get", "post", "delete"}
        assert int(answer["Access-Control-Max-Age"]) > 60
        assert answer["X-Request-ID"]
        assert answer.content == b""

    def test_doubled_slash_is_answered(self, anonymous):
        headers = {"origin": APP, "access-control-request-method": "POST"}
        answer = anonymous.options("/", headers=headers, PATH_INFO="//api/v1/video-jobs")
        assert (answer.status_code, answer[ALLOW_ORIGIN]) == (200, APP)

    def test_preflight_sends_no_query(self, anonymous, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert preflight(anonymous, JOBS, "POST").status_code == 200

    def test_preflight_is_not_redirected_to_https(self, anonymous, settings):
        """Browsers follow no redirect of a preflight."""
        settings.SECURE_SSL_REDIRECT = True
        assert preflight(anonymous, JOBS)[ALLOW_ORIGIN] == APP

    def test_unlisted_origin_gets_no_header(self, anonymous):
        for origin in (OTHER, "http://app.example.com", f"{APP}:8443", f"{APP}.evil.test", "null"):
            assert not cors_headers(preflight(anonymous, JOBS, origin=origin)), origin

    def test_options_without_a_requested_method_needs_login(self, anonymous):
        assert anonymous.options(JOBS, headers={"origin": APP}).status_code == 401


@pytest.mark.usefixtures("app_allowed")
class TestReadableAnswers:
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

    def test_success_is_readable(self, client, get, new_job):
        path = f"{JOBS}/{new_job().pk}"
        for each in (path, path.upper().replace(JOBS.upper(), JOBS), JOBS, "/v1/videos"):
            self.check(get(each), 200)
        self.check(get(path, **{"if-none-match": get(path)["ETag"]}), 304)
        self.check(client.create(headers={"origin": APP}), 202)

    def test_client_errors_are_readable(self, client, anonymous, get):
        for path in ("/api/v1/nope", f"{JOBS}/nope", "/media/nope", "/v1/nope"):
            self.check(get(path), 404)
        headers = {"origin": APP}
        self.check(anonymous.get(JOBS, headers=headers), 401)
        self.check(client.get(JOBS, headers=headers, HTTP_HOST="evil.example"), 400)
        large = FORM | {"prompt": "x" * 1_000_000}
        self.check(client.post(JOBS, large, format="multipart", headers=headers), 413)

    def test_server_errors_are_readable(self, client, new_job, monkeypatch):
        def gone(**options):
            raise OperationalError("the server closed the connection unexpectedly")

        def broken(**options):
            raise RuntimeError

        cancel = f"{JOBS}/{new_job().pk}/cancel"
        monkeypatch.setattr(job_creation, "create", gone)
        monkeypatch.setattr(lifecycle, "cancel", broken)
        self.check(client.create(headers={"origin": APP}), 503)
        self.check(client.post(cancel, headers={"origin": APP}), 500)

    @pytest.mark.parametrize(
        ("headers", "status"),
        [({}, 200), ({"range": "bytes=0-1"}, 206), ({"range": "bytes=5-"}, 416)],
    )
    def test_video_is_readable(self, get, settings, tmp_path, headers, status):
        settings.MEDIA_ROOT = tmp_path
        file = tmp_path / VIDEO.removeprefix("/media/")
        file.parent.mkdir(parents=True)
        file.write_bytes(b"video")
        answer = get(VIDEO, **headers)
        self.check(answer, status)
        answer.close()

    def test_unlisted_origin_gets_no_header(self, get):
        for path in (JOBS, "/api/v1/video-models", "/media/nope"):
            assert not cors_headers(get(path, origin=OTHER))

    def test_vary_names_the_origin_whether_one_was_sent_or_not(self, client):
        """Without it, a cache would serve one origin's answer to a page of another."""
        for headers in ({}, {"origin": OTHER}, {"origin": APP}):
            answer = client.get("/api/v1/video-models", headers=headers)
            assert "origin" in names(answer["Vary"])


@pytest.mark.parametrize("path", OUTSIDE)
def test_path_outside_the_api_gets_no_cors_header(client, settings, path):
    settings.CORS_ALLOWED_ORIGINS = [APP]
    for are_all_allowed in (False, True):
        settings.CORS_ALLOW_ALL_ORIGINS = are_all_allowed
        assert not cors_headers(preflight(client, path))
        assert not cors_headers(client.get(path, headers={"origin": APP}))


@pytest.mark.parametrize("origin", [APP, "null"])
def test_every_origin_may_call_the_api_where_all_are_allowed(anonymous, settings, origin):
    settings.CORS_ALLOW_ALL_ORIGINS = True
    for answer in (
        preflight(anonymous, JOBS, origin=origin),
        anonymous.get("/api/v1/video-models", headers={"origin": origin}),
    ):
        assert answer.status_code == 200
        assert answer[ALLOW_ORIGIN] == "*"
        assert "Access-Control-Allow-Credentials" not in answer
        assert "origin" in names(answer["Vary"])


@pytest.mark.parametrize("path", [JOBS, "/api/v1/auth/token", "/api/nope", VIDEO])
def test_no_origin_may_call_the_api_by_default(client, path):
    assert not cors_headers(preflight(client, path))
    assert not cors_headers(client.get(path, headers={"origin": APP}))
