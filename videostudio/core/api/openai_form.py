"""Errors under /v1/, in the form that clients of OpenAI's API read."""

from collections.abc import Mapping
from typing import Any

TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def is_openai(path: str) -> bool:
    return f"/{path.lstrip('/')}/".startswith("/v1/")


def in_openai_form(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """An error of our own form: `detail` (text, or an object with `message`), `code`, `field`."""
    detail = body["detail"]
    usual = "server_error" if status >= 500 else "invalid_request_error"
    error = {
        "message": detail["message"] if isinstance(detail, Mapping) else detail,
        "type": TYPES.get(status, usual),
        "param": body.get("field"),
        "code": body["code"],
    }
    return {"error": error}


def no_retry(method: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of an error after which it is unknown whether an order was carried out.

    OpenAI's clients repeat a request after 5xx, and would order a second video.
    """
    is_unsafe = method == "POST" and "Idempotency-Key" not in headers
    return {"X-Should-Retry": "false"} if is_unsafe else {}
