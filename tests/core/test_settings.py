"""An invalid setting stops the start with a one-line error that names it."""

import json
import os
import re
import runpy
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from jobs.catalog import MODELS
from tests.run import PROJECT

pytestmark = pytest.mark.once

GOOD = {
    "SECRET_KEY": "known to everybody, since it is for tests on one machine only",
    "ALLOWED_HOSTS": "studio.example.com",
}
ACCOUNT = ("CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET")
BOOLEANS = [
    *("DEBUG", "HTTPS_ONLY", "USE_CLOUDINARY", "VIDEO_DEFAULT_MOCK_MODE", "ADMIN_OTP_REQUIRED"),
    "DATABASE_TRANSACTION_POOLING",
    *("VIDEO_REFUND_FAILED_JOBS", "REGISTRATION_OPEN", "MONITOR_SHOW_PROMPTS"),
    "VIDEO_DEFAULT_PRIVATE",
]
RATES = ["THROTTLE_AUTH", "THROTTLE_LOGIN_NAME", "THROTTLE_CREATE"]
LEAST = {
    "PORT": 1,
    "WEB_DRAIN_SECONDS": 0,
    "WORKER_CONCURRENCY": 2,
    "MOCK_SECONDS": 0,
    "VIDEO_JOB_DEADLINE_SECONDS": 60,
    "VIDEO_STORE_DEADLINE_HOURS": 1,
    "STAGING_MAX_BYTES": 100_000_000,
    "SIGNUP_GRANT_TOKENS": 0,
    "VIDEO_MOCK_TOKENS": 0,
    "STAFF_REFUND_DAILY_TOKENS": 0,
}
MOST = {
    "WEB_CONCURRENCY": 128,
    "WEB_THREADS": 128,
    "VEO_OPEN_SUBMISSIONS": 128,
    "STORE_THREADS": 64,
    "VIDEO_MAX_ACTIVE_JOBS": 10_000,
    "VEO_MAX_IN_FLIGHT": 100_000,
    "VEO_CREATES_PER_MINUTE": 100_000,
    "VEO_REOPEN_SECONDS": 604_800,  # a week
    "VIDEO_KEEP_DAYS": 36_500,  # what timedelta and dates can hold
    "JOB_KEEP_DAYS": 36_500,
}
GOOD_PRICES = {"720p": {"perSecond": 4, "sound": 2}, "1080p": {"perSecond": 4, "sound": 2}}


def prices(of_each_model: Any) -> str:
    return json.dumps(dict.fromkeys(MODELS, of_each_model))


