"""Errors without a view of our own: under /api/ each response is JSON of one shape, not a page."""

import logging

import pytest
from django.db import InterfaceError, OperationalError
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from jobs import job_creation, lifecycle
from jobs.api.errors import TRANSLATIONS
from tests.api import JOBS, Client, assert_fault, assert_problem

ID = "550e8400-e29b-41d4-a716-446655440000"
SECRET = "secret words: password=hunter2 at /srv/app/jobs/orders.py"
METHODS = ["get", "post", "put", "patch", "delete", "options"]
# Every endpoint, and what it can be asked.
ENDPOINTS = {
    JOBS: ["get", "post"],
    f"{JOBS}/{ID}": ["get", "delete"],
    f"{JOBS}/{ID}/cancel": ["post"],
    f"{JOBS}/{ID}/download": ["get"],
    "/api/v1/tokens": ["get"],
    "/api/v1/tokens/entries": ["get"],
    "/api/v1/auth/me": ["get"],
}
PUBLIC = {
    "/api/v1/video-models": ["get"],
    "/api/v1/schema": ["get"],
    "/api/v1/docs": ["get"],
    "/api/v1/auth/register": ["post"],
    "/api/v1/auth/token": ["post"],
    "/api/v1/auth/token/refresh": ["post"],
    "/api/v1/auth/logout": ["post"],
}
DOCUMENTS = ("/api/v1/schema", "/api/v1/docs")
ALL = ENDPOINTS | PUBLIC


@pytest.mark.once
class TestUnknownPath:
    @pytest.mark.parametrize(
        "path",
        [
            *("/api", "/api/", "/api/v1", "/api/v1/", "/api/v2/video-jobs", "/api/v1/nope"),
            *("/api//", "/api/v1/video-jobs//", f"{JOBS}/{ID}/nope", f"{JOBS}/{ID}/cancel/x"),
            *("/api/v1/auth", "/api/v1/auth/nope", "/api/v1/tokens/nope", "/api/v1/VIDEO-JOBS"),
            *("/api/%00", "/api/%ff", "/api/<script>", "/api/v1/video-jobs.json"),
            *("/api/v1/video-jobs%0a", "/api/v1/tokens%0a"),
        ],
    )
    @pytest.mark.parametrize("method", METHODS)
    def test_is_404(self, client, path, method):
        answer = getattr(client, method)(path)
        body = assert_problem(answer, 404, "not_found")
        assert set(body) == {"detail", "code"}
        assert answer["Content-Length"] == str(len(answer.content))

    @pytest.mark.parametrize("path", ["//api/v1/video-jobs", "///api", "//api/v1/nope"])
    def test_with_doubled_slashes_is_404_in_json(self, client, path):
        assert_problem(client.get("/", PATH_INFO=path), 404, "not_found")

    def test_is_404_for_strangers_too(self, anonymous):
        assert_problem(anonymous.get("/api/v1/nope"), 404, "not_found")

    @pytest.mark.parametrize("path", ["/api/v1/nope", "/api/nope", f"{JOBS}/{ID}/nope"])
    @pytest.mark.parametrize("method", ["post", "delete"])
    def test_is_404_without_a_forms_token(self, db, path, method):
        browser = Client(enforce_csrf_checks=True)
        assert_problem(getattr(browser, method)(path), 404, "not_found")

    @pytest.mark.parametrize("path", ["/nope", "/apis", "/media/nope"])
    def test_outside_the_api_is_a_page(self, client, path):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")


@pytest.mark.once
class TestMethod:
    @pytest.mark.parametrize(
        ("path", "method"),
        [
            (path, method)
            for path, allowed in ALL.items()
            for method in METHODS
            if method not in (*allowed, "options")
        ],
    )
    def test_that_the_path_does_not_have_is_405(self, client, path, method):
        answer = getattr(client, method)(path)
        body = assert_problem(answer, 405, "method_not_allowed")
        assert set(body) == {"detail", "code"}
        allowed = {each.strip().lower() for each in answer["Allow"].split(",")}
        assert allowed - {"head", "options"} == set(ALL[path])

    @pytest.mark.parametrize("path", ALL)
    def test_options_is_answered_in_json(self, client, path):
        answer = client.options(path)
        assert answer.status_code == 405
        assert answer["Content-Type"] == "application/json"
        assert answer.json()["code"] == "method_not_allowed"


class TestTrailingSlash:
    @pytest.mark.parametrize(
        ("path", "method"), [(path, method) for path, allowed in ALL.items() for method in allowed]
    )
    def test_is_optional(self, client, path, method):
        plain, slashed = (getattr(client, method)(each) for each in (path, f"{path}/"))
        assert plain.status_code == slashed.status_code
        if plain["Content-Type"] == "application/json":
            assert plain.json() == slashed.json()

    @pytest.mark.parametrize("path", [f"{JOBS}/?limit=1", f"{JOBS}?limit=1"])
    def test_leaves_the_query_alone(self, client, path, new_job):
        new_job()
        new_job()
        assert len(client.get(path).json()["jobs"]) == 1


