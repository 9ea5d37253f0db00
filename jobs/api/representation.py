"""The job as JSON, written out by hand.

`VideoJobSerializer` says the same and makes the documentation; a test holds the two equal. It takes
four times as long, and of a poll, the request that comes most, that would be a third.

The text of a job that has ended is kept for a while, by each process for itself: it changes only
with the job's `version`, and who lists jobs lists mostly the same ones again.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.core.cache import caches
from django.db.models import CharField
from django.db.models.functions import Cast
from django.http import HttpResponse
from django.utils import timezone

from accounts.prepared import Select, key
from jobs import estimates
from jobs.models import ACTIVE, JobEvent

POLL_AGAIN = "3"  # seconds
KEPT_SECONDS = 600
MOST_KEPT = 10_000  # characters of a job; a usual one has 2,000


class Shown(NamedTuple):
    """The columns that a job's answer is made from; made in a tenth of the time of a model."""

    id: UUID
    user_id: UUID
    prompt: str
    model: str
    resolution: str
    aspect_ratio: str
    duration_seconds: int
    generate_audio: bool
    mock_mode: bool
    has_initial_image: bool
    has_end_frame: bool
    reference_image_count: int
    status: str
    status_message: str
    progress_percentage: int
    stage: str
    tokens_consumed: int
    tokens_refunded: int
    video_url: str
    poster_url: str
    error_message: str
    error_code: str
    expected_seconds: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    version: int


COLUMNS = Shown._fields
# The time as text ("2026-11-24 12:00:00…", in UTC): of the many lines of a list, making datetimes
# and then text again took as long as all the rest.
LINE_COLUMNS = (Cast("created_at", CharField()), "level", "message")

LOG = Select(
    lambda: (
        JobEvent.objects.filter(job=key("job"), internal=False)
        .order_by("id")
        .values_list(*LINE_COLUMNS)
    )
)

AJob = Any  # a VideoJob or what is Shown of one: no type says "either" to all who ask
Line = dict[str, str]