INVALID = {
    **{name: ["maybe"] for name in BOOLEANS},
    **{name: ["nonsense", "1.5", str(least - 1)] for name, least in LEAST.items()},
    "PORT": ["0", "65536", "abc"],
    **{name: ["0", "1.5", str(most + 1)] for name, most in MOST.items()},
    "VIDEO_MAX_WAITING_JOBS": ["-1", "10001"],
    "TRUSTED_PROXIES": ["-1", "11"],
    "MEDIA_ROOT": ["", "media", "./media"],
    "STAGING_DIR": ["staging", "./staging"],
    "PROMETHEUS_MULTIPROC_DIR": ["metrics"],
    **{name: ["20", "0/min", "20/fortnight"] for name in RATES},
    "DATABASE_URL": [
        "nonsense",
        "mysql://db/x",
        "postgres://h:p/x",
        "postgres://h/x?bogus=1",
        "sqlite:///x?bogus=1",
    ],
    "EMAIL_URL": ["nonsense", "http://mail", "smtp://mail:port", "smtp://", "smtp://a:b@:25"],
    "REDIS_URL": ["nonsense", "http://cache"],
    "VEO_MODEL_IDS": ["nonsense", "=x", "veo-3.1-generate-001="],
    "VEO_PERSON_GENERATION": ["nonsense", "ALLOW_ALL", "allow_adult "],
    "VIDEO_PRICES": [
        *("nonsense", "4", "[]", "{}", "null"),
        prices(GOOD_PRICES).replace('"sound": 2', '"sound": 2, "sound": 2'),
    ],
    "CSRF_TRUSTED_ORIGINS": [
        *("https://a.example.com,b.example.com", "nonsense", "https://a.example.com/", "https://*"),
        *("https://a.example.com:443", "capacitor://localhost", "https://a.*.example.com"),
    ],
    "CORS_ALLOWED_ORIGINS": [
        *("nonsense", "app.example.com", "https://", "https://app.example.com/", "null"),
        *("https://*.example.com", "*,https://app.example.com", "https://a:b@app.example.com"),
        *("https://app.example.com/page", "https://app.example.com:port", "https//app"),
        *("https://app.example.com:443", "http://localhost:80", "https://app.example.com:99999"),
    ],
    "GOOGLE_VERTEX_BASE_URL": ["nonsense"],
    "PUBLIC_URL": ["nonsense", "studio.example.com", "https://studio.example.com/path"],
    "WEBHOOK_ALLOWED_HOSTS": ["https://localhost", "localhost:8000", "a b"],
    "CLOUDINARY_UPLOAD_PREFIX": ["nonsense"],
    "JWT_SIGNING_KEY": ["x" * 31],
    "JWT_SIGNING_KEY_FALLBACKS": [f"{'y' * 32},{'x' * 31}"],
    "SECRET_KEY_FALLBACKS": ["x" * 31],
    "LOG_FORMAT": ["xml"],
    "LOG_LEVEL": ["LOUD"],
    "SECRET_KEY": ["", "x" * 31],
    "ALLOWED_HOSTS": [
        *("", "https://studio.example.com", "studio.example.com:443", "studio.example.com/"),
        *("*.example.com", "a b", "::1"),
    ],
    "METRICS_TOKEN": ["x", "x" * 15, "x" * 9 + " " + "x" * 9],
    "METRICS_TOKEN_FALLBACKS": ["x" * 15, f"{'x' * 16},x"],
    "GOOGLE_CLOUD_LOCATION": ["us central1!", "US-central1"],
}


def read(**changes: str) -> dict[str, Any]:
    """The names that the settings module defines for this environment alone."""
    with mock.patch.dict(os.environ, GOOD | changes, clear=True):
        return runpy.run_path(str(PROJECT / "videostudio" / "settings.py"))


def refusal(**changes: str) -> str:
    with pytest.raises(SystemExit) as end:
        read(**changes)
    [line] = str(end.value.code).splitlines()
    return line


class TestInvalidValue:
    @pytest.mark.parametrize(
        ("name", "value"), [(name, value) for name, values in INVALID.items() for value in values]
    )
    def test_invalid_value_is_refused_with_its_name(self, name, value):
        assert re.fullmatch(rf"videostudio: {name}: [^;]+", refusal(**{name: value}))

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("PORT", "must be a whole number"),
            ("HTTPS_ONLY", "must be true or false"),
            ("GOOGLE_VERTEX_BASE_URL", "must begin with http:// or https://"),
            ("MEDIA_ROOT", "must be an absolute path: it begins with /"),
        ],
    )
    def test_refusal_says_what_is_wanted(self, name, hint):
        assert refusal(**{name: "abc"}) == f"videostudio: {name}: {hint}"

    def test_all_invalid_values_are_named_at_once(self):
        line = refusal(PORT="x", LOG_LEVEL="x", DEBUG="x")
        assert all(name in line for name in ("PORT", "LOG_LEVEL", "DEBUG"))

    @pytest.mark.parametrize("missing", ACCOUNT)
    def test_cloudinary_requires_its_whole_account(self, missing):
        whole = dict.fromkeys(ACCOUNT, "x") | {"USE_CLOUDINARY": "true"}
        assert read(**whole)["USE_CLOUDINARY"]
        assert missing in refusal(**whole | {missing: ""})