class TestLogin:
    @pytest.mark.parametrize(
        ("path", "method"),
        [(path, method) for path, allowed in ENDPOINTS.items() for method in allowed],
    )
    def test_is_needed(self, anonymous, path, method):
        answer = getattr(anonymous, method)(path)
        body = assert_problem(answer, 401, "not_authenticated")
        assert set(body) == {"detail", "code"}
        assert answer["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("Bearer gone", "token_not_valid"),
            ("Bearer a.b.c", "token_not_valid"),
            ("Bearer", "bad_authorization_header"),
            ("Bearer a b", "bad_authorization_header"),
            ("Basic YWxpY2U6eA==", "not_authenticated"),
            ("", "not_authenticated"),
        ],
    )
    def test_by_a_wrong_header_is_401(self, anonymous, header, code):
        answer = anonymous.get(JOBS, headers={"authorization": header})
        assert answer.status_code == 401
        assert set(answer.json()) == {"detail", "code"}
        assert isinstance(answer.json()["detail"], str)
        assert answer.json()["code"] == code
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_by_a_refresh_token_is_401(self, anonymous, alice):
        header = f"Bearer {RefreshToken.for_user(alice)}"
        answer = anonymous.get(JOBS, headers={"authorization": header})
        assert_problem(answer, 401, "token_not_valid")

    def test_of_a_deactivated_user_stops_working_at_once(self, client, alice):
        assert client.get(JOBS).status_code == 200
        alice.is_active = False
        alice.save()
        assert_problem(client.get(JOBS), 401, "user_inactive")
        assert client.create().status_code == 401

    def test_by_a_session_of_the_admin_does_not_count(self, boss):
        assert boss.get("/admin/").status_code == 200
        assert_problem(boss.get(JOBS), 401, "not_authenticated")

    def test_of_a_superuser_sees_no_more_than_his_own(self, anonymous, boss, new_job, client):
        job = new_job()
        root = type(job.user).objects.get(username="boss")
        headers = {"authorization": f"Bearer {AccessToken.for_user(root)}"}
        assert_problem(anonymous.get(f"{JOBS}/{job.pk}", headers=headers), 404, "not_found")


class TestBrokenService:
    @pytest.fixture
    def breaks(self, monkeypatch):
        def breaks(error):
            def fail(**arguments):
                raise error

            monkeypatch.setattr(job_creation, "create", fail)

        return breaks

    def test_is_500_without_a_trace(self, client, breaks, caplog):
        breaks(RuntimeError(SECRET))
        answer = client.create()
        body = assert_problem(answer, 500, "internal")
        assert body == {"detail": "Something went wrong on our side.", "code": "internal"}
        assert answer["Content-Length"] == str(len(answer.content))
        assert "hunter2" not in answer.text
        [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert record.exc_info

    @pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
    def test_without_a_database_is_503(self, client, breaks, caplog, kind):
        breaks(kind(SECRET))
        answer = client.create()
        body = assert_problem(answer, 503, "unavailable")
        assert set(body) == {"detail", "code"}
        assert int(answer["Retry-After"]) > 0
        assert "hunter2" not in answer.text
        [record] = [each for each in caplog.records if each.exc_info]
        assert record.getMessage() == "the database does not respond"

    @pytest.mark.parametrize("path", [JOBS, f"{JOBS}/{ID}", "/api/v1/tokens", "/api/v1/auth/me"])
    def test_that_cannot_look_up_the_user_is_503(self, client, monkeypatch, path):
        def fail(self, token):
            raise OperationalError(SECRET)

        monkeypatch.setattr(JWTAuthentication, "get_user", fail)
        assert_problem(client.get(path), 503, "unavailable")

    def test_has_an_answer_for_every_refusal_of_the_domain(self):
        ours = {
            each
            for module in (job_creation, lifecycle)
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Exception)
            if each.__module__.startswith(module.__name__)
        }
        assert len(ours) >= 4
        assert ours <= set(TRANSLATIONS)


class TestHost:
    @pytest.mark.parametrize("path", [JOBS, "/api/v1/nope", "/api/", "/api/v1/auth/token"])
    @pytest.mark.parametrize("host", ["evil.example", "a_b", "x" * 300, "127.0.0.1:x"])
    def test_that_is_not_ours_is_400(self, client, path, host):
        assert_fault(client.get(path, HTTP_HOST=host), code="malformed")

    def test_that_is_not_ours_is_a_page_elsewhere(self, client):
        answer = client.get("/video-monitor", HTTP_HOST="evil.example")
        assert answer.status_code == 400


@pytest.mark.once
class TestAccept:
    @pytest.mark.parametrize(
        "accept", ["*/*", "application/json", "application/*", "text/html, */*;q=0.1"]
    )
    def test_of_json_is_json(self, client, accept):
        answer = client.get(JOBS, headers={"accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")

    @pytest.mark.parametrize("accept", ["text/html", "image/png", "nonsense", "application/xml"])
    def test_of_anything_else_is_json_all_the_same(self, client, accept):
        answer = client.get(JOBS, headers={"accept": accept})
        assert answer["Content-Type"] == "application/json"
        assert answer.status_code in (200, 406)
