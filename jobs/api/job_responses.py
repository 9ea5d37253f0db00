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
from jobs.job_json import ShownJob, VideoJobSerializer
from jobs.models import ACTIVE, JobEvent, VideoJob
from jobs.stats import estimates, waiting_line

RETRY_AFTER = "3"  # seconds
CACHE_SECONDS = 600
MAX_CACHED = 10_000  # bytes of one job; a typical one has 2,000

CLIENT_LOG = Prefetch(
    "events", queryset=JobEvent.objects.filter(internal=False).order_by("id"), to_attr="log"
)

# One for all responses: to copy the fields of a serializer takes longer than to serialize a job.
SERIALIZER = VideoJobSerializer()

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
    positions = waiting_line.positions([job]) if position is None else {job.pk: position}
    tag = etag(job=job, position=positions.get(job.pk), now=now)
    headers = {"ETag": tag, **(headers or {})}
    if job.status in ACTIVE:
        headers["Retry-After"] = RETRY_AFTER
    if request.method in ("GET", "HEAD") and _matches(
        request.headers.get("If-None-Match", ""), tag
    ):
        not_modified = HttpResponse(status=304, headers=headers)
        del not_modified.headers["Content-Type"]
        return not_modified
    if log is not None:
        job.log = log
    texts = {} if job.status in ACTIVE else _cached(request, {job.pk: job.version})
    texts = texts or _render(request, [job], positions=positions, now=now)
    return _json(texts[job.pk], status=status, headers=headers)


def page_response(*, request: Request, page: Page) -> HttpResponse:
    texts = _cached(request, {key.pk: key.version for key in page.jobs})
    missing = _jobs([key.pk for key in page.jobs if key.pk not in texts])
    positions = waiting_line.positions(missing)
    texts |= _render(request, missing, positions=positions, now=timezone.now())
    rest = {
        "total": page.total,
        "nextCursor": page.next_cursor,
        "hasMore": page.next_cursor is not None,
    }
    # A job that was deleted meanwhile is missing.
    jobs = b",".join(texts[key.pk] for key in page.jobs if key.pk in texts)
    return _json(
        b'{"jobs":[%b],%b' % (jobs, JSONRenderer().render(rest)[1:]), status=200, headers={}
    )


def _jobs(ids: Sequence[UUID]) -> list[VideoJob]:
    return list(VideoJob.objects.in_bulk(ids).values()) if ids else []


def _render(
    request: Request, jobs: Sequence[VideoJob], *, positions: Positions, now: datetime
) -> dict[UUID, bytes]:
    """Each job as JSON, by id. Those that have ended go to the cache."""
    prefetch_related_objects([job for job in jobs if not hasattr(job, "log")], CLIENT_LOG)
    texts = {}
    for job in jobs:
        shown = ShownJob(
            job=job, position=positions.get(job.pk), now=now, absolute=request.build_absolute_uri
        )
        texts[job.pk] = JSONRenderer().render(SERIALIZER.to_representation(shown))
    ended = {job.pk: job.version for job in jobs if job.status not in ACTIVE}
    keys = _cache_keys(request, ended)
    small = {key: texts[pk] for key, pk in keys.items() if len(texts[pk]) < MAX_CACHED}
    caches["local"].set_many(small, CACHE_SECONDS)
    return texts


def _cached(request: Request, versions: Mapping[UUID, int]) -> dict[UUID, bytes]:
    """The cached JSON, by id, of those jobs that have ended."""
    keys = _cache_keys(request, versions)
    return {keys[key]: text for key, text in caches["local"].get_many(keys).items()}


def _cache_keys(request: Request, versions: Mapping[UUID, int]) -> dict[str, UUID]:
    # URLs in the JSON contain the host that the client uses.
    origin = hash(request.build_absolute_uri("/"))
    return {f"{pk}:{version}:{origin}": pk for pk, version in versions.items()}


def etag(*, job: VideoJob, position: int | None, now: datetime) -> str:
    """Changes whenever the job's JSON does; computed without reading the log."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    numbers = "-".join("" if number is None else str(number) for number in (position, left))
    return f'"{job.pk.hex}-{job.version}-{numbers}"'


def _matches(if_none_match: str, tag: str) -> bool:
    return if_none_match.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in if_none_match.split(",")
    )


def _json(content: bytes, *, status: int, headers: Mapping[str, str]) -> HttpResponse:
    response = HttpResponse(content, status=status, headers={**headers})
    response.headers["Content-Type"] = "application/json"
    response.headers["Content-Length"] = str(len(content))
    return response
