"""Small things that hold for every request."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any
from uuid import uuid4

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.urls import resolve
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject

from videostudio.core.logs import request_id

logger = logging.getLogger("videostudio.requests")

AN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
PLAIN = re.compile(r"/api/v1/(video-jobs|video-models|tokens)(/|\Z)")
PROBES = ("/healthz", "/readyz")
SLOW_SECONDS = 1.0


def request_log_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Every line that a request writes carries its id, the client's own where it is a decent one.

    The request's own line, without its query, tells how long it was until the answer began.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        given, started = request.headers.get("X-Request-ID", ""), perf_counter()
        token = request_id.set(given if AN_ID.fullmatch(given) else uuid4().hex)
        try:
            response = get_response(request)
            response["X-Request-ID"] = request_id.get()
            if request.method == "HEAD":
                _take_off_the_body(response)
            if request.path not in PROBES:
                _log(request, response, perf_counter() - started)
            return response
        finally:
            request_id.reset(token)

    return middleware


def _take_off_the_body(response: HttpResponse) -> None:
    """Django leaves it to the server, and gunicorn warns of each."""
    if response.streaming:
        response.streaming_content = ()  # type: ignore[attr-defined]
    else:
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""


def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    # Clients poll every three seconds: who only looked, and saw, is for LOG_LEVEL=DEBUG.
    looked = request.method in ("GET", "HEAD") and response.status_code < 400
    level = logging.DEBUG if looked and seconds < SLOW_SECONDS else logging.INFO
    if not logger.isEnabledFor(level):
        return
    method, path = request.method, escape_uri_path(request.path)
    extra = {
        "method": method,
        "path": path,
        "status": response.status_code,
        "milliseconds": round(seconds * 1000),
        "user": _user_id(request),
    }
    logger.log(level, "%s %s %s", method, path, response.status_code, extra=extra)


def _user_id(request: HttpRequest) -> str | None:
    """Who asked, where the answer depended on it: nobody is looked up for the log alone."""
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:
        user = getattr(request, "_cached_user", None)
    return str(user.pk) if user and user.pk else None


def api_bypass_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """The API's own requests go straight to their view: sessions, forms and frames are for pages.

    All that middleware took a tenth of an order's time (docs/performance.md).
    """

    def answer(request: HttpRequest) -> Any:
        request.get_host()  # raises DisallowedHost, as Django's own middleware does
        found = request.resolver_match = resolve(request.path_info)
        response = found.func(request, *found.args, **found.kwargs)
        return response.render() if hasattr(response, "render") else response

    safely: Any = convert_exception_to_response(answer)

    def middleware(request: HttpRequest) -> HttpResponse:
        if not PLAIN.match(request.path_info):
            return get_response(request)
        response: HttpResponse = safely(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return middleware


def trailing_slash_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """API paths have no trailing slash; one that is sent is removed before the URL is resolved."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/"):
            request.path_info = request.path_info.removesuffix("/")
        return get_response(request)

    return middleware
