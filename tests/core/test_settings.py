"""An invalid setting stops the start with a one-line error that names it."""

import os
import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

PROJECT = Path(__file__).parents[2]
GOOD = {
    "PATH": os.environ["PATH"],
    "SECRET_KEY": "known to everybody, since it is for tests on one machine only",
    "ALLOWED_HOSTS": "studio.example.com",
}
BOOLEANS = [
    *("DEBUG", "HTTPS_ONLY", "USE_CLOUDINARY", "VIDEO_DEFAULT_MOCK_MODE"),
    *("VIDEO_REFUND_FAILED_JOBS", "REGISTRATION_OPEN", "MONITOR_SHOW_PROMPTS"),
]
LEAST = {
    "PORT": 1,
    "WEB_CONCURRENCY": 1,
    "VEO_MAX_IN_FLIGHT": 1,
    "VEO_CREATES_PER_MINUTE": 1,
    "MOCK_SECONDS": 0,
    "VIDEO_MAX_ACTIVE_JOBS": 1,
    "VIDEO_MAX_WAITING_JOBS": 0,
    "VIDEO_JOB_DEADLINE_SECONDS": 30,
    "SIGNUP_GRANT_TOKENS": 0,
    "TRUSTED_PROXIES": 0,
}
RATES = ["THROTTLE_AUTH", "THROTTLE_LOGIN_NAME", "THROTTLE_CREATE"]
NONSENSE = [
    *((name, "maybe") for name in BOOLEANS),
    *((name, value) for name in LEAST for value in ("nonsense", "1.5", "-1")),
    *((name, str(least - 1)) for name, least in LEAST.items() if least),
    ("PORT", "65536"),
    *((name, value) for name in RATES for value in ("20", "0/min", "20/fortnight")),
    *(("DATABASE_URL", value) for value in ("nonsense", "mysql://db/x", "postgres://h:p/x")),
    *(("REDIS_URL", value) for value in ("nonsense", "http://cache")),
    *(("VEO_MODEL_IDS", value) for value in ("nonsense", "=x", "veo-3.1-generate-001=")),
    ("CSRF_TRUSTED_ORIGINS", "https://a.example.com,b.example.com"),
    *(
        ("CORS_ALLOWED_ORIGINS", value)
        for value in (
            *("nonsense", "app.example.com", "https://", "https://app.example.com/", "null"),
            *("https://*.example.com", "*,https://app.example.com", "https://a:b@app.example.com"),
            *("https://app.example.com/page", "https://app.example.com:port", "https//app"),
            *(
                "https://app.example.com:443",
                "http://localhost:80",
                "https://app.example.com:99999",
            ),
        )
    ),
    ("GOOGLE_VERTEX_BASE_URL", "nonsense"),
    ("CLOUDINARY_UPLOAD_PREFIX", "nonsense"),
    ("JWT_SIGNING_KEY", "x" * 31),
    ("LOG_FORMAT", "xml"),
    ("LOG_LEVEL", "LOUD"),
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "x" * 31),
    ("ALLOWED_HOSTS", ""),
]


def start(tell="'started'", **changes):
    """Reads the settings in a process of its own, which prints `tell` of the module `s`."""
    code = f"import videostudio.settings as s; print({tell})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env=GOOD | changes,
        capture_output=True,
        text=True,
    )


class TestNonsense:
    @pytest.mark.parametrize(("name", "value"), NONSENSE)
    def test_stops_the_start_with_one_line_that_names_it(self, name, value):
        process = start(**{name: value})
        assert process.returncode != 0
        assert process.stdout == ""
        [line] = process.stderr.splitlines()
        assert re.search(rf"\b{name}\b", line)
        assert "Traceback" not in line

    def test_is_told_all_at_once(self):
        [line] = start(PORT="x", LOG_LEVEL="x", DEBUG="x").stderr.splitlines()
        assert all(name in line for name in ("PORT", "LOG_LEVEL", "DEBUG"))

    @pytest.mark.parametrize(
        "missing", ["CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"]
    )
    def test_is_cloudinary_with_a_name_or_key_missing(self, missing):
        names = ("CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET")
        process = start(USE_CLOUDINARY="true", **dict.fromkeys(names, "x") | {missing: ""})
        assert process.returncode != 0
        assert missing in process.stderr
        assert start(USE_CLOUDINARY="true", **dict.fromkeys(names, "x")).returncode == 0


