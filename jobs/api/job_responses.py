"""Responses with jobs: their ETags, and a per-process cache for the JSON of ended jobs.

An ended job's JSON changes only with its `version`, and clients mostly list the same jobs.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.core.cache import caches
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from jobs.api.job_lists import Page
from jobs.api.serializers import VideoJobSerializer
from jobs.models import ACTIVE, JobEvent, VideoJob
from jobs.stats import estimates

RETRY_AFTER = "3"  # seconds
CACHE_SECONDS = 600
MAX_CACHED = 10_000  # bytes of one job; a typical one has 2,000

CLIENT_LOG = Prefetch(
    "events", queryset=JobEvent.objects.filter(internal=False).order_by("id"), to_attr="log"
)

Positions = Mapping[UUID, int]


def job_response(
    *,
    request: Request,
    job: VideoJob,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    log: Sequence[JobEvent] | None = None,
    position: int | None = None,
) -> HttpResponse:
    """The job, or 304 if the If-None-Match of a GET names its ETag.

    `log` and `position` (in the waiting line) are read from the database unless they are passed.
    """
    now = timezone.now()
    positions = estimates.queue_positions([job]) if position is None else {job.pk: position}
    tag = etag(job=job, position=positions.get(job.pk), now=now)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if job.status in ACTIVE:
        headers["Retry-After"] = RETRY_AFTER
    if request.method == "GET" and _matches(request.headers.get("If-None-Match", ""), tag):
        return HttpResponse(status=304, headers=headers)
    if log is not None:
        job.log = log
    (content,) = render(request=request, jobs=[job], positions=positions, now=now)
    return _json(content, status=status, headers=headers)


def page_response(*, request: Request, page: Page) -> HttpResponse:
    positions = estimates.queue_positions(page.jobs)
    rendered = render(request=request, jobs=page.jobs, positions=positions, now=timezone.now())
    rest = {
        "total": page.total,
        "nextCursor": page.next_cursor,
        "hasMore": page.next_cursor is not None,
    }
    content = b'{"jobs":[%b],%b' % (b",".join(rendered), JSONRenderer().render(rest)[1:])
    return _json(content, status=200, headers={})


def render(
    *, request: Request, jobs: Sequence[VideoJob], positions: Positions, now: datetime
) -> list[bytes]:
    """Each job as JSON; ended jobs come from the cache if possible."""
    # URLs in the JSON contain the host that the client uses.
    origin = hash(request.build_absolute_uri("/"))
    keys = {job.pk: f"{job.pk}:{job.version}:{origin}" for job in jobs if job.status not in ACTIVE}
    cached = caches["local"].get_many(keys.values())
    missing = [job for job in jobs if keys.get(job.pk) not in cached]
    prefetch_related_objects([job for job in missing if not hasattr(job, "log")], CLIENT_LOG)
    context = {"request": request, "now": now, "positions": positions}
    rendered = {
        job.pk: JSONRenderer().render(VideoJobSerializer(job, context=context).data)
        for job in missing
    }
    new = {keys[pk]: text for pk, text in rendered.items() if pk in keys and len(text) < MAX_CACHED}
    caches["local"].set_many(new, CACHE_SECONDS)
    return [rendered.get(job.pk) or cached[keys[job.pk]] for job in jobs]


def etag(*, job: VideoJob, position: int | None, now: datetime) -> str:
    """Changes whenever the job's JSON does; computed without reading the log."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    return f'"{job.pk.hex}-{job.version}-{position}-{left}"'


def _matches(if_none_match: str, tag: str) -> bool:
    return if_none_match.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in if_none_match.split(",")
    )


def _json(content: bytes, *, status: int, headers: Mapping[str, str]) -> HttpResponse:
    response = HttpResponse(content, status=status, headers={**headers})
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Length"] = str(len(content))
    return response
