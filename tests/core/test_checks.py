"""The system checks: what they find, and that what they find stops every start."""

import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings as configured
from django.core.checks import run_checks

from jobs.catalog import MODELS
from jobs.worker import leases
from tests.run import ENVIRONMENT, PROJECT

pytestmark = pytest.mark.once


def found(*, deploy=False):
    return {
        message.id: message
        for message in run_checks(include_deployment_checks=deploy)
        if str(message.id).startswith("jobs.")
    }


class TestTimes:
    def test_default_times_pass(self):
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
    def test_cluster_times_must_fit_each_other(self, settings, changes, problem):
        settings.Q_CLUSTER = configured.Q_CLUSTER | changes
        assert set(found()) == ({problem} if problem else set())

    def test_lease_shorter_than_a_call_is_refused(self, monkeypatch):
        monkeypatch.setattr(leases, "LEASE", leases.LEASE * 30 / 45)
        assert set(found()) == {"jobs.E002"}

    @pytest.mark.parametrize(
        ("deadline", "mock", "fits"),
        [(45, 8, False), (46, 8, True), (600, 600, False), (601, 600, True)],
    )
    def test_deadline_must_leave_time_for_a_video(self, settings, deadline, mock, fits):
        settings.VIDEO_JOB_DEADLINE_SECONDS, settings.MOCK_SECONDS = deadline, mock
        errors = found()
        assert set(errors) == (set() if fits else {"jobs.E003"})
        if not fits:
            limit = max(45, mock)
            assert f"VIDEO_JOB_DEADLINE_SECONDS above {limit}" in errors["jobs.E003"].hint


def test_unknown_model_in_veo_model_ids_is_refused_with_the_known_ones(settings):
    settings.VEO_MODEL_IDS = {"veo-3.1-generate-001": "some-id"}
    assert found() == {}
    settings.VEO_MODEL_IDS |= {"veo-9": "other-id"}
    error = found()["jobs.E005"]
    assert error.msg == "VEO_MODEL_IDS names models that do not exist: veo-9"
    assert "veo-3.1-generate-001" in error.hint


def test_misspelt_variable_is_named_with_the_nearest(settings):
    settings.UNKNOWN_NAMES = {"VEO_MAX_INFLIGHT": "VEO_MAX_IN_FLIGHT", "VIDEO_COLOUR": ""}
    warnings = [message for message in run_checks() if message.id == "jobs.W006"]
    assert [message.msg.split()[0] for message in warnings] == [*settings.UNKNOWN_NAMES]
    assert warnings[0].hint == "Did you mean VEO_MAX_IN_FLIGHT?"
    assert not any(message.is_serious() for message in warnings)


class TestMediaRoot:
    def test_folder_that_can_be_made_is_accepted(self, settings, tmp_path):
        settings.MEDIA_ROOT = tmp_path / "a" / "b"
        assert found() == {}

    @pytest.mark.parametrize("path", ["/dev/null", "/dev/null/videos"])
    def test_folder_that_cannot_be_written_is_named(self, settings, path):
        settings.MEDIA_ROOT = path
        assert path in found()["jobs.W007"].msg
        settings.USE_CLOUDINARY = True
        assert found() == {}


PRICE = {"perSecond": 4, "sound": 2}
PRICES = {"720p": PRICE, "1080p": PRICE}
NO_PRICES_OF_MODEL: list[Any] = [{}, [], {"720p": PRICE}]
NO_PRICES: list[Any] = [
    *(4, None, {}, [4, 2], PRICE | {"minimum": 1}),
    *({"perSecond": amount, "sound": 2} for amount in (-1, 4.5, 4.0, "4", True, None, 1_000_001)),
    *({"perSecond": 4, "sound": amount} for amount in (-1, 0.5, float("nan"), 10**4000)),
]


