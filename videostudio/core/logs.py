"""What every line of the log carries, and what none may carry out: secrets."""

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
SHORTEST = 4  # a value of fewer characters is no secret, and would be found in every line
SHAPES = (
    r"(?i:bearer) +[\w.~+/=-]+",
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*",  # a JWT
    r"(?<=://)[^/\s:@]*:[^/\s@\"']+(?=@)",  # a URL's name and password
    # PostgreSQL's report of a broken constraint shows the row: prompts too.
    r"(?s:Failing row contains \(.*?\)\.(?=\\n|\n|\"|$))",
)
USUAL = {*vars(logging.makeLogRecord({})), "message", "asctime"}

request_id: ContextVar[str] = ContextVar("request_id", default="")


class Handler(logging.StreamHandler):
    """The last guard: whatever a line is made of, no secret leaves through it."""

    def format(self, record: logging.LogRecord) -> str:
        if id := request_id.get():
            record.request_id = id
        vars(record).pop("request", None)  # Django's; as a text it is the URL with its query
        return scrub(super().format(record))


class TextFormatter(logging.Formatter):
    """For people: what JSON lines have as fields stands at the end of the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        more = (f" {name}={value}" for name, value in vars(record).items() if name not in USUAL)
        return super().formatMessage(record) + "".join(more)


def scrub(value: Any) -> Any:
    """`value` without secrets, however deep in it they are."""
    if isinstance(value, str):
        return _secrets().sub("[secret]", value)
    if isinstance(value, dict):
        return {name: scrub(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(each) for each in value]
    return value


def start_sentry(dsn: str) -> None:
    """Report errors to Sentry: without people, request bodies or variables, which hold prompts.

    Raises ValueError for a DSN that is none.
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
    values += [settings.SIMPLE_JWT["SIGNING_KEY"]]
    values += [str(database.get("PASSWORD") or "") for database in settings.DATABASES.values()]
    forms = {form for value in values if len(value) >= SHORTEST for form in _forms(value)}
    return re.compile("|".join([*map(re.escape, sorted(forms, key=len, reverse=True)), *SHAPES]))


def _forms(value: str) -> set[str]:
    """A value as it is, in JSON, in a Python literal, and in a URL."""
    return {value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value), quote(value, safe="")}
