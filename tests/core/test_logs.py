"""What the log contains for each request and job, and what it must never contain."""

import json
import logging
import traceback

import pytest
from django.conf import settings as configured
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from jobs import lifecycle, model_availability
from jobs.models import Stage, Status, VideoJob
from tests.api import JOBS
from videostudio.core import logs

logger = logging.getLogger("somewhere")
ID = "X-Request-ID"


def of(lines, name):
    return [line for line in lines() if line["logger"] == name]


class TestAccessLog:
    def test_only_successful_reads_have_no_line(self, client, lines):
        assert client.get(JOBS).status_code == 200
        client.get(f"{JOBS}/nonsense")
        client.post(f"{JOBS}/nonsense/cancel")
        assert [line["level"] for line in of(lines, "videostudio.requests")] == ["INFO", "INFO"]

    @pytest.mark.parametrize("path", [JOBS, "/v1/videos"])
    def test_order_of_a_model_that_google_lacks_is_no_error(self, client, settings, lines, path):
        settings.GOOGLE_API_KEY = "test-google-key"
        google = "veo-3.1-fast-generate-001"
        model_availability.close(google_id=google, cause="404", now=timezone.now())
        order = {"prompt": "A kite", "model": "veo-3.1-fast-generate-preview", "mockMode": False}
        ours = {"resolution": "720p", "aspectRatio": "16:9"} if path == JOBS else {}
        answer = client.post(path, order | ours, format="json")
        assert answer.status_code == 503
        [line] = lines()
        assert (line["level"], line["message"]) == ("INFO", f"POST {path} 503")

    def test_failed_readiness_is_one_warning(self, anonymous, db, lines):
        assert anonymous.get("/readyz").status_code == 503
        [line] = lines()
        assert (line["level"], line["message"]) == ("WARNING", "not ready: workers")


class TestRequest:
    @pytest.fixture(autouse=True)
    def everything(self):
        requests = logging.getLogger("videostudio.requests")
        requests.setLevel(logging.DEBUG)
        yield
        requests.setLevel(logging.NOTSET)

    def line(self, lines):
        [line] = of(lines, "videostudio.requests")
        return line

    def test_line_has_method_path_status_user_and_time(self, client, alice, lines):
        answer = client.get(f"{JOBS}?limit=5&client_reference=3133731337")
        line = self.line(lines)
        assert line["level"] == "DEBUG"
        assert line["message"] == f"GET {JOBS} 200"
        assert (line["method"], line["path"], line["status"]) == ("GET", JOBS, 200)
        assert line["user"] == str(alice.pk)
        assert 0 <= line["milliseconds"] < 5000
        assert line["request_id"] == answer[ID]
        assert "3133731337" not in str(lines())

    @pytest.mark.parametrize(
        ("path", "status"), [("/nowhere", 404), (f"{JOBS}/", 401), ("/admin", 301), ("/", 200)]
    )
    def test_every_answer_has_one_line(self, anonymous, lines, path, status):
        assert anonymous.get(path).status_code == status
        assert (self.line(lines)["status"], self.line(lines)["user"]) == (status, None)
        assert len(lines()) == 1

    def test_line_of_a_browser_names_the_session_user(self, anonymous, alice, lines):
        alice.is_staff = alice.is_superuser = True
        alice.save()
        anonymous.force_login(alice)
        assert anonymous.get("/admin/").status_code == 200
        assert self.line(lines)["user"] == str(alice.pk)

    def test_line_loads_no_user_by_itself(self, anonymous, alice, lines, monkeypatch):
        anonymous.force_login(alice)
        monkeypatch.setattr("django.contrib.auth.get_user", lambda request: 1 / 0)
        assert anonymous.get("/video-monitor").status_code == 200
        assert self.line(lines)["user"] is None

    @pytest.mark.parametrize("path", ["/healthz", "/readyz"])
    def test_probe_has_no_line(self, anonymous, db, lines, path):
        assert anonymous.get(path)[ID]
        assert not of(lines, "videostudio.requests")

    def test_newline_in_the_path_forges_no_line(self, anonymous, text):
        anonymous.get("/a%0A2026-01-01 INFO all is well")
        assert len(text().splitlines()) == 1

    @pytest.mark.parametrize("given", ["A-b_c.9", "x" * 64])
    def test_valid_request_id_is_kept(self, anonymous, lines, given):
        assert anonymous.get("/nowhere", headers={ID: given})[ID] == given
        assert self.line(lines)["request_id"] == given

    @pytest.mark.parametrize("given", ["", "x" * 65, "a\nb", "é", '"'])
    def test_invalid_request_id_is_replaced(self, anonymous, lines, given):
        made = anonymous.get("/nowhere", headers={ID: given})[ID]
        assert made != given
        assert logs.request_id.get() == ""
        assert self.line(lines)["request_id"] == made
        assert len(made) == 32

    def test_all_lines_of_a_request_have_its_id(self, client, lines, monkeypatch):
        def fail(**arguments):
            raise RuntimeError("unexpected")

        monkeypatch.setattr("jobs.job_creation.create", fail)
        answer = client.create()
        assert answer.status_code == 500
        assert {line["request_id"] for line in lines()} == {answer[ID]}
        [error] = of(lines, "django.request")
        assert "RuntimeError: unexpected" in error["exc_info"]

    def test_job_line_has_the_request_id(self, client, lines, commits):
        job = client.create(headers={ID: "mine"}).json()
        [line] = of(lines, "jobs.events")
        assert (line["job"], line["request_id"]) == (job["id"], "mine")


