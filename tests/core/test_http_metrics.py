"""The metrics of HTTP requests: what is counted, and that clients cannot make up labels."""

from uuid import uuid4

import pytest

from tests.api import limited

pytestmark = pytest.mark.django_db
JOBS = "/api/v1/video-jobs"
REQUESTS, ERRORS = "http_requests_total", "api_errors_total"


class TestRequests:
    def test_request_is_counted_by_method_route_and_status(self, client, added):
        job = client.create().json()["id"]
        for _ in range(2):
            client.get(f"{JOBS}/{job}")
        client.get(f"{JOBS}/{uuid4()}")
        assert added(REQUESTS, "POST", JOBS, "202") == 1
        assert added(REQUESTS, "GET", f"{JOBS}/<pk>", "200") == 2
        assert added(REQUESTS, "GET", f"{JOBS}/<pk>", "404") == 1

    def test_duration_is_in_a_histogram(self, client, added):
        client.get(JOBS)
        seconds = "http_request_duration_seconds"
        assert added(f"{seconds}_count", "GET", JOBS) == 1
        assert added(f"{seconds}_bucket", "+Inf", "GET", JOBS) == 1
        assert 0 < added(f"{seconds}_sum", "GET", JOBS) < 5

    @pytest.mark.parametrize(
        ("path", "route"),
        [
            ("/nothing/here", "none"),
            ("/api/v1/nothing/here", "/api/v1/<unknown>"),
            ("/admin/login/", "/admin/"),
            ("/admin/jobs/videojob/1/change/", "/admin/"),
            ("/healthz", "/healthz"),
        ],
    )
    def test_paths_of_clients_are_no_labels(self, anonymous, added, path, route):
        status = anonymous.get(path).status_code
        assert added(REQUESTS, "GET", route, str(status)) == 1

    def test_methods_of_clients_are_no_labels(self, anonymous, added):
        status = anonymous.generic("MAKE-COFFEE", "/healthz").status_code
        assert added(REQUESTS, "other", "/healthz", str(status)) == 1


class TestErrors:
    def test_refused_orders_are_counted_by_reason(self, client, alice, tokens, settings, added):
        settings.VIDEO_MAX_ACTIVE_JOBS = 1
        limited(settings, "4/min")
        answers = [client.create(resolution="8K"), client.create(), client.create()]
        tokens(alice, 0)
        answers += [client.create(), client.create()]
        assert [answer.status_code for answer in answers] == [400, 202, 429, 402, 429]
        for code in ("insufficient_tokens", "too_many_active_jobs", "invalid", "throttled"):
            assert added(ERRORS, code, "POST", JOBS) == 1, code

    def test_errors_in_the_form_of_openai_are_counted_by_the_same_codes(self, anonymous, added):
        assert anonymous.get("/v1/videos").status_code == 401
        assert added(ERRORS, "not_authenticated", "GET", "/v1/videos") == 1


class TestLogins:
    def test_failed_logins_are_counted(self, anonymous, alice, added):
        wrong = {"username": "alice", "password": "wrong"}
        answer = anonymous.post("/api/v1/auth/token", wrong, format="json")
        assert answer.status_code == 401
        anonymous.post("/admin/login/", wrong)
        assert added("login_failures_total", "api") == 1
        assert added("login_failures_total", "admin") == 1
