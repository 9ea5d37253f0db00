"""The public pages. They need no login and show only what `public_jobs` and `figures` list.

The live part of a page, which htmx requests at the page's own URL, is the same for all viewers.
`cache` lets each process compute it once for all of them.
"""

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from csp.constants import HEADER as POLICY
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import conditional_page, require_safe

from jobs.models import Status, VideoJob
from jobs.monitor import public_jobs, rendering, search
from jobs.monitor.cache import get_or_compute
from jobs.monitor.feed import NewestVideos
from jobs.monitor.rendering import LivePart

PAGE_NUMBER = re.compile(r"[1-9]\d{0,5}")
VIEWS = ("", "wall")
newest_videos = NewestVideos()


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page  # contains no secret and no CSRF token, so its length reveals nothing (BREACH)
def board(request: HttpRequest) -> HttpResponse:
    """A page of the newest jobs, with one status or all, or with words in their prompts."""
    status, page = request.GET.get("status", "").upper(), request.GET.get("page", "1")
    words, view = request.GET.get("q", "").strip(), request.GET.get("view", "")
    if status not in ("", *Status.values) or not PAGE_NUMBER.fullmatch(page) or view not in VIEWS:
        return not_found(request)
    if view:
        return _wall(request)
    if words:
        return _search(request, words, int(page))
    return _list(request, status, int(page))


def _list(request: HttpRequest, status: str, number: int) -> HttpResponse:
    live = get_or_compute(
        f"board:{status}:{number}",
        lambda: rendering.board(status=status, number=number, now=timezone.now()),
    )
    query = {"status": status} if status else {}
    return _answer(request, live, "monitor/index.html", _live_url(query, number))


def _search(request: HttpRequest, words: str, number: int) -> HttpResponse:
    """Not cached, since each viewer may search for something else."""
    if not settings.MONITOR_SHOW_PROMPTS or len(words) > search.MOST_CHARACTERS:
        return not_found(request)
    live = rendering.found(words=words, number=number, now=timezone.now())
    response = _answer(request, live, "monitor/index.html", _live_url({"q": words}, number))
    response["X-Robots-Tag"] = "noindex"
    return response


def _wall(request: HttpRequest) -> HttpResponse:
    live = get_or_compute("wall", lambda: rendering.wall(now=timezone.now()))
    return _answer(request, live, "monitor/wall_page.html", _live_url({"view": "wall"}, 1))


def _live_url(query: dict[str, str], number: int) -> str:
    query |= {"page": str(number)} if number > 1 else {}
    return f"{reverse('monitor')}?{urlencode(query)}".removesuffix("?")


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page  # contains no secret and no CSRF token, so its length reveals nothing (BREACH)
def single(request: HttpRequest, id: UUID) -> HttpResponse:
    """The page of one job, until the job is deleted or private.

    Reads the database in each request, because a cached page may be older than the change.
    """
    if not public_jobs.has_page(id=id):
        return not_found(request)
    try:
        live = get_or_compute(f"job:{id}", lambda: rendering.single(id=id, now=timezone.now()))
    except VideoJob.DoesNotExist:
        return not_found(request)
    response = _answer(request, live, "monitor/job.html", reverse("monitor-job", args=[id]))
    response["X-Robots-Tag"] = "noindex"  # the prompt is text of another person
    return response


@csrf_exempt  # other methods are answered with 405
@require_safe
def not_found(request: HttpRequest, **arguments: Any) -> HttpResponse:
    response = render(request, "monitor/nothing.html", status=404)
    response["Cache-Control"] = "no-cache"  # a private job may become public again
    return response


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page
@conditional_page  # inside gzip_page, which makes different bytes each time
def feed(request: HttpRequest) -> HttpResponse:
    response = newest_videos(request)
    # Without its newest video, which was removed or is private now, the feed would seem unchanged.
    del response["Last-Modified"]
    response["Cache-Control"] = "no-cache"
    return response


@csrf_exempt  # other methods are answered with 405
@require_safe
@gzip_page
def home(request: HttpRequest) -> HttpResponse:
    """The front page: what this is, the newest video, figures, and the first commands."""
    live = get_or_compute("home", lambda: rendering.home(now=timezone.now()))
    return _answer(request, live, "home.html", reverse("home"))


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
    context = {
        "live": live,
        "live_url": live_url,
        "shows_prompts": settings.MONITOR_SHOW_PROMPTS,
        "words": request.GET.get("q", ""),
        # For other sites, which show a preview of a link
        "studio": request.build_absolute_uri("/").removesuffix("/"),
        "page_url": request.build_absolute_uri(),
        "picture": _whole_url(request, live.picture),
        "video": _whole_url(request, live.card.video_url if live.card else ""),
    }
    response = render(request, page, context)
    more = ("img-src", "media-src", "connect-src")
    response[POLICY] = build_policy(update=dict.fromkeys(more, live.origins))
    return response


def _whole_url(request: HttpRequest, url: str) -> str:
    return request.build_absolute_uri(url) if url else ""
