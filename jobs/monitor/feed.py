"""What of a job anyone may see: a list of what is allowed, so that a new column stays hidden."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from jobs.models import VideoJob

SHOWN = 50  # jobs


@dataclass(frozen=True)
class Card:
    """One job on the monitor."""

    id: str
    prompt: str
    model: str
    resolution: str
    aspect_ratio: str
    duration_seconds: int
    status: str
    ended: bool
    status_message: str
    progress_percentage: int
    error_message: str
    video_url: str
    poster_url: str
    created_at: datetime


def newest() -> list[Card]:
    return [_card(job) for job in VideoJob.objects.order_by("-created_at", "-id")[:SHOWN]]


def _card(job: VideoJob) -> Card:
    return Card(
        id=str(job.pk),
        prompt=job.prompt if settings.MONITOR_SHOW_PROMPTS else "",
        model=job.model,
        resolution=job.resolution,
        aspect_ratio=job.aspect_ratio,
        duration_seconds=job.duration_seconds,
        status=job.status,
        ended=job.completed_at is not None,
        status_message=job.status_message,
        progress_percentage=job.progress_percentage,
        error_message=job.error_message,
        video_url=job.video_url,
        poster_url=job.poster_url,
        created_at=job.created_at,
    )