class TestSense:
    @pytest.mark.parametrize(
        ("name", "value", "read"),
        [
            ("VEO_MODEL_IDS", "veo-3.1-generate-preview=a, veo-3.1-generate-001=b",
             {"veo-3.1-generate-preview": "a", "veo-3.1-generate-001": "b"}),
            ("VEO_MODEL_IDS", "", {}),
            ("CSRF_TRUSTED_ORIGINS", "https://a.example.com,http://b", ["https://a.example.com", "http://b"]),
            ("CORS_ALLOWED_ORIGINS", "https://App.example.com, http://localhost:3000,",
             ["https://app.example.com", "http://localhost:3000"]),
            ("CORS_ALLOWED_ORIGINS", "http://[::1]:3000,capacitor://localhost",
             ["http://[::1]:3000", "capacitor://localhost"]),
            ("REDIS_URL", "redis://cache:6379/0", "redis://cache:6379/0"),
        ],
    )  # fmt: skip
    def test_is_read(self, name, value, read):
        process = start(tell=f"repr(s.{name})", **{name: value})
        assert process.returncode == 0, process.stderr
        assert literal_eval(process.stdout) == read


class TestDefault:
    def test_is_what_the_contract_says(self):
        wanted = {
            "DEBUG": False,
            "HTTPS_ONLY": True,
            "CORS_ALLOWED_ORIGINS": [],
            "CORS_ALLOW_ALL_ORIGINS": False,
            "PORT": 8000,
            "WEB_CONCURRENCY": 2,
            "USE_CLOUDINARY": False,
            "VIDEO_DEFAULT_MOCK_MODE": None,
            "MOCK_SECONDS": 8,
            "VIDEO_MAX_ACTIVE_JOBS": 3,
            "VIDEO_MAX_WAITING_JOBS": 0,
            "VIDEO_JOB_DEADLINE_SECONDS": 1200,
            "VIDEO_REFUND_FAILED_JOBS": True,
            "VEO_MAX_IN_FLIGHT": 50,
            "VEO_CREATES_PER_MINUTE": 10,
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
        }
        process = start(tell=f"{{name: getattr(s, name) for name in {list(wanted)}}}")
        assert process.returncode == 0, process.stderr
        assert literal_eval(process.stdout) == wanted

    def test_runs_on_a_laptop_with_debug_alone(self):
        process = start(
            tell="(s.DATABASES['default']['ENGINE'], s.HTTPS_ONLY, s.LOG_FORMAT)",
            DEBUG="true",
            SECRET_KEY="short",
            ALLOWED_HOSTS="",
        )
        assert literal_eval(process.stdout) == ("django.db.backends.sqlite3", False, "text")

    def test_of_the_signing_key_is_made_of_the_secret_but_is_not_it(self):
        keys = [
            start(tell="s.SIMPLE_JWT['SIGNING_KEY']", SECRET_KEY=f"{n}" * 50).stdout.strip()
            for n in (1, 1, 2)
        ]
        assert keys[0] == keys[1] != keys[2]
        assert len(keys[0]) >= 32
        assert "1111" not in keys[0]


class TestExample:
    def test_names_every_variable_that_is_read(self):
        """`.env.example` lists all variables, and none that nobody reads."""
        source = (PROJECT / "videostudio" / "settings.py").read_text()
        read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', source))
        example = (PROJECT / ".env.example").read_text()
        listed = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
        assert read <= listed
