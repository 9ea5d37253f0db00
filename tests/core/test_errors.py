"""Under /api/ every error is JSON of one shape, never a page."""

import logging

import pytest
from django.db import InterfaceError, OperationalError
from rest_framework_simplejwt.tokens import AccessToken

from accounts.api.authentication import BearerAuthentication
from jobs import job_creation, lifecycle
from jobs.api.errors import TRANSLATIONS
from tests.api import ENDPOINTS, ID, JOBS, PRIVATE, Client, assert_fault, assert_problem

SECRET = "secret words: password=hunter2 at /srv/app/jobs/orders.py"
METHODS = ["get", "post", "put", "patch", "delete"]


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
    def test_path_of_the_api_is_404_in_json_for_everybody(self, client, anonymous, path):
        for answer in (client.get(path), client.post(path), anonymous.get(path)):
            body = assert_problem(answer, 404, "not_found")
            assert set(body) == {"detail", "code"}
            assert answer["Content-Length"] == str(len(answer.content))

    @pytest.mark.parametrize("method", [*METHODS, "options"])
    def test_any_method_is_404_without_a_csrf_token(self, db, method):
        browser = Client(enforce_csrf_checks=True)
        assert_problem(getattr(browser, method)("/api/v1/nope"), 404, "not_found")

    @pytest.mark.parametrize("path", ["//api/v1/video-jobs", "///api", "//api/v1/nope"])
    def test_doubled_slashes_are_404_in_json(self, client, path):
        assert_problem(client.get("/", PATH_INFO=path), 404, "not_found")

    @pytest.mark.parametrize("path", ["/nope", "/apis", "/media/nope"])
    def test_path_outside_the_api_is_a_page(self, client, path):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer["Content-Type"].startswith("text/html")


@pytest.mark.once
class TestMethod:
    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_method_that_the_path_lacks_is_405(self, client, path):
        for method in set(METHODS) - set(ENDPOINTS[path]):
            answer = getattr(client, method)(path)
            body = assert_problem(answer, 405, "method_not_allowed")
            assert set(body) == {"detail", "code"}
            allowed = {each.strip().lower() for each in answer["Allow"].split(",")}
            assert allowed - {"head", "options"} == set(ENDPOINTS[path])
        assert_problem(client.options(path), 405, "method_not_allowed")


class TestTrailingSlash:
    @pytest.mark.parametrize("path", ENDPOINTS)
    def test_trailing_slash_is_optional(self, client, path):
        method = getattr(client, ENDPOINTS[path][0])
        plain, slashed = method(path), method(f"{path}/")
        assert plain.status_code == slashed.status_code
        if plain["Content-Type"] == "application/json":
            assert plain.json() == slashed.json()

    def test_query_after_a_trailing_slash_is_kept(self, client, new_job):
        new_job()
        new_job()
        assert len(client.get(f"{JOBS}/?limit=1").json()["jobs"]) == 1


class TestAuthentication:
    @pytest.mark.parametrize(
        ("path", "method"),
        [(path, method) for path, methods in PRIVATE.items() for method in methods],
    )
    def test_private_endpoint_without_login_is_401(self, anonymous, path, method):
        answer = getattr(anonymous, method)(path)
        body = assert_problem(answer, 401, "not_authenticated")
        assert set(body) == {"detail", "code"}
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_no_shared_cache_stores_the_answers_of_private_endpoints(self, client, anonymous):
        for path in (path for path, methods in PRIVATE.items() if "get" in methods):
            assert client.get(path)["Cache-Control"] == "private, no-cache", path
        assert "Cache-Control" not in anonymous.get("/api/v1/video-models")

    def test_deactivated_user_is_401_at_once(self, client, alice):
        assert client.get(JOBS).status_code == 200
        alice.is_active = False
        alice.save()
        assert_problem(client.get(JOBS), 401, "user_inactive")
        assert client.create().status_code == 401

    def test_admin_session_without_token_is_401(self, boss):
        assert boss.get("/admin/").status_code == 200
        assert_problem(boss.get(JOBS), 401, "not_authenticated")

    def test_superuser_sees_only_own_jobs(self, anonymous, boss, new_job, client):
        job = new_job()
        root = type(job.user).objects.get(username="boss")
        headers = {"authorization": f"Bearer {AccessToken.for_user(root)}"}
        assert_problem(anonymous.get(f"{JOBS}/{job.pk}", headers=headers), 404, "not_found")


class TestServerError:
    @pytest.fixture
    def breaks(self, monkeypatch):
        def breaks(error):
            def fail(**arguments):
                raise error

            monkeypatch.setattr(job_creation, "create", fail)

        return breaks

    def test_unexpected_error_is_500_without_details(self, client, breaks, caplog):
        breaks(RuntimeError(SECRET))
        answer = client.create()
        body = assert_problem(answer, 500, "internal")
        assert body == {"detail": "Something went wrong on our side.", "code": "internal"}
        assert answer["Content-Length"] == str(len(answer.content))
        assert "hunter2" not in answer.text
        [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert record.exc_info

    @pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
    def test_database_error_is_503(self, client, breaks, caplog, kind):
        breaks(kind(SECRET))
        answer = client.create()
        body = assert_problem(answer, 503, "unavailable")
        assert set(body) == {"detail", "code"}
        assert int(answer["Retry-After"]) > 0
        assert "hunter2" not in answer.text
        [record] = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert record.exc_info
        assert record.getMessage() == "the database does not respond"

    @pytest.mark.parametrize("path", [JOBS, "/api/v1/auth/me"])
    def test_database_error_during_authentication_is_503(self, client, monkeypatch, path):
        def fail(self, token):
            raise OperationalError(SECRET)

        monkeypatch.setattr(BearerAuthentication, "get_user", fail)
        assert_problem(client.get(path), 503, "unavailable")

    def test_every_exception_of_the_domain_has_an_answer(self):
        ours = {
            each
            for module in (job_creation, lifecycle)
            for each in vars(module).values()
            if isinstance(each, type) and issubclass(each, Exception)
            if each.__module__.startswith(module.__name__)
        }
        assert len(ours) >= 4
        for_staff_only = {lifecycle.NotHeld}
        assert ours - for_staff_only <= set(TRANSLATIONS)


class TestHost:
    @pytest.mark.parametrize("path", [JOBS, "/api/v1/nope", "/api/"])
    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:x"])
    def test_unknown_host_is_400_in_json_under_the_api(self, client, path, host):
        assert_fault(client.get(path, HTTP_HOST=host), code="malformed")


@pytest.mark.once
class TestAccept:
    @pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html, */*;q=0.1"])
    def test_accept_header_that_includes_json_gets_json(self, client, accept):
        answer = client.get(JOBS, headers={"accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")

    @pytest.mark.parametrize("accept", ["text/html", "nonsense"])
    def test_accept_header_without_json_gets_json_too(self, client, accept):
        answer = client.get(JOBS, headers={"accept": accept})
        assert answer["Content-Type"] == "application/json"
        assert answer.status_code in (200, 406)