def as_json(
    *,
    job: AJob,
    lines: Sequence[Line],
    position: int | None,
    now: datetime,
    absolute: Callable[[str], str],
) -> dict[str, Any]:
    """The whole job. `lines` are its log, `absolute` completes a URL of this server's."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    return {
        "id": str(job.id),
        "userId": str(job.user_id),
        "prompt": job.prompt or None,
        "model": job.model,
        "resolution": job.resolution,
        "aspectRatio": job.aspect_ratio,
        "durationSeconds": job.duration_seconds,
        "generateAudio": job.generate_audio,
        "mockMode": job.mock_mode,
        "inputs": {
            "initialImage": job.has_initial_image,
            "endFrame": job.has_end_frame,
            "referenceImages": job.reference_image_count,
        },
        "status": str(job.status),
        "statusMessage": job.status_message,
        "progressPercentage": job.progress_percentage,
        "logs": lines,
        "tokensConsumed": job.tokens_consumed,
        "tokensRefunded": job.tokens_refunded,
        "cloudinaryUrl": absolute(job.video_url) if job.video_url else None,
        "posterUrl": absolute(job.poster_url) if job.poster_url else None,
        "errorMessage": job.error_message or None,
        "errorCode": job.error_code or None,
        "queuePosition": position,
        "estimatedSecondsRemaining": left,
        "createdAt": _utc(job.created_at),
        "startedAt": _utc(job.started_at),
        "completedAt": _utc(job.completed_at),
    }


def answer(
    *,
    job: AJob,
    absolute: Callable[[str], str],
    known: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    log: Sequence[JobEvent] | None = None,
    position: int | None = None,
) -> HttpResponse:
    """The job, or 304 to a client for whom it is among the `known` tags (If-None-Match).

    Its `log`, and its `position` in the line, are looked up where they are not given.
    """
    now = timezone.now()
    if position is None:
        position = estimates.queue_positions([job]).get(job.id)
    tag = etag(job=job, position=position, now=now)
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", **(headers or {})}
    if job.status in ACTIVE:
        headers["Retry-After"] = POLL_AGAIN
    if _knows(known, tag):
        return HttpResponse(status=304, headers=headers)
    if log is None:
        (text,) = texts(jobs=[job], positions={job.id: position}, now=now, absolute=absolute)
    else:
        lines = [line(str(each.created_at), each.level, each.message) for each in log]
        text = _dumps(as_json(job=job, lines=lines, position=position, now=now, absolute=absolute))
    return response(text, status=status, headers=headers)


def _knows(header: str, tag: str) -> bool:
    """Whether an If-None-Match names `tag`, or whatever there is."""
    return header.strip() == "*" or tag in (
        each.strip().removeprefix("W/") for each in header.split(",")
    )


def page(*, jobs: Sequence[AJob], total: int, absolute: Callable[[str], str]) -> HttpResponse:
    """Some of the `total` jobs that there are."""
    now, positions = timezone.now(), estimates.queue_positions(jobs)
    shown = ",".join(texts(jobs=jobs, positions=positions, now=now, absolute=absolute))
    return response(f'{{"jobs":[{shown}],"total":{total}}}', status=200, headers={})


def texts(
    *,
    jobs: Sequence[AJob],
    positions: Mapping[UUID, int | None],
    now: datetime,
    absolute: Callable[[str], str],
) -> list[str]:
    """Each job as JSON; of those that have ended, from before where it is known."""
    here = hash(absolute("/"))  # the address by which we were asked is in our own URLs
    keys = {job.id: f"{job.id.hex}:{job.version}:{here}" for job in jobs if _has_ended(job)}
    known = caches["local"].get_many(keys.values())
    new = [job for job in jobs if keys.get(job.id) not in known]
    lines = log_lines(new)
    made = {
        job.id: _dumps(
            as_json(
                job=job,
                lines=lines[job.id.hex],
                position=positions.get(job.id),
                now=now,
                absolute=absolute,
            )
        )
        for job in new
    }
    kept = {keys[id]: text for id, text in made.items() if id in keys and len(text) < MOST_KEPT}
    caches["local"].set_many(kept, KEPT_SECONDS)
    return [made.get(job.id) or known[keys[job.id]] for job in jobs]


def _has_ended(job: AJob) -> bool:
    return job.status not in ACTIVE


def etag(*, job: AJob, position: int | None, now: datetime) -> str:
    """Changes whenever anything in the job's answer does; costs no look at its log."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    return f'"{job.id.hex}-{job.version}-{position}-{left}"'


def log_lines(jobs: Sequence[AJob]) -> dict[str, list[Line]]:
    """What clients may see of the log of each job, by its id's hex, oldest first, in one query."""
    lines: dict[str, list[Line]] = defaultdict(list)
    if len(jobs) == 1:
        lines[jobs[0].id.hex] = [line(*columns) for columns in LOG.rows(job=jobs[0].id)]
    elif jobs:
        rows = JobEvent.objects.filter(job__in=[job.id for job in jobs], internal=False)
        # An id as text: making UUIDs takes longer. SQLite keeps it without hyphens.
        of_job = Cast("job", CharField())
        for id, *columns in rows.order_by("id").values_list(of_job, *LINE_COLUMNS):
            lines[id.replace("-", "")].append(line(*columns))
    return lines


def line(at: str, level: str, message: str) -> Line:
    return {"timestamp": f"{at[:10]}T{at[11:19]}Z", "level": level, "message": message}


def _dumps(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def response(text: str, *, status: int, headers: dict[str, str]) -> HttpResponse:
    content = text.encode()
    headers = {**headers, "Content-Length": str(len(content))}
    return HttpResponse(content, status=status, headers=headers, content_type="application/json")


def _utc(moment: datetime | None) -> str | None:
    return f"{moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z" if moment else None