@pytest.mark.usefixtures("commits")
class TestJob:
    @pytest.mark.parametrize(
        ("state", "said"),
        [
            (Status.PENDING, ["created"]),
            (Stage.GENERATING, ["created", "submitted"]),
            (Status.SUCCEEDED, ["created", "submitted", "succeeded"]),
            (Status.FAILED, ["created", "submitted", "failed"]),
            (Status.CANCELLED, ["created", "cancelled"]),
        ],
    )
    def test_each_change_of_a_job_has_a_line(self, new_job, lines, state, said):
        job = new_job(state)
        ours = of(lines, "jobs.events")
        assert [line["message"] for line in ours] == [f"job {what}" for what in said]
        assert {line["job"] for line in ours} == {str(job.pk)}
        assert {line["level"] for line in ours} == {"INFO"}

    def test_line_of_a_failed_job_has_the_error_code(self, new_job, lines):
        new_job(Status.FAILED)
        assert of(lines, "jobs.events")[-1]["error_code"] == "safety.output"

    def test_rolled_back_change_has_no_line(self, alice, new_job, lines, monkeypatch):
        monkeypatch.undo()  # commits are real again, and never come here
        lifecycle.cancel(job=new_job(), now=timezone.now())
        assert not of(lines, "jobs.events")

    def test_prompt_is_never_logged(self, client, lines):
        client.create(prompt="A very private prompt")
        client.create(prompt="A very private prompt", model="no such model")
        client.create(prompt="A private prompt\x00")
        assert "private" not in str(lines())


SECRETS = {
    "GOOGLE_API_KEY": "AIzaSy-google-key",
    "CLOUDINARY_API_SECRET": "cloudinary-secret",
    "CLOUDINARY_API_KEY": "123456789012345",
    "SECRET_KEY": 'django\'s "secret" \\ kéy',
    "JWT_SIGNING_KEY": "jwt-signing-key-jwt-signing-key-",
    "METRICS_TOKEN": "metrics-token",
}
PASSWORD = "p@ss/w:rd"
API_KEY = "vsk_Ab3dE6gH_" + "s3cr3t" * 7 + "x"
JWT = "eyJhbGciOi.eyJ1c2VyX2.s1gn-atu_re"


@pytest.fixture
def secrets(settings, monkeypatch):
    for name, value in SECRETS.items():
        setattr(settings, name, value)
    settings.SIMPLE_JWT = configured.SIMPLE_JWT | {"SIGNING_KEY": "derived-signing-key"}
    settings.SECRET_KEY_FALLBACKS, settings.JWT_VERIFYING_KEYS = ["former-key"], ["former-jwt-key"]
    settings.METRICS_TOKEN_FALLBACKS = ["next-metrics"]
    monkeypatch.setitem(configured.DATABASES["default"], "PASSWORD", PASSWORD)
    logs._secrets.cache_clear()
    rotated = ["former-key", "former-jwt-key", "next-metrics"]
    yield [*SECRETS.values(), *rotated, PASSWORD, "derived-signing-key", "hunter2", JWT]
    logs._secrets.cache_clear()


