"""Every setting of the service; the only module that reads the environment.

First the variables of the environment (or `.env` beside manage.py), typed, with defaults for a
laptop; then Django's settings, derived from them. An invalid value stops the start with a one-line
error that names it. `.env.example` lists all variables.
"""

import hashlib
import os
import warnings
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from csp import constants as csp
from environs import EnvValidationError, validate

from videostudio.core.environment import (
    a_rate,
    an_absolute_path,
    an_address,
    at_least,
    between,
    like,
    one_of,
    reader,
)

BASE_DIR = Path(__file__).resolve().parent.parent

env = reader()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


# ---- Environment variables ----

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "")
SECRET_KEY_FALLBACKS: list[str] = env.keys("SECRET_KEY_FALLBACKS", "")
ALLOWED_HOSTS: list[str] = env.allowed_hosts("ALLOWED_HOSTS", "")
CSRF_TRUSTED_ORIGINS: list[str] = env.trusted_origins("CSRF_TRUSTED_ORIGINS", "")
CORS_ALLOWED_ORIGINS: list[str] = env.origins("CORS_ALLOWED_ORIGINS", "")
JWT_SIGNING_KEY = env.str("JWT_SIGNING_KEY", "")
JWT_SIGNING_KEY_FALLBACKS: list[str] = env.keys("JWT_SIGNING_KEY_FALLBACKS", "")
HTTPS_ONLY = env.bool("HTTPS_ONLY", not DEBUG)

DATABASE = env.dj_db_url(
    "DATABASE_URL", f"sqlite:///{BASE_DIR / 'db.sqlite3'}", conn_max_age=60, conn_health_checks=True
)
DATABASE_TRANSACTION_POOLING = env.bool("DATABASE_TRANSACTION_POOLING", False)
REDIS_URL = env.str("REDIS_URL", "", validate=an_address("redis", "rediss", "unix"))
PORT = env.int("PORT", 8000, validate=between(1, 65_535))
WEB_CONCURRENCY = env.int("WEB_CONCURRENCY", 2, validate=between(1, 128))
WEB_THREADS = env.int("WEB_THREADS", 8, validate=between(1, 128))
WEB_DRAIN_SECONDS = env.int("WEB_DRAIN_SECONDS", 0, validate=between(0, 60))
WORKER_CONCURRENCY = env.int("WORKER_CONCURRENCY", 2, validate=between(2, 32))

GOOGLE_API_KEY = env.str("GOOGLE_API_KEY", "")
GOOGLE_CLOUD_PROJECT = env.str("GOOGLE_CLOUD_PROJECT", "")
GOOGLE_CLOUD_LOCATION = env.str(
    "GOOGLE_CLOUD_LOCATION", "us-central1", validate=like("us-central1", r"[a-z0-9-]+$")
)
GOOGLE_VERTEX_BASE_URL = env.str("GOOGLE_VERTEX_BASE_URL", "", validate=an_address("http", "https"))
VEO_MODEL_IDS: dict[str, str] = env.model_ids("VEO_MODEL_IDS", "")
VEO_API_VERSION = env.str(
    "VEO_API_VERSION", "", validate=like("v1 or v1beta1", r"v\d+((alpha|beta)\d*)?$")
)
VEO_REOPEN_SECONDS = env.int("VEO_REOPEN_SECONDS", 600, validate=between(1, 604_800))
VEO_PERSON_GENERATION = env.str(
    "VEO_PERSON_GENERATION", "", validate=one_of("", "dont_allow", "allow_adult", "allow_all")
)
VEO_MAX_IN_FLIGHT = env.int("VEO_MAX_IN_FLIGHT", 50, validate=between(1, 100_000))
VEO_CREATES_PER_MINUTE = env.int("VEO_CREATES_PER_MINUTE", 10, validate=between(1, 100_000))
# For each worker process. If it is killed, its open submissions are refunded, although Google may
# have accepted them.
VEO_OPEN_SUBMISSIONS = env.int("VEO_OPEN_SUBMISSIONS", 8, validate=between(1, 128))

