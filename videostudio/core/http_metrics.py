"""Metrics of HTTP requests. The labels have few values: no path, id or method of a client's own."""

import re
from functools import lru_cache

from django.contrib.admindocs.views import simplify_regex
from django.http import HttpRequest, HttpResponseBase

from videostudio.core.process_metrics import counter, histogram, log_errors

METHODS = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}
OTHER, NO_ROUTE = "other", "none"
BUCKETS = (0.025, 0.1, 0.5, 1, 5)  # seconds; few, because each route and method has all of them

requests = counter("http_requests", "Answered HTTP requests", "method", "route", "status")
durations = histogram(
    "http_request_duration_seconds",
    "From the complete request to the beginning of the response",
    *("method", "route"),
    buckets=BUCKETS,
)
errors = counter("api_errors", "Errors of the API by `code`", "method", "route", "code")


@log_errors()
def observe(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    method = request.method if request.method in METHODS else OTHER
    route = _route(request)
    requests.labels(method, route, response.status_code).inc()
    durations.labels(method, route).observe(seconds)
    if code := getattr(response, "error_code", ""):
        errors.labels(method, route, code).inc()


@log_errors()
def refused_by_server(status: int) -> None:
    """A request that did not reach Django."""
    requests.labels(OTHER, NO_ROUTE, status).inc()


def _route(request: HttpRequest) -> str:
    """The route as in `urls.py`, such as "/api/v1/video-jobs/<pk>"; "none" for an unknown path, a
    static file, and what a middleware answers."""
    match = request.resolver_match
    return _readable(match.route) if match else NO_ROUTE


@lru_cache(maxsize=1_000)
def _readable(route: str) -> str:
    if route.startswith("admin/"):
        return "/admin/"  # one for all of its pages
    return re.sub(r"<\w+:(\w+)>", r"<\1>", simplify_regex(route.replace("\\", "")))