class TestValidValue:
    @pytest.mark.parametrize(
        ("name", "value", "expected"),
        [
            (
                "VEO_MODEL_IDS",
                "veo-3.1-generate-preview=a, veo-3.1-generate-001=b",
                {"veo-3.1-generate-preview": "a", "veo-3.1-generate-001": "b"},
            ),
            (
                "ALLOWED_HOSTS",
                "studio.example.com, .example.org,10.0.0.7,[::1],a_b,*",
                ["studio.example.com", ".example.org", "10.0.0.7", "[::1]", "a_b", "*"],
            ),
            ("GOOGLE_CLOUD_LOCATION", "global", "global"),
            ("METRICS_TOKEN", "x" * 16, "x" * 16),
            (
                "CSRF_TRUSTED_ORIGINS",
                "https://a.test, http://b:8000,https://*.c.test",
                ["https://a.test", "http://b:8000", "https://*.c.test"],
            ),
            *(
                ("EMAIL_URL", url, url)
                for url in (
                    "smtp://mail",
                    "submission://user:pass@mail.example.com:587?_default_from_email=a@example.com",
                    "file:///var/mails",
                )
            ),
            ("MEDIA_ROOT", "/srv/media", Path("/srv/media")),
            ("STAGING_DIR", "", ""),
            ("TRUSTED_PROXIES", "10", 10),
            (
                "CORS_ALLOWED_ORIGINS",
                "https://App.example.com, http://[::1]:3000,capacitor://localhost,",
                ["https://app.example.com", "http://[::1]:3000", "capacitor://localhost"],
            ),
            ("VEO_PERSON_GENERATION", "dont_allow", "dont_allow"),
            ("REDIS_URL", "redis://cache:6379/0", "redis://cache:6379/0"),
            ("VIDEO_PRICES", prices(GOOD_PRICES), dict.fromkeys(MODELS, GOOD_PRICES)),
            ("VIDEO_PRICES", " ", {}),
            ("VIDEO_MOCK_TOKENS", "0", 0),
            (
                "WEBHOOK_ALLOWED_HOSTS",
                "LocalHost, 10.0.0.7,[::1]",
                ["localhost", "10.0.0.7", "::1"],
            ),
        ],
    )
    def test_valid_value_is_parsed(self, name, value, expected):
        assert read(**{name: value})[name] == expected

    def test_options_of_libpq_and_django_are_accepted(self):
        url = "postgres://h/x?sslmode=require&connect_timeout=3&currentSchema=a&pool=true"
        options = read(DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
        assert options["sslmode"] == "require"
        assert options["connect_timeout"] == 3


class TestUnknownName:
    @pytest.mark.parametrize(
        ("name", "nearest"),
        [
            ("VEO_MAX_INFLIGHT", "VEO_MAX_IN_FLIGHT"),
            ("ALLOWED_HOST", "ALLOWED_HOSTS"),
            ("CLOUDINARY_SECRET", "CLOUDINARY_API_SECRET"),
            ("DATABASE_URI", "DATABASE_URL"),
            ("VIDEO_COLOUR", ""),
        ],
    )
    def test_misspelt_name_is_found_with_the_nearest(self, name, nearest):
        assert read(**{name: "10"})["UNKNOWN_NAMES"] == {name: nearest}

    @pytest.mark.parametrize(
        "name",
        [
            *(
                "PATH",
                "HOME",
                "CLOUDINARY_URL",
                "GOOGLE_APPLICATION_CREDENTIALS",
                "POSTGRES_PASSWORD",
            ),
            *("SITE_NAME", "TMPDIR", "DJANGO_SETTINGS_MODULE", "PYTHON_VERSION", "SSL_CERT_FILE"),
            *(
                "DYNO",
                "RENDER_SERVICE_ID",
                "TEST_DATABASE_URL",
                "REDIS_TLS_URL",
                "SENTRY_RELEASE",
                "NO_PROXY",
                "PGPASSWORD",
                "HOSTNAME",
            ),
        ],
    )
    def test_names_of_others_are_ignored(self, name):
        assert read(**{name: "x"})["UNKNOWN_NAMES"] == {}


class TestDefault:
    def test_defaults_are_those_of_the_contract(self):
        settings = read()
        wanted = {
            "DEBUG": False,
            "HTTPS_ONLY": True,
            "CORS_ALLOWED_ORIGINS": [],
            "CORS_ALLOW_ALL_ORIGINS": False,
            "PORT": 8000,
            "WEB_CONCURRENCY": 2,
            "WEB_THREADS": 8,
            "WEB_DRAIN_SECONDS": 0,
            "DATABASE_TRANSACTION_POOLING": False,
            "WORKER_CONCURRENCY": 2,
            "USE_CLOUDINARY": False,
            "VIDEO_DEFAULT_MOCK_MODE": None,
            "VIDEO_DEFAULT_PRIVATE": False,
            "MOCK_SECONDS": 8,
            "VIDEO_MAX_ACTIVE_JOBS": 3,
            "VIDEO_MAX_WAITING_JOBS": 0,
            "VIDEO_JOB_DEADLINE_SECONDS": 1200,
            "VIDEO_STORE_DEADLINE_HOURS": 24,
            "STAGING_DIR": "",
            "STORE_THREADS": 8,
            "STAGING_MAX_BYTES": 5_000_000_000,
            "VIDEO_REFUND_FAILED_JOBS": True,
            "PUBLIC_URL": "",
            "WEBHOOK_ALLOWED_HOSTS": [],
            "VEO_MODEL_IDS": {},
            "VEO_PERSON_GENERATION": "",
            "VEO_MAX_IN_FLIGHT": 50,
            "VEO_CREATES_PER_MINUTE": 10,
            "VEO_OPEN_SUBMISSIONS": 8,
            "REGISTRATION_OPEN": True,
            "SIGNUP_GRANT_TOKENS": 0,
            "MONITOR_SHOW_PROMPTS": True,
            "THROTTLE_AUTH": "20/min",
            "THROTTLE_LOGIN_NAME": "10/min",
            "THROTTLE_CREATE": "60/min",
            "TRUSTED_PROXIES": 0,
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
            "GOOGLE_CLOUD_LOCATION": "us-central1",
            "VIDEO_TOKEN_COSTS": {"video_generation": 50},
            "VIDEO_PRICES": {},
            "VIDEO_MOCK_TOKENS": None,
        }
        assert {name: settings[name] for name in wanted} == wanted

    def test_debug_alone_runs_on_a_laptop(self):
        settings = read(DEBUG="true", SECRET_KEY="short", ALLOWED_HOSTS="")
        assert settings["DATABASES"]["default"]["ENGINE"] == "django.db.backends.sqlite3"
        assert (settings["HTTPS_ONLY"], settings["LOG_FORMAT"]) == (False, "text")

    def test_signing_key_is_derived_from_the_secret_key(self):
        first, again, other = (
            read(SECRET_KEY=digit * 50)["SIMPLE_JWT"]["SIGNING_KEY"] for digit in "112"
        )
        assert first == again != other
        assert len(first) >= 32
        assert "1111" not in first

    def test_tokens_of_fallback_keys_are_verified(self):
        old, new = "1" * 50, "2" * 50
        before = read(SECRET_KEY=old)["SIMPLE_JWT"]["SIGNING_KEY"]
        after = read(SECRET_KEY=new, SECRET_KEY_FALLBACKS=old, JWT_SIGNING_KEY_FALLBACKS="j" * 32)
        assert after["JWT_VERIFYING_KEYS"] == ["j" * 32, before]


class TestExample:
    """.env.example documents each setting, with its default."""

    EXAMPLE = (PROJECT / ".env.example").read_text()
    SOURCE = (PROJECT / "videostudio" / "settings.py").read_text()

    def test_example_lists_the_settings_that_are_read(self):
        listed = re.findall(r"^(?:# )?([A-Z_]+)=", self.EXAMPLE, re.MULTILINE)
        assert len(listed) == len(set(listed))
        assert set(listed) == set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', self.SOURCE))

    def test_each_line_has_a_comment(self):
        lines = self.EXAMPLE.splitlines()
        for before, line in pairwise(lines):
            if re.match(r"(?:# )?[A-Z_]+=", line):
                assert re.match(r"# [A-Z a-z]", before), line

    def test_values_of_the_example_are_the_defaults(self):
        values = dict(re.findall(r"^([A-Z_]+)=(.*)$", self.EXAMPLE, re.MULTILINE))
        given, default = read(**values), read()
        assert {name: given[name] for name in values} == {name: default[name] for name in values}

    def test_values_that_are_commented_out_are_valid(self):
        values = dict(re.findall(r"^# ([A-Z_]+)='?(.+?)'?$", self.EXAMPLE, re.MULTILINE))
        assert read(**values)["UNKNOWN_NAMES"] == {}
