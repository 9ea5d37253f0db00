"""Middleware: request log and metrics, 503 without the database, fast path for the API, slashes."""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any
from uuid import uuid4

from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import resolve
from django.utils.encoding import escape_uri_path
from django.utils.functional import SimpleLazyObject
from django.utils.log import log_response

from videostudio.core import http_metrics
from videostudio.core.api.errors import is_api, json_error
from videostudio.core.database_errors import DATABASE_DOWN
from videostudio.core.logs import request_id

logger = logging.getLogger("videostudio.requests")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
API_PATH = re.compile(r"/(api/v1/(video-jobs|video-models|tokens)|v1/videos)(/|\Z)")
PROBES = ("/healthz", "/readyz")
RETRY_AFTER = {"Retry-After": "5"}  # seconds
SLOW_SECONDS = 1.0


def request_log_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Count the request, and add its id to all of its log lines (the client's own id, if that is
    valid).

    The request's own line has no query string; its duration ends when the response begins.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        client_id, started = request.headers.get("X-Request-ID", ""), perf_counter()
        token = request_id.set(client_id if REQUEST_ID.fullmatch(client_id) else uuid4().hex)
        try:
            response = get_response(request)
            response["X-Request-ID"] = request_id.get()
            if request.method == "HEAD":
                _remove_body(response)
            seconds = perf_counter() - started
            http_metrics.observe(request, response, seconds)
            if request.path not in PROBES:
                _log(request, response, seconds)
            return response
        finally:
            request_id.reset(token)

    return middleware


def _remove_body(response: HttpResponse) -> None:
    """Django leaves this to the server, and gunicorn logs a warning each time."""
    if response.streaming:
        response.streaming_content = ()  # type: ignore[attr-defined]
    else:
        if response.status_code not in (204, 304):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""


def _log(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    # Successful reads are logged at DEBUG: clients poll every three seconds.
    is_read = request.method in ("GET", "HEAD") and response.status_code < 400
    level = logging.DEBUG if is_read and seconds < SLOW_SECONDS else logging.INFO
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
    """The user's id, if the view has loaded the user: the log must not cause a query."""
    user = getattr(request, "user", None)
    if type(user) is SimpleLazyObject:
        user = getattr(request, "_cached_user", None)
    return str(user.pk) if user and user.pk else None


class DatabaseUnavailableMiddleware:
    """503 to a request whose view fails because the database does not respond."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, DATABASE_DOWN):
            return None
        return database_unavailable(request, exception)


def database_unavailable(request: HttpRequest, exception: Exception) -> HttpResponse:
    """JSON under /api/ and /v1/, else a page."""
    if is_api(request):
        detail = "The service is not available at the moment. Please try again."
        response: HttpResponse = json_error(request, 503, detail, "unavailable", RETRY_AFTER)
    else:
        # Without the request: a context processor would read the user from the database.
        page = render_to_string("503.html", {"reload": request.method in ("GET", "HEAD")})
        response = HttpResponse(page, status=503, headers=RETRY_AFTER)
    # Django itself logs only a response that has not been logged.
    message = "the database does not respond"
    log_response(message, response=response, request=request, logger=logger, exception=exception)
    return response


def api_bypass_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Call the view of an API request directly, without sessions, CSRF and other page middleware.

    Those took a tenth of the time to create a job (docs/performance.md). Probes too, with any Host
    header: a kubelet or load balancer sends the machine's address.
    """

    def answer(request: HttpRequest) -> Any:
        if request.path_info not in PROBES:
            request.get_host()  # raises DisallowedHost, as Django's own middleware does
        match = request.resolver_match = resolve(request.path_info)
        try:
            response = match.func(request, *match.args, **match.kwargs)
        except DATABASE_DOWN as error:  # no `process_exception` is called for this view
            return database_unavailable(request, error)
        return response.render() if hasattr(response, "render") else response

    handler: Any = convert_exception_to_response(answer)

    def middleware(request: HttpRequest) -> HttpResponse:
        if not (API_PATH.match(request.path_info) or request.path_info in PROBES):
            return get_response(request)
        response: HttpResponse = handler(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        return response

    return middleware


def trailing_slash_middleware(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Remove the trailing slash of an API path before the URL is resolved."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(("/api/", "/v1/")):
            request.path_info = request.path_info.removesuffix("/")
        return get_response(request)

    return middleware