USE_CLOUDINARY = env.bool("USE_CLOUDINARY", False)
CLOUDINARY_CLOUD_NAME = env.str("CLOUDINARY_CLOUD_NAME", "")
CLOUDINARY_API_KEY = env.str("CLOUDINARY_API_KEY", "")
CLOUDINARY_API_SECRET = env.str("CLOUDINARY_API_SECRET", "")
CLOUDINARY_UPLOAD_PREFIX = env.str(
    "CLOUDINARY_UPLOAD_PREFIX", "https://api.cloudinary.com", validate=an_address("http", "https")
)
MEDIA_ROOT = env.path("MEDIA_ROOT", BASE_DIR / "media", validate=an_absolute_path)
STORE_THREADS = env.int("STORE_THREADS", 8, validate=between(1, 64))  # of one worker process
STAGING_DIR = env.str("STAGING_DIR", "", validate=an_absolute_path)
STAGING_MAX_BYTES = env.int("STAGING_MAX_BYTES", 5_000_000_000, validate=at_least(100_000_000))

VIDEO_DEFAULT_MOCK_MODE = env.bool("VIDEO_DEFAULT_MOCK_MODE", None)
VIDEO_DEFAULT_PRIVATE = env.bool("VIDEO_DEFAULT_PRIVATE", False)
MOCK_SECONDS = env.int("MOCK_SECONDS", 8, validate=between(0, 600))
VIDEO_MAX_ACTIVE_JOBS = env.int("VIDEO_MAX_ACTIVE_JOBS", 3, validate=between(1, 10_000))
VIDEO_MAX_WAITING_JOBS = env.int("VIDEO_MAX_WAITING_JOBS", 0, validate=between(0, 10_000))
VIDEO_JOB_DEADLINE_SECONDS = env.int(
    "VIDEO_JOB_DEADLINE_SECONDS", 1200, validate=between(60, 86_400)
)
VIDEO_STORE_DEADLINE_HOURS = env.int("VIDEO_STORE_DEADLINE_HOURS", 24, validate=between(1, 720))
VIDEO_KEEP_DAYS = env.int("VIDEO_KEEP_DAYS", None, validate=between(1, 36_500))
JOB_KEEP_DAYS = env.int("JOB_KEEP_DAYS", None, validate=between(1, 36_500))
VIDEO_REFUND_FAILED_JOBS = env.bool("VIDEO_REFUND_FAILED_JOBS", True)
VIDEO_TOKEN_COSTS = {"video_generation": 50}  # without VIDEO_PRICES
VIDEO_PRICES = env.table("VIDEO_PRICES", "")
VIDEO_MOCK_TOKENS = env.int("VIDEO_MOCK_TOKENS", None, validate=between(0, 1_000_000))

# An origin, without a path.
PUBLIC_URL = env.str(
    "PUBLIC_URL", "", validate=like("https://studio.example.com", r"https?://[^/\s]+/?$")
)
WEBHOOK_ALLOWED_HOSTS: list[str] = env.hosts("WEBHOOK_ALLOWED_HOSTS", "")

REGISTRATION_OPEN = env.bool("REGISTRATION_OPEN", True)
TOKENS_HELP = env.str("TOKENS_HELP", "")
SIGNUP_GRANT_TOKENS = env.int("SIGNUP_GRANT_TOKENS", 0, validate=between(0, 1_000_000_000))
MONITOR_SHOW_PROMPTS = env.bool("MONITOR_SHOW_PROMPTS", True)
THROTTLE_AUTH = env.str("THROTTLE_AUTH", "20/min", validate=a_rate())
THROTTLE_LOGIN_NAME = env.str("THROTTLE_LOGIN_NAME", "10/min", validate=a_rate())
THROTTLE_CREATE = env.str("THROTTLE_CREATE", "60/min", validate=a_rate())
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=between(0, 10))

EMAIL_URL = env.str(
    "EMAIL_URL",
    "",
    validate=like(
        "submission://user:password@mail.example.com:587",
        r"(console|file|memory)://|(smtp|submission)://([^@\s]*@)?[^@:/?\s]+(:\d+)?([/?]|$)",
    ),
)
EMAIL: dict[str, Any] = env.dj_email_url("EMAIL_URL", "")

ADMIN_OTP_REQUIRED = env.bool("ADMIN_OTP_REQUIRED", False)
STAFF_REFUND_DAILY_TOKENS = env.int("STAFF_REFUND_DAILY_TOKENS", 1000, validate=at_least(0))

