"""The public pages: no login, and nothing that `feed` and `pulse` do not list.

Each has a live part, which htmx asks for under the page's own address. It is the same for
everybody: `shared` has it made once, whoever asks, and who knows it already gets a 304.
"""

import logging
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from csp.constants import HEADER as POLICY
from csp.utils import build_policy
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from jobs.models import Status, VideoJob
from jobs.monitor import public_jobs, pulse, rendering
from jobs.monitor.rendering import Fragment
from jobs.monitor.shared import Kind, Shared

logger = logging.getLogger(__name__)
shared = Shared()
USUAL = Kind(every=60, queries=2)
# The figures and the cards of a page are of one moment: what they say must fit.
PULSE = BOARD = SINGLE = Kind(every=2, queries=3)
PAGE_NUMBER = re.compile(r"[1-9]\d{0,5}")

View = Callable[..., HttpResponse]


def _while_the_database_answers(view: View) -> View:
    def guarded(request: HttpRequest, **arguments: Any) -> HttpResponse:
        try:
            return view(request, **arguments)
        except (OperationalError, InterfaceError):
            logger.warning("the database does not answer")
            response = render(request, "monitor/away.html", status=503)
            response["Retry-After"] = "5"
            return response

    return guarded


@csrf_exempt  # anything but a look is 405
@require_safe
@gzip_page  # no secret and no CSRF token is in it, so its length reveals nothing (BREACH)
@_while_the_database_answers
def board(request: HttpRequest) -> HttpResponse:
    """A page of the newest jobs, of one status or of all."""
    status, page = request.GET.get("status", "").upper(), request.GET.get("page", "1")
    if status not in ("", *Status.values) or not PAGE_NUMBER.fullmatch(page):
        return nothing(request)
    number = int(page)
    state = shared.get("pulse", PULSE, lambda: pulse.take(now=timezone.now()))
    usual = shared.get("usual", USUAL, pulse.usual)

    def find_out() -> Fragment:
        now = timezone.now()
        cards = public_jobs.page(status=status, number=number, now=now)
        return rendering.board(
            cards=cards, status=status, number=number, pulse=state, usual=usual, now=now
        )

    fragment = shared.get(f"board {status} {number}", BOARD, find_out)
    address = QueryDict(mutable=True)
    address.update({"status": status} if status else {})
    address.update({"page": page} if number > 1 else {})
    live_url = f"{reverse('monitor')}?{address.urlencode()}".removesuffix("?")
    return _answer(request, fragment, "monitor/index.html", live_url)


@csrf_exempt  # anything but a look is 405
@require_safe
@gzip_page  # no secret and no CSRF token is in it, so its length reveals nothing (BREACH)
@_while_the_database_answers
def single(request: HttpRequest, id: UUID) -> HttpResponse:
    """One job, for as long as it is there."""
    usual = shared.get("usual", USUAL, pulse.usual)

    def find_out() -> Fragment:
        now = timezone.now()
        return rendering.single(card=public_jobs.job(id=id, now=now), usual=usual, now=now)

    try:
        fragment = shared.get(f"job {id}", SINGLE, find_out)
    except VideoJob.DoesNotExist:
        return nothing(request)
    return _answer(request, fragment, "monitor/job.html", reverse("monitor-job", args=[id]))


@csrf_exempt  # anything but a look is 405
@require_safe
def nothing(request: HttpRequest, **arguments: Any) -> HttpResponse:
    return render(request, "monitor/nothing.html", status=404)


def _answer(request: HttpRequest, fragment: Fragment, page: str, live_url: str) -> HttpResponse:
    """The whole page, or to htmx its live part, or to who knows that already only that."""
    if not getattr(request, "htmx", False):
        picture = fragment.card.poster_url if fragment.card else ""
        context = {
            "fragment": fragment,
            "live_url": live_url,
            "picture": request.build_absolute_uri(picture) if picture else "",
        }
        response = render(request, page, context)
        more = ("img-src", "media-src", "connect-src")
        response[POLICY] = build_policy(update=dict.fromkeys(more, fragment.origins))
        return _fresh(response)
    if fragment.etag in request.headers.get("If-None-Match", ""):
        response = HttpResponse(status=304)
    elif "gzip" in request.headers.get("Accept-Encoding", ""):
        response = HttpResponse(fragment.packed, headers={"Content-Encoding": "gzip"})
    else:
        response = HttpResponse(fragment.html)
    response["ETag"] = fragment.etag
    response["Found-At"] = f"{fragment.found_at.timestamp():.3f}"
    return _fresh(response)


def _fresh(response: HttpResponse) -> HttpResponse:
    """Both answers have the same address, and neither may be shown again unasked."""
    response["Cache-Control"] = "no-cache"
    patch_vary_headers(response, ["HX-Request", "Accept-Encoding"])
    return response
