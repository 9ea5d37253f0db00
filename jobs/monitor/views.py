"""The public pages. They need no login and show only what `public_jobs` and `figures` list.

The live part of a page, which htmx requests at the page's own URL, is the same for all viewers.
`cache` lets each process compute it once for all of them.
"""

import re
from typing import Any
from uuid import UUID

from csp.constants import HEADER as POLICY
from csp.utils import build_policy
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from jobs.models import Status, VideoJob
from jobs.monitor import public_jobs, rendering
from jobs.monitor.cache import get_or_compute
from jobs.monitor.rendering import LivePart

PAGE_NUMBER = re.compile(r"[1-9]\d{0,5}")


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page  # contains no secret and no CSRF token, so its length reveals nothing (BREACH)
def board(request: HttpRequest) -> HttpResponse:
    """A page of the newest jobs, with one status or all."""
    status, page = request.GET.get("status", "").upper(), request.GET.get("page", "1")
    if status not in ("", *Status.values) or not PAGE_NUMBER.fullmatch(page):
        return nothing(request)
    number = int(page)
    live = get_or_compute(
        f"board:{status}:{number}",
        lambda: rendering.board(status=status, number=number, now=timezone.now()),
    )
    query = QueryDict(mutable=True)
    query.update({"status": status} if status else {})
    query.update({"page": page} if number > 1 else {})
    live_url = f"{reverse('monitor')}?{query.urlencode()}".removesuffix("?")
    return _answer(request, live, "monitor/index.html", live_url)


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page  # contains no secret and no CSRF token, so its length reveals nothing (BREACH)
def single(request: HttpRequest, id: UUID) -> HttpResponse:
    """The page of one job, until the job is deleted or private.

    The database is asked each time: the cache of this process may be older than that.
    """
    if not public_jobs.has_page(id=id):
        return nothing(request)
    try:
        live = get_or_compute(f"job:{id}", lambda: rendering.single(id=id, now=timezone.now()))
    except VideoJob.DoesNotExist:
        return nothing(request)
    return _answer(request, live, "monitor/job.html", reverse("monitor-job", args=[id]))


@csrf_exempt  # other methods are answered with 405
@require_safe
def nothing(request: HttpRequest, **arguments: Any) -> HttpResponse:
    response = render(request, "monitor/nothing.html", status=404)
    response["Cache-Control"] = "no-cache"  # a private job may become public again
    return response


def _answer(request: HttpRequest, live: LivePart, page: str, live_url: str) -> HttpResponse:
    """The whole page; for htmx its live part only; 304 if that has not changed."""
    if getattr(request, "htmx", False):
        found_at = f"{live.found_at.timestamp():.3f}"
        response = HttpResponse(live.html, headers={"ETag": live.etag, "Found-At": found_at})
    else:
        response = _whole_page(request, live, page, live_url)
    response["Cache-Control"] = "no-cache"
    patch_vary_headers(response, ["HX-Request", "Accept-Encoding"])  # gzip_page skips a 304
    return get_conditional_response(request, response.get("ETag"), response=response) or response


def _whole_page(request: HttpRequest, live: LivePart, page: str, live_url: str) -> HttpResponse:
    poster_url = live.card.poster_url if live.card else ""
    picture = request.build_absolute_uri(poster_url) if poster_url else ""
    response = render(request, page, {"live": live, "live_url": live_url, "picture": picture})
    more = ("img-src", "media-src", "connect-src")
    response[POLICY] = build_policy(update=dict.fromkeys(more, live.origins))
    return response