METRICS_TOKEN = env.str(
    "METRICS_TOKEN",
    "",
    validate=validate.Regexp(r"^$|^\S{16,}$", error="must be at least 16 characters, no spaces"),
)
METRICS_TOKEN_FALLBACKS: list[str] = env.keys("METRICS_TOKEN_FALLBACKS", "")
PROMETHEUS_MULTIPROC_DIR = env.str("PROMETHEUS_MULTIPROC_DIR", "", validate=an_absolute_path)
SENTRY_DSN = env.str("SENTRY_DSN", "")
LOG_FORMAT = env.str("LOG_FORMAT", "text" if DEBUG else "json", validate=one_of("json", "text"))
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=one_of("DEBUG", "INFO", "WARNING", "ERROR"))


PLAIN_MESSAGES = {  # in place of those of environs
    "Not a valid integer.": "must be a whole number",
    "Not a valid boolean.": "must be true or false",
}
OPTIONS_OF_DJANGO = {
    *("assume_role", "isolation_level", "pool", "prepare_threshold", "server_side_binding")
}


def _unknown_options() -> list[str]:
    """The options in DATABASE_URL that nobody reads, or that fail each connection."""
    options = set(DATABASE.get("OPTIONS", {}))
    if not DATABASE["ENGINE"].endswith("postgresql"):
        return sorted(options)  # replaced below
    from psycopg.pq import Conninfo

    known = {each.keyword.decode() for each in Conninfo.get_defaults()}
    return sorted(options - known - OPTIONS_OF_DJANGO)


def _problems() -> list[str]:
    try:
        env.seal()
    except EnvValidationError as error:
        invalid: Any = error.error_messages
        return [
            f"{name}: {' '.join(PLAIN_MESSAGES.get(text, text) for text in messages)}"
            for name, messages in invalid.items()
        ]
    errors = []
    if DATABASE["ENGINE"].rpartition(".")[2] not in ("postgresql", "sqlite3"):
        errors.append("DATABASE_URL: must be a postgres:// or sqlite:// URL")
    elif unknown := _unknown_options():
        errors.append(f"DATABASE_URL: has options that do not exist: {', '.join(unknown)}")
    if not DEBUG and not SECRET_KEY:
        errors.append("SECRET_KEY: is required unless DEBUG=true")
    elif not DEBUG and len(SECRET_KEY) < 32:
        errors.append("SECRET_KEY: must be at least 32 characters unless DEBUG=true")
    if not DEBUG and any(len(key) < 32 for key in SECRET_KEY_FALLBACKS):
        errors.append("SECRET_KEY_FALLBACKS: each must be at least 32 characters unless DEBUG=true")
    if not DEBUG and not ALLOWED_HOSTS:
        errors.append("ALLOWED_HOSTS: is required unless DEBUG=true")
    if any(len(token) < 16 for token in METRICS_TOKEN_FALLBACKS):
        errors.append("METRICS_TOKEN_FALLBACKS: each must be at least 16 characters")
    if JWT_SIGNING_KEY and len(JWT_SIGNING_KEY.encode()) < 32:
        errors.append("JWT_SIGNING_KEY: must be at least 32 bytes")
    if any(len(key.encode()) < 32 for key in JWT_SIGNING_KEY_FALLBACKS):
        errors.append("JWT_SIGNING_KEY_FALLBACKS: each must be at least 32 bytes")
    if USE_CLOUDINARY:
        account = ("CLOUDINARY_CLOUD_NAME", "CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET")
        errors += [
            f"{name}: is required by USE_CLOUDINARY=true" for name in account if not globals()[name]
        ]
    return errors


if problems := _problems():
    raise SystemExit("videostudio: " + "; ".join(problems))

NOT_OURS = {"CLOUDINARY_URL"}  # variables of other programs
OUR_PREFIXES = ("CLOUDINARY_", "STAGING_", "THROTTLE_", "VEO_", "VIDEO_", "WEBHOOK_", "WORKER_")


def _unknown_names() -> dict[str, str]:
    """Variables whose name resembles a setting, each with the most similar setting, or ""."""
    known = set(env.dump())
    unknown = {
        name: next(iter(get_close_matches(name, known, n=1, cutoff=0.85)), "")
        for name in sorted(set(os.environ) - known - NOT_OURS)
    }
    return {name: near for name, near in unknown.items() if near or name.startswith(OUR_PREFIXES)}


UNKNOWN_NAMES = _unknown_names()  # the check jobs.W006 reports them

# ---- Django ----

SECRET_KEY = SECRET_KEY or "insecure: for DEBUG on a laptop only, never for production"
ROOT_URLCONF = "videostudio.urls"
WSGI_APPLICATION = "videostudio.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "videostudio.formats"