class TestSecrets:
    """Every way into a line, for every secret."""

    @pytest.fixture(params=["json", "text"])
    def written(self, request, lines, text):
        return {"json": lambda: json.dumps(lines(), ensure_ascii=False), "text": text}[
            request.param
        ]

    def assert_clean(self, written, secrets):
        said = written()
        assert "[secret]" in said
        for secret in secrets:
            for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
                assert form not in said, form

    def test_secrets_are_removed_from_every_part_of_a_line(self, secrets, written):
        for secret in secrets[:-2]:
            logger.warning(f"the key is {secret}!")  # noqa: G004
            logger.warning("%s %r %s", secret, secret, {"deep": [secret]})
            logger.warning("x", extra={"key": secret, "deep": {"er": [secret, ValueError(secret)]}})
            try:
                raise ValueError(secret)
            except ValueError:
                logger.exception("broken", stack_info=True)
        self.assert_clean(written, secrets)

    @pytest.mark.parametrize(
        "said",
        [
            "Authorization: Bearer hunter2",
            "{'Authorization': 'bearer hunter2'}",
            f"Bearer {JWT}",
            f"refresh={JWT}&x=1",
            f"key={API_KEY}!",
            "postgres://studio:hunter2@db/studio",
            "redis://:hunter2@cache:6379/0",
            "https://db/?password=p%40ss%2Fw%3Ard",
        ],
    )
    def test_credentials_of_known_shape_are_removed(self, secrets, written, said):
        logger.warning(said)
        self.assert_clean(written, [*secrets, "p%40ss", "s3cr3t"])

    def test_rest_of_the_line_is_kept(self, secrets, lines):
        logger.warning("before %s after", "metrics-token", extra={"job": "1", "n": 2})
        [line] = lines()
        assert line["message"] == "before [secret] after"
        assert (line["job"], line["n"]) == ("1", 2)

    def test_empty_secret_removes_nothing(self, settings, lines):
        settings.GOOGLE_API_KEY = settings.METRICS_TOKEN = ""
        logs._secrets.cache_clear()
        logger.warning("an ordinary line")
        assert lines()[0]["message"] == "an ordinary line"

    @pytest.mark.only_on("postgresql")
    def test_row_in_a_database_error_is_removed(self, new_job, written):
        prompt = 'A very private\nprompt (with). "quotes"'
        job = new_job(prompt=prompt)
        with pytest.raises(IntegrityError) as refused, transaction.atomic():
            VideoJob.objects.filter(pk=job.pk).update(progress_percentage=101)
        assert "private" in "".join(traceback.format_exception(refused.value))
        logger.error("broken", exc_info=refused.value)
        assert "private" not in written()
        assert "quotes" not in written()
        assert "job_progress_at_most_100" in written()


class TestConfiguration:
    def test_every_handler_removes_secrets(self):
        # Cloudinary's SDK brings a handler; this module, the service's only way to it, takes it
        # away. Tests of the imitation import the SDK alone.
        import jobs.storage.cloudinary  # noqa: F401

        loggers = {"": logging.root, **logging.root.manager.loggerDict}
        others = {
            name: handler
            for name, logger in loggers.items()
            for handler in getattr(logger, "handlers", [])
            if not isinstance(handler, (logs.Handler, logging.NullHandler))
            if not type(handler).__module__.startswith("_pytest")
        }
        assert not others

    def test_sql_statements_are_not_logged(self, db, lines, settings):
        settings.DEBUG = True
        logging.getLogger("django.db.backends").debug("SELECT 'a private prompt'")
        assert connection.vendor
        assert not lines()

    def test_text_format_shows_extras(self, text):
        logger.warning("job %s", "failed", extra={"job": "abc"})
        assert text().strip().endswith("WARNING somewhere job failed job=abc")
