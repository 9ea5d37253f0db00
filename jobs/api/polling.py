"""Polls, answered before all else: they are most of all requests, and want two rows.

A fast path of `VideoJobViewSet.retrieve`, which has the last word: what is not plainly a look at a
job of the asker's own, with a good token, goes on to it, and so every refusal is its. Without the
pages' middleware, DRF, and the ORM's building of SQL a poll costs a third (docs/performance.md).
A test holds the two answers equal.
"""

import re
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.utils import get_md5_hash_password

from accounts.api.authentication import KnownAccessToken
from accounts.prepared import Select, key
from jobs.api import representation
from jobs.models import VideoJob

POLL = re.compile(r"/api/v1/video-jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/?")
BEARER = "Bearer "
A_JOB = Select(
    lambda: VideoJob.objects.filter(pk=key("id"), user=key("owner")).values_list(
        *representation.COLUMNS, "user__is_active", "user__password"
    )
)

Answer = Callable[[HttpRequest], HttpResponse]


def polls_come_first(get_response: Answer) -> Answer:
    def middleware(request: HttpRequest) -> HttpResponse:
        poll = POLL.fullmatch(request.path_info) if _is_plain(request) else None
        if poll is None:
            return get_response(request)
        try:
            answer = _answer(request, UUID(poll[1]))
        except TokenError:
            answer = None
        except (OperationalError, InterfaceError):
            kept: Any = connection
            kept.health_check_done = False  # the view asks it whether it lives
            answer = None
        return answer or get_response(request)

    return middleware


def _is_plain(request: HttpRequest) -> bool:
    """Whether it has no query: there is no parameter that a poll knows, and the view says so."""
    return request.method == "GET" and not request.META.get("QUERY_STRING")


def _answer(request: HttpRequest, id: UUID) -> HttpResponse | None:
    """What the poll finds; None where it is not for this path to say."""
    request.get_host()  # raises DisallowedHost, as Django's own middleware does
    header = request.META.get("HTTP_AUTHORIZATION", "")
    if not header.startswith(BEARER):
        return None
    token = KnownAccessToken(header.removeprefix(BEARER).encode("latin-1"))  # as DRF has it
    job = _find(id, token)
    if job is None:
        return None
    return representation.answer(
        job=job,
        absolute=request.build_absolute_uri,
        known=request.headers.get("If-None-Match", ""),
    )


def _find(id: UUID, token: KnownAccessToken) -> representation.Shown | None:
    """The job, where the token is its owner's, and the owner's password is still the same."""
    try:
        owner = UUID(token[api_settings.USER_ID_CLAIM])
    except (KeyError, ValueError):
        return None
    for *values, is_active, password in A_JOB.rows(id=id, owner=owner):
        if is_active and token.get(api_settings.REVOKE_TOKEN_CLAIM) == get_md5_hash_password(
            password
        ):
            return representation.Shown(*values)
    return None