INSTALLED_APPS = [
    "videostudio.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "corsheaders",
    "csp",
    "django_htmx",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "axes",
    "accounts",
    "tokens_ledger",
    "jobs",  # before django_q, whose `qcluster` command it overrides
    "django_q",
]

MIDDLEWARE = [
    "videostudio.core.middleware.request_log_middleware",
    "corsheaders.middleware.CorsMiddleware",  # before any middleware that may respond
    "django.middleware.security.SecurityMiddleware",
    "videostudio.core.middleware.trailing_slash_middleware",
    "videostudio.core.middleware.api_bypass_middleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "videostudio.core.middleware.DatabaseUnavailableMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "libraries": {
                "monitor": "jobs.monitor.formatting",
                "staff": "videostudio.core.templatetags.staff",
            },
        },
    }
]

# ---- Database and cache ----

DATABASES = {"default": DATABASE}
if DATABASE and DATABASE["ENGINE"] == "django.db.backends.sqlite3":
    # IMMEDIATE takes the write lock at BEGIN, so that a transaction which reads and then writes
    # waits its turn instead of failing half-way with "database is locked".
    DATABASE["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
elif DATABASE:
    DATABASE["ENGINE"] = "videostudio.core.postgresql"
    # Without a time-out libpq, and so /readyz, would wait for minutes for a server that is down. A
    # standby that is not promoted yet counts as down, because nothing can be written to it.
    defaults = {"connect_timeout": 5, "target_session_attrs": "read-write"}
    DATABASE["OPTIONS"] = defaults | DATABASE.get("OPTIONS", {})
    # A server-side cursor ends where a pooler gives the connection to another client.
    DATABASE["DISABLE_SERVER_SIDE_CURSORS"] = DATABASE_TRANSACTION_POOLING

CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    if REDIS_URL
    else {"BACKEND": "videostudio.core.cache.CountingDatabaseCache", "LOCATION": "django_cache"},
    # One for each process, for values that can be computed again.
    "local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 1_000},
    },
    # For each process too, with few entries: whole pages, which are large.
    "monitor": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "monitor",
        "OPTIONS": {"MAX_ENTRIES": 40},
    },
}

# ---- Files ----

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
# `collectstatic` writes a manifest and hashed, compressed copies, which browsers cache for ever.
# Without a manifest, or in DEBUG, files are served directly from the packages.
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_USE_FINDERS = DEBUG or not (STATIC_ROOT / "staticfiles.json").exists()
warnings.filterwarnings("ignore", "No directory at", module="django.core.handlers.base")
MEDIA_URL = "/media/"
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "videostudio.core.staticfiles.CollectedStaticFiles"},
    "videos": {"BACKEND": "jobs.storage.cloudinary.CloudinaryVideos"}
    if USE_CLOUDINARY
    else {"BACKEND": "jobs.storage.local.LocalVideos"},
}
CLOUDINARY_STORAGE = {
    "CLOUD_NAME": CLOUDINARY_CLOUD_NAME,
    "API_KEY": CLOUDINARY_API_KEY,
    "API_SECRET": CLOUDINARY_API_SECRET,
    "PREFIX": "",
}

# Uploads above 2.5 MB go to temporary files; these limit what stays in memory.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FILES = 20

# ---- Security ----

SECURE_SSL_REDIRECT = HTTPS_ONLY
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # probes speak plain HTTP from inside
# Hosting platforms terminate TLS in front of the app. A client that forges this header over plain
# HTTP only avoids the redirect.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS_ONLY else 0
SESSION_COOKIE_SECURE = HTTPS_ONLY
CSRF_COOKIE_SECURE = HTTPS_ONLY
# HSTS for all sub-domains, and preloading, are the operator's decision.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if not HTTPS_ONLY:  # a deliberate choice: silence the checks that ask for HTTPS
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W008", "security.W012", "security.W016"]

# For every page: scripts and styles are our own files, and only videos come from another host. A
# page that shows videos stored elsewhere adds their hosts (jobs/monitor/views.py).
VIDEO_HOSTS = ["https://res.cloudinary.com"] if USE_CLOUDINARY else []
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [csp.NONE],
        "script-src": [csp.SELF],
        "style-src": [csp.SELF],
        "font-src": [csp.SELF],
        "img-src": [csp.SELF, "data:", *VIDEO_HOSTS],
        "media-src": [csp.SELF, *VIDEO_HOSTS],
        "connect-src": [csp.SELF, *VIDEO_HOSTS],
        "base-uri": [csp.NONE],
        "form-action": [csp.SELF],
        "frame-ancestors": [csp.NONE],
    }
}

