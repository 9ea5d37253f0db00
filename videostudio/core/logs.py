"""Log handler and formatters: they add the request id and remove secrets."""

import json
import logging
import re
from contextvars import ContextVar
from functools import cache
from typing import Any
from urllib.parse import quote

from django.conf import settings

SECRETS = (
    *("SECRET_KEY", "JWT_SIGNING_KEY", "METRICS_TOKEN", "GOOGLE_API_KEY"),
    *("CLOUDINARY_API_KEY", "CLOUDINARY_API_SECRET"),
)
MIN_LENGTH = 4  # a shorter value is not a secret and would match in every line
SECRET_PATTERNS = (
    r"(?i:bearer) +[\w.~+/=-]+",
    r"vsk_\w{8}_[\w-]{20,}",  # an API key
    r"whsec_[\w+/=-]{20,}",  # a webhook's secret
    r"\b[0-9a-f]{32}\.[0-9a-z]{1,13}-[0-9a-f]{32,}",  # the token of a mailed link
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*",  # a JWT
    r"(?<=://)[^/\s:@]*:[^/\s@\"']+(?=@)",  # a URL's user name and password
    # PostgreSQL's error for a violated constraint contains the row, including prompts.
    r"(?s:Failing row contains \(.*?\)\.(?=\\n|\n|\"|$))",
)
STANDARD_FIELDS = {*vars(logging.makeLogRecord({})), "message", "asctime"}

request_id: ContextVar[str] = ContextVar("request_id", default="")


class Handler(logging.StreamHandler):
    """Removes secrets from the complete formatted line."""

    def format(self, record: logging.LogRecord) -> str:
        if id := request_id.get():
            record.request_id = id
        vars(record).pop("request", None)  # set by Django; its text contains the URL with its query
        return scrub(super().format(record))


class TextFormatter(logging.Formatter):
    """For people: appends the extra fields of a JSON line to the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        fields = (
            f" {name}={value}"
            for name, value in vars(record).items()
            if name not in STANDARD_FIELDS
        )
        return super().formatMessage(record) + "".join(fields)


def scrub(value: Any) -> Any:
    """`value` without secrets, at any depth."""
    if isinstance(value, str):
        return _secrets().sub("[secret]", value)
    if isinstance(value, dict):
        return {name: scrub(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(each) for each in value]
    return value


def start_sentry(dsn: str) -> None:
    """Report errors to Sentry, without personal data, request bodies or variables (prompts).

    Raises ValueError for an invalid DSN.
    """
    import sentry_sdk
    from sentry_sdk.integrations.django import DjangoIntegration

    sentry_sdk.init(
        dsn=dsn,
        integrations=[DjangoIntegration()],
        auto_enabling_integrations=False,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        before_send=lambda event, hint: scrub(event),
    )


@cache
def _secrets() -> re.Pattern[str]:
    values = [getattr(settings, name) for name in SECRETS]
    values += [settings.SIMPLE_JWT["SIGNING_KEY"], *settings.JWT_VERIFYING_KEYS]
    values += [*settings.SECRET_KEY_FALLBACKS, *settings.METRICS_TOKEN_FALLBACKS]
    values += [getattr(settings, "EMAIL_HOST_PASSWORD", "") or ""]
    values += [str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()]
    forms = {form for value in values if len(value) >= MIN_LENGTH for form in _forms(value)}
    return re.compile(
        "|".join([*map(re.escape, sorted(forms, key=len, reverse=True)), *SECRET_PATTERNS])
    )


def _forms(value: str) -> set[str]:
    """A value as it is, in JSON, in a Python literal, and in a URL."""
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value), quote(value, safe="")}