class TestPrices:
    @pytest.mark.parametrize(
        "table",
        [
            *(dict.fromkeys(MODELS, of_model) for of_model in NO_PRICES_OF_MODEL),
            *(dict.fromkeys(MODELS, PRICES | {"720p": price}) for price in NO_PRICES),
            dict.fromkeys(MODELS, PRICES | {"4k": PRICE}),
            dict.fromkeys([*MODELS, "veo-9"], PRICES),
            dict.fromkeys(list(MODELS)[1:], PRICES),
        ],
    )
    def test_invalid_table_is_refused_in_one_line(self, settings, table):
        settings.VIDEO_PRICES = table
        error = found()["jobs.E007"]
        assert error.msg.startswith("VIDEO_PRICES: ")
        assert "\n" not in error.msg

    @pytest.mark.parametrize("table", [{}, dict.fromkeys(MODELS, PRICES)])
    def test_whole_table_or_none_is_accepted(self, settings, table):
        settings.VIDEO_PRICES = table
        assert found() == {}


class TestProduction:
    @pytest.fixture
    def fit(self, settings, monkeypatch):
        settings.GOOGLE_API_KEY = "a key"
        monkeypatch.setitem(
            configured.DATABASES["default"], "ENGINE", "django.db.backends.postgresql"
        )

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
    def test_warning_without_google_account_or_mock(self, settings, key, project, mock, fits):
        settings.GOOGLE_API_KEY, settings.GOOGLE_CLOUD_PROJECT = key, project
        settings.VIDEO_DEFAULT_MOCK_MODE = mock
        assert set(found(deploy=True)) == (set() if fits else {"jobs.W001"})

    def test_warning_with_sqlite(self, fit, monkeypatch):
        monkeypatch.setitem(configured.DATABASES["default"], "ENGINE", "django.db.backends.sqlite3")
        assert set(found(deploy=True)) == {"jobs.W002"}

    @pytest.mark.usefixtures("fit")
    def test_warning_with_every_host_allowed(self, settings):
        settings.ALLOWED_HOSTS = ["studio.example.com", "*"]
        assert set(found(deploy=True)) == {"jobs.W008"}

    @pytest.mark.parametrize(("https", "proxies", "fits"), [(True, 0, False), (True, 1, True),
                                                            (False, 0, True)])  # fmt: skip
    def test_warning_with_https_and_no_trusted_proxy(self, settings, https, proxies, fits):
        settings.HTTPS_ONLY, settings.TRUSTED_PROXIES = https, proxies
        assert ("jobs.W003" in found(deploy=True)) != fits
        assert found() == {}


WEB = ("-m", "gunicorn", "-c", "python:videostudio.gunicorn", "videostudio.wsgi")
CLUSTER = ("manage.py", "qcluster")


@pytest.mark.slow
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
    def test_failed_check_ends_the_start_with_one_message(self, command):
        ended = self.run(*command, VIDEO_JOB_DEADLINE_SECONDS="60", MOCK_SECONDS="90")
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1
        assert said.count("(jobs.E003) Jobs would fail before they can be done.") == 1
        assert "HINT: Raise VIDEO_JOB_DEADLINE_SECONDS above 90" in said
        assert "Traceback" not in said
        assert "worker" not in said

    @pytest.mark.parametrize(
        ("command", "name", "value"),
        [(WEB, "LOG_FORMAT", "xml"), (CLUSTER, "SENTRY_DSN", "no DSN")],
    )
    def test_invalid_setting_ends_the_start_with_one_line(self, command, name, value):
        ended = self.run(*command, **{name: value})
        assert ended.returncode == 1
        [line] = ended.stderr.strip().splitlines()
        assert line.startswith(f"videostudio: {name}: ")


class TestResetLinks:
    @pytest.mark.parametrize(
        ("hosts", "mail", "public", "fits"),
        [
            (["*"], "smtp://mail", "", False),
            (["a.example.com", ".example.com"], "smtp://mail", "", False),
            (["a.example.com"], "smtp://mail", "", True),
            (["*"], "smtp://mail", "https://a.example.com", True),
            (["*"], "", "", True),
        ],
    )
    def test_link_needs_a_host_of_the_operators(self, settings, hosts, mail, public, fits):
        settings.ALLOWED_HOSTS, settings.EMAIL_URL, settings.PUBLIC_URL = hosts, mail, public
        assert set(found()) == (set() if fits else {"jobs.W005"})
        assert ("jobs.E006" in found(deploy=True)) != fits