# Pages of other origins may call the API and read its videos. The API accepts bearer tokens, but no
# cookies, so even with "*" a page cannot act on behalf of a visitor.
CORS_URLS_REGEX = r"^/+(api|media|v1)(/|$)"
CORS_ALLOW_ALL_ORIGINS = CORS_ALLOWED_ORIGINS == ["*"]
if CORS_ALLOW_ALL_ORIGINS:
    CORS_ALLOWED_ORIGINS = []
CORS_ALLOW_HEADERS = [
    *("accept", "authorization", "cache-control", "content-type", "idempotency-key"),
    *("if-none-match", "if-range", "pragma", "range", "traceparent", "tracestate"),
    "x-request-id",
    # of OpenAI's client for JavaScript; Firefox lets scripts set the User-Agent
    *(
        "openai-organization",
        "openai-project",
        "user-agent",
        "x-stainless-arch",
        "x-stainless-lang",
    ),
    *("x-stainless-os", "x-stainless-package-version", "x-stainless-retry-count"),
    *("x-stainless-runtime", "x-stainless-runtime-version", "x-stainless-timeout"),
]
CORS_EXPOSE_HEADERS = [
    *("ETag", "Location", "Retry-After", "Idempotency-Replayed"),
    *("RateLimit", "RateLimit-Policy", "X-Request-ID"),
    *("openai-poll-after-ms", "X-Should-Retry"),
]
CORS_PREFLIGHT_MAX_AGE = 7200  # seconds; Chromium's maximum

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# ---- Mail ----

PASSWORD_RESET_TIMEOUT = 3600  # seconds
if EMAIL_URL:
    globals().update({"EMAIL_TIMEOUT": 10} | {k: v for k, v in EMAIL.items() if v is not None})

# ---- Staff login ----

SESSION_COOKIE_AGE = 12 * 3600  # a working day; only the admin has sessions
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
LOGIN_REDIRECT_URL = "admin:index"
OTP_TOTP_ISSUER = "Video Studio"
AXES_HANDLER = "accounts.lockout.StaffLockout"
AXES_ONLY_ADMIN_SITE = True  # the API's login has its own throttles
AXES_USERNAME_CALLABLE = "accounts.lockout.name"
AXES_CLIENT_IP_CALLABLE = "accounts.lockout.address"
# In this order, for accounts.lockout.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "username", "ip_address"]
AXES_FAILURE_LIMIT = 5  # of a name at an address
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_DISABLE_ACCESS_LOG = False  # says where a user has logged in lately
AXES_ENABLE_ADMIN = False
AXES_LOCKOUT_TEMPLATE = "admin/locked_out.html"
AXES_VERBOSE = False


def derived_jwt_key(key: str) -> str:
    return hashlib.sha256(f"jwt:{key}".encode()).hexdigest()


SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(hours=1),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "CHECK_REVOKE_TOKEN": True,  # a changed password invalidates all earlier tokens
    "SIGNING_KEY": JWT_SIGNING_KEY or derived_jwt_key(SECRET_KEY),
}
# Keys that verify tokens as well, and sign none.
JWT_VERIFYING_KEYS = [*JWT_SIGNING_KEY_FALLBACKS, *map(derived_jwt_key, SECRET_KEY_FALLBACKS)]

LEDGER_AUDITS = ["jobs.reconciliation.findings"]

