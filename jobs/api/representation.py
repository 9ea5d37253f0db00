"""The job as JSON, written out by hand.

`VideoJobSerializer` says the same and makes the documentation; a test holds the two equal. It takes
four times as long, and of a poll, the request that comes most, that would be a third.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpResponse

from jobs import estimates
from jobs.models import JobEvent, VideoJob

Line = dict[str, str]


def as_json(
    *,
    job: VideoJob,
    lines: Sequence[Line],
    position: int | None,
    now: datetime,
    absolute: Callable[[str], str],
) -> dict[str, Any]:
    """The whole job. `lines` are its log, `absolute` completes a URL of this server's."""
    left = estimates.remaining_seconds(job=job, queue_position=position, now=now)
    return {
        "id": str(job.pk),
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


def logs(jobs: Iterable[VideoJob]) -> dict[UUID, list[Line]]:
    """What clients may see of the log of each job, oldest first, in one query."""
    lines: dict[UUID, list[Line]] = defaultdict(list)
    rows = JobEvent.objects.filter(job__in=[job.pk for job in jobs], internal=False).order_by("id")
    for job_id, at, level, message in rows.values_list("job", "created_at", "level", "message"):
        lines[job_id].append({"timestamp": _utc(at) or "", "level": level, "message": message})
    return lines


def response(data: dict[str, Any], *, status: int, headers: dict[str, str]) -> HttpResponse:
    content = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return HttpResponse(content, status=status, headers=headers, content_type="application/json")


def _utc(moment: datetime | None) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment else None
