"""The system checks: what they find, and that what they find stops every start."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as configured
from django.core.checks import run_checks

from jobs.worker import leases
from tests.run import ENVIRONMENT, PROJECT


def found(*, deploy=False):
    return {
        message.id: message
        for message in run_checks(include_deployment_checks=deploy)
        if str(message.id).startswith("jobs.")
    }


class TestTimes:
    def test_fit_as_they_are(self):
        assert found() == {}

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"retry": 900}, "jobs.E001"),
            ({"retry": 901}, None),
            ({"queue_limit": 4}, "jobs.E001"),
            ({"workers": 1}, "jobs.E001"),
            ({"timeout": 400}, "jobs.E001"),
            ({"timeout": 45}, "jobs.E004"),
            ({"timeout": 46}, None),
        ],
    )
    def test_of_the_cluster(self, settings, changes, problem):
        settings.Q_CLUSTER = configured.Q_CLUSTER | changes
        assert set(found()) == ({problem} if problem else set())

    @pytest.mark.parametrize("seconds", [20, 30])
    def test_of_a_lease_outlast_a_call(self, monkeypatch, seconds):
        monkeypatch.setattr(leases, "LEASE", leases.LEASE * seconds / 45)
        assert set(found()) == {"jobs.E002"}

    @pytest.mark.parametrize(
        ("deadline", "mock", "fits"),
        [(45, 8, False), (46, 8, True), (600, 600, False), (601, 600, True)],
    )
    def test_of_a_deadline_leave_time_for_a_video(self, settings, deadline, mock, fits):
        settings.VIDEO_JOB_DEADLINE_SECONDS, settings.MOCK_SECONDS = deadline, mock
        assert set(found()) == (set() if fits else {"jobs.E003"})

    def test_that_do_not_fit_say_what_would(self, settings):
        settings.VIDEO_JOB_DEADLINE_SECONDS = 30
        assert "VIDEO_JOB_DEADLINE_SECONDS above 45" in found()["jobs.E003"].hint


class TestModelIds:
    def test_of_the_catalog_pass(self, settings):
        settings.VEO_MODEL_IDS = {"veo-3.1-generate-001": "some-id"}
        assert found() == {}

    def test_of_an_unknown_model_fail_and_the_message_lists_the_known_ones(self, settings):
        settings.VEO_MODEL_IDS = {"veo-3.1-generate-001": "some-id", "veo-9": "other-id"}
        error = found()["jobs.E005"]
        assert error.msg == "VEO_MODEL_IDS names models that do not exist: veo-9"
        assert "veo-3.1-generate-001" in error.hint


class TestProduction:
    @pytest.fixture
    def fit(self, settings, monkeypatch):
        settings.GOOGLE_API_KEY = "a key"
        monkeypatch.setitem(
            configured.DATABASES["default"], "ENGINE", "django.db.backends.postgresql"
        )

    @pytest.mark.usefixtures("fit")
    def test_is_fit(self):
        assert found(deploy=True) == {}

    @pytest.mark.usefixtures("fit")
    @pytest.mark.parametrize(
        ("key", "project", "mock", "fits"),
        [
            ("", "", None, False),
            ("", "", False, False),
            ("", "", True, True),
            ("key", "", None, True),
            ("", "project", None, True),
        ],
    )
    def test_has_somebody_who_makes_videos(self, settings, key, project, mock, fits):
        settings.GOOGLE_API_KEY, settings.GOOGLE_CLOUD_PROJECT = key, project
        settings.VIDEO_DEFAULT_MOCK_MODE = mock
        assert set(found(deploy=True)) == (set() if fits else {"jobs.W001"})

    def test_is_not_sqlite(self, fit, monkeypatch):
        monkeypatch.setitem(configured.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
        assert set(found(deploy=True)) == {"jobs.W002"}

    @pytest.mark.parametrize(("https", "proxies", "fits"), [(True, 0, False), (True, 1, True),
                                                            (False, 0, True)])  # fmt: skip
    def test_need_the_proxy_that_ends_https_to_be_trusted(self, settings, https, proxies, fits):
        settings.HTTPS_ONLY, settings.TRUSTED_PROXIES = https, proxies
        assert ("jobs.W003" in found(deploy=True)) != fits
        assert found() == {}


WEB = ("-m", "gunicorn", "-c", "python:videostudio.gunicorn", "videostudio.wsgi")
CLUSTER = ("manage.py", "qcluster")


class TestStart:
    """Both kinds of process, with a database that nobody may ask before the checks."""

    def run(self, *command, **environment):
        nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "PORT": "1"}
        return subprocess.run(
            [sys.executable, *command],
            cwd=PROJECT,
            env=ENVIRONMENT | nowhere | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @pytest.mark.parametrize("command", [WEB, CLUSTER])
    def test_ends_with_the_one_message_of_a_failed_check(self, command):
        ended = self.run(*command, VIDEO_JOB_DEADLINE_SECONDS="60", MOCK_SECONDS="90")
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1
        assert said.count("(jobs.E003) Jobs would fail before they can be done.") == 1
        assert "HINT: Raise VIDEO_JOB_DEADLINE_SECONDS above 90" in said
        assert "Traceback" not in said
        assert "worker" not in said

    @pytest.mark.parametrize("command", [WEB, CLUSTER])
    @pytest.mark.parametrize(
        ("name", "value"),
        [("LOG_FORMAT", "xml"), ("SENTRY_DSN", "not a DSN"), ("VEO_MAX_IN_FLIGHT", "0")],
    )
    def test_ends_with_the_one_line_of_a_wrong_setting(self, command, name, value):
        ended = self.run(*command, **{name: value})
        assert ended.returncode == 1
        [line] = ended.stderr.strip().splitlines()
        assert line.startswith(f"videostudio: {name}: ")

    def test_of_the_web_asks_no_database_before_the_fork(self):
        code = (
            "import videostudio.wsgi, videostudio.gunicorn\n"
            "from django.db import connections\n"
            "videostudio.gunicorn.on_starting(None)\n"
            "assert all(each.connection is None for each in connections.all())\n"
            "import sys; assert 'google.genai' not in sys.modules\n"
            "assert 'sentry_sdk' not in sys.modules\n"
        )
        ended = self.run("-c", code)
        assert ended.returncode == 0, ended.stderr

    def test_runs_the_deployment_checks_where_they_are_asked_for(self):
        environment = {
            "HTTPS_ONLY": "true",
            "CSRF_TRUSTED_ORIGINS": "https://studio.example.com",
            "SECRET_KEY": os.urandom(32).hex(),
            "TRUSTED_PROXIES": "1",
        }
        check = ("manage.py", "check", "--deploy", "--fail-level", "WARNING")
        ended = self.run(*check, **environment)
        assert ended.returncode == 1
        assert "(jobs.W001)" in ended.stderr
        ended = self.run(*check, **environment, GOOGLE_API_KEY="a key")
        assert "(jobs." not in ended.stderr