# ---- API ----

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.api.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "accounts.api.permissions.ApiKeyScope",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["videostudio.core.api.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "videostudio.core.api.auto_schema.Schema",
    "URL_FORMAT_OVERRIDE": None,  # `?format=` is an unknown parameter like any other
    "EXCEPTION_HANDLER": "videostudio.core.api.errors.handle",
    # No field of a body has this name in an error: `names.printable` replaces control characters.
    "NON_FIELD_ERRORS_KEY": "\0",
    "DEFAULT_THROTTLE_RATES": {
        "auth": THROTTLE_AUTH,
        "login_name": THROTTLE_LOGIN_NAME,
        "create": THROTTLE_CREATE,
        "quote": "120/min",
        "webhook_test": "10/min",
        "webhook_rotate": "5/day",
        "webhook_replay": "60/min",
        "new_key": "60/hour",
    },
    "NUM_PROXIES": TRUSTED_PROXIES,
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Video Studio",
    "VERSION": "1",
    "CONTACT": {"name": "Video Studio", "url": "https://studio.example.com"},
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    # Replaced by the origin of each request (jobs/api/openapi_views.py).
    "SERVERS": [{"url": "https://studio.example.com"}],
    "DESCRIPTION": (BASE_DIR / "videostudio" / "introduction.md").read_text(),
    "TAGS": [
        {"name": "auth", "description": "Accounts, access tokens and refresh tokens."},
        {"name": "keys", "description": "API keys for programs."},
        {"name": "video-models", "description": "The models to choose from."},
        {"name": "video-jobs", "description": "Create, follow and download videos."},
        {"name": "webhook", "description": "Send an event to your URL when a job ends."},
        {"name": "tokens", "description": "Your token balance and its changes."},
        {
            "name": "OpenAI format",
            "description": "The same jobs, for programs that use OpenAI's API.",
            "externalDocs": {"url": "/docs/openai", "description": "OpenAI's format"},
        },
    ],
    "SERVE_AUTHENTICATION": [],  # the document is public, for an expired token too
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "tryItOutEnabled": True,
        "displayRequestDuration": True,
        "persistAuthorization": True,  # the access token survives a reload of the page
        "defaultModelsExpandDepth": 0,
        "validatorUrl": None,  # the default sends every visitor's request to swagger.io
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,  # a PATCH has required fields
    "EXTERNAL_DOCS": {"url": "/docs", "description": "API guide"},
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SORT_OPERATIONS": False,
    "PREPROCESSING_HOOKS": ["jobs.api.openapi_views.by_method"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "videostudio.core.api.openapi_hooks.complete",
    ],
    "ENUM_SUFFIX": "",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "VideoJobStatus": "jobs.statuses.Status",
        "LogLevel": "jobs.models.JobEvent.Level",
        "LedgerEntryKind": "tokens_ledger.models.Entry.Kind",
        "WebhookDeliveryStatus": "jobs.models.WebhookDelivery.Status",
    },
}

# ---- Workers ----

# The times are those of a step, not of a video: no task waits for a generation. See
# docs/architecture.md for the reason of each value.
Q_CLUSTER = {
    "name": "videostudio",
    "broker_class": "jobs.worker.broker.OutageTolerantORM",
    "orm": "default",  # the jobs' database: a wake-up commits with its job, or neither does
    "workers": WORKER_CONCURRENCY,
    "queue_limit": 2,
    "bulk": 1,
    "poll": 0.1,
    "timeout": 300,
    "retry": 1000,  # > (ceil((queue_limit + 1) / workers) + 1) x timeout
    "ack_failures": True,
    "max_attempts": 1,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 5000,
    "guard_cycle": 0.5,
    "cache": "local",  # for its own statistics; ours come from the database
    "log_level": "WARNING",
    "label": "Workers",
}

# ---- Logs ----

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "text": {
            "()": "videostudio.core.logs.TextFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        },
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {"console": {"class": "videostudio.core.logs.Handler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        # These write whole URLs and request bodies at INFO and DEBUG.
        **{name: {"level": "WARNING"} for name in ("httpx", "httpx2", "httpcore", "httpcore2")},
        **{name: {"level": "WARNING"} for name in ("google_genai", "urllib3")},
        # At INFO it logs every step of a login; a lock-out is a WARNING.
        "axes": {"level": "WARNING"},
        # An invalid Host header gets a 400, which the request log shows.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "django-q": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        # Without their own handlers, which would not remove secrets.
        "django": {"level": "INFO"},
        "django.server": {"level": "WARNING", "propagate": True},
        "gunicorn.error": {"handlers": ["console"]},
        "waitress": {"level": "WARNING"},
        "waitress.queue": {"level": "ERROR"},  # otherwise a line for each request that waits
        # videostudio.requests logs every request; this one adds only errors of our own.
        "django.request": {"level": "ERROR"},
    },
}

if SENTRY_DSN:
    from videostudio.core import logs

    try:
        logs.start_sentry(SENTRY_DSN)
    except ValueError as error:
        raise SystemExit(f"videostudio: SENTRY_DSN: {error}") from None
